"""Charts of experiments, drawn on the server as SVG: no script, colours from the stylesheet by a variant's position."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

TOP, BOTTOM, LEFT, RIGHT = 12, 26, 48, 12
TICKS = 4


@dataclass(frozen=True)
class Line:
    """A variant's values and, where there are, bands; `tone` is its position. None leaves a gap that is drawn through."""

    tone: int
    name: str
    values: Sequence[float | None]
    bands: Sequence[tuple[float, float] | None] = ()


def _span(values: Sequence[float], zero: bool) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-12:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    return low, high


def lines(
    series: Sequence[Line], *, label: str, names: Sequence[str], tips: Sequence[str], show: Callable[[float], str],
    width: int = 720, height: int = 230, zero: bool = False, clip: tuple[float, float] | None = None,
) -> SafeString:  # fmt: skip
    """Lines over time with their bands. `names`: what stands below each point; `tips`: its tooltip; `clip`: values beyond
    are cut off at the edge."""
    count = len(names)
    every = [v for line in series for v in line.values if v is not None]
    every += [edge for line in series for band in line.bands if band for edge in band]
    if clip:
        every = [min(clip[1], max(clip[0], v)) for v in every]
    low, high = _span(every, zero)
    step, base = (width - LEFT - RIGHT) / max(1, count), height - BOTTOM

    def x(i: int) -> float:
        return LEFT + step * (i + 0.5)

    def y(value: float) -> float:
        return base - min(1.0, max(0.0, (value - low) / (high - low))) * (base - TOP)

    ticks = [low + (high - low) * i / TICKS for i in range(TICKS + 1)]
    grid = format_html_join(
        "", '<line class="c-grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="c-text" x="{}" y="{}" text-anchor="end">{}</text>',
        ((LEFT, width - RIGHT, f"{y(v):.1f}", f"{y(v):.1f}", LEFT - 6, f"{y(v) + 4:.1f}", show(v)) for v in ticks),
    )  # fmt: skip
    drawn = []
    if low < 0 < high:
        at = f"{y(0):.1f}"
        drawn.append(format_html('<line class="x-zero" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, width - RIGHT, at, at))
    for line in series:
        banded = [(i, band) for i, band in enumerate(line.bands) if band]
        if len(banded) > 1:
            points = [f"{x(i):.1f},{y(band[1]):.1f}" for i, band in banded]
            points += [f"{x(i):.1f},{y(band[0]):.1f}" for i, band in reversed(banded)]
            drawn.append(format_html('<polygon class="x-band tone-{}" points="{}"/>', line.tone, " ".join(points)))
        for i, band in banded if len(banded) == 1 else ():
            drawn.append(
                format_html('<line class="x-whisker tone-{}" x1="{}" x2="{}" y1="{}" y2="{}"/>', line.tone, f"{x(i):.1f}",
                            f"{x(i):.1f}", f"{y(band[0]):.1f}", f"{y(band[1]):.1f}")
            )  # fmt: skip
        known = [(i, v) for i, v in enumerate(line.values) if v is not None]
        points = [f"{x(i):.1f},{y(v):.1f}" for i, v in known]
        drawn.append(format_html('<polyline class="x-line tone-{}" points="{}"/>', line.tone, " ".join(points)))
        if len(known) <= 40:
            drawn += [
                format_html('<circle class="x-fill tone-{}" cx="{}" cy="{}" r="2.5"/>', line.tone, f"{x(i):.1f}", f"{y(v):.1f}")
                for i, v in known
            ]  # fmt: skip
    apart = max(1, -(-count * 64 // (width - LEFT - RIGHT)))
    labels = format_html_join(
        "", '<text class="c-text" x="{}" y="{}" text-anchor="middle">{}</text>',
        ((f"{x(i):.1f}", height - 8, name) for i, name in enumerate(names) if (count - 1 - i) % apart == 0),
    )  # fmt: skip
    hits = format_html_join(
        "", '<rect class="c-hit" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
        ((f"{LEFT + step * i:.1f}", TOP, f"{step:.1f}", base - TOP, tip) for i, tip in enumerate(tips)),
    )  # fmt: skip
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}</svg>',
        width, height, label, grid, SafeString("".join(drawn)), labels, hits,
    )  # fmt: skip


def interval(
    low: float, middle: float, high: float, *, edges: tuple[float, float], tone: int, label: str
) -> SafeString:
    """A bar from low to high with a mark at the middle, on a scale that all variants share; a line stands at 0."""
    left, right = edges
    at = lambda v: 100 * (min(right, max(left, v)) - left) / (right - left)
    return format_html(
        '<svg class="x-interval" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="meter-rest" y="4" width="100" height="2"/><rect class="x-fill tone-{}" x="{}" width="{}" y="2" height="6" rx="1"/>'
        '<rect class="x-mark" x="{}" width="1" y="1" height="8"/><rect class="x-null" x="{}" width=".5" height="10"/></svg>',
        label, tone, f"{at(low):.2f}", f"{max(0.6, at(high) - at(low)):.2f}", f"{max(0, at(middle) - 0.5):.2f}",
        f"{max(0, at(0.0) - 0.25):.2f}",
    )  # fmt: skip


def edges(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """A scale for intervals of one kind, with 0 on it; no wider than three times over and three quarters below."""
    low = max(-0.75, min([0.0, *(i[0] for i in intervals)]))
    high = min(3.0, max([0.0, *(i[1] for i in intervals)]))
    room = 0.05 * (high - low) or 0.1
    return low - room, high + room


def densities(
    curves: Sequence[tuple[int, Sequence[float], Sequence[float]]], *, label: str, show: Callable[[float], str],
    width: int = 720, height: int = 170,
) -> SafeString:  # fmt: skip
    """Hills of what the variants' values may be: (tone, values, densities) each."""
    left = min((x[0] for _tone, x, _y in curves), default=0.0)
    right = max((x[-1] for _tone, x, _y in curves), default=1.0)
    top = max((max(y) for _tone, _x, y in curves), default=1.0) or 1.0
    wide, base = (right - left) or 1.0, height - BOTTOM
    at = lambda v: 14 + (v - left) / wide * (width - 28)
    drawn = [
        format_html('<line class="c-axis" x1="14" x2="{}" y1="{}" y2="{}"/>', width - 14, base, base),
    ]
    for tone, xs, ys in curves:
        points = " ".join(f"{at(x):.1f},{base - y / top * (base - TOP):.1f}" for x, y in zip(xs, ys, strict=True))
        ends = f"{at(xs[0]):.1f},{base} {points} {at(xs[-1]):.1f},{base}"
        drawn.append(format_html('<polygon class="x-band tone-{}" points="{}"/>', tone, ends))
        drawn.append(format_html('<polyline class="x-line tone-{}" points="{}"/>', tone, points))
    marks = [left + wide * i / 4 for i in range(5)]
    labels = format_html_join(
        "", '<text class="c-text" x="{}" y="{}" text-anchor="middle">{}</text>',
        ((f"{min(width - 30, max(30, at(v))):.1f}", height - 8, show(v)) for v in marks),
    )  # fmt: skip
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>',
        width, height, label, SafeString("".join(drawn)), labels,
    )  # fmt: skip
