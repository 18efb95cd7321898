"""The loss curve of a run as points of a picture that the server draws."""

from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 220, 46, 24


@dataclass(frozen=True)
class Curve:
    """`points`: of an SVG polyline; `ticks` (y, value) and `marks` (x, label) of the axes."""

    points: str
    ticks: list[tuple[float, str]]
    marks: list[tuple[float, str]]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM


def draw(points: list[list[float]], epochs: list[dict], total: int) -> Curve | None:
    """The curve of [[step, loss], …], with a mark at each epoch's end; None below two points."""
    if len(points) < 2:
        return None
    # Single batches jump about: the eye wants their running mean.
    smooth, value = [], points[0][1]
    for step, loss in points:
        value = 0.8 * value + 0.2 * loss
        smooth.append((step, value))
    low, high = min(v for _s, v in smooth), max(v for _s, v in smooth)
    span, last = (high - low) or 1.0, max(total, int(points[-1][0]), 1)

    def x(step: float) -> float:
        return round(LEFT + step / last * (WIDTH - LEFT - 8), 1)

    def y(loss: float) -> float:
        return round(8 + (high - loss) / span * (HEIGHT - BOTTOM - 16), 1)

    ticks = [(y(v), f"{v:.3g}") for v in (low, (low + high) / 2, high)]
    marks = [(x(e["step"]), str(int(e.get("epoch") or 0) + 1)) for e in epochs if e.get("step")][-12:]
    return Curve(
        " ".join(f"{x(s)},{y(v)}" for s, v in smooth), ticks, marks,
        f"{smooth[0][1]:.3f} → {smooth[-1][1]:.3f}",
    )  # fmt: skip
