"""Charts drawn on the server as SVG: no script needed, colours from the stylesheet, one tooltip a point.

Each drawing comes wide and narrow, so that its letters keep their size on a phone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from reviews.statistics import Bucket

TOP, BOTTOM, LEFT, RIGHT = 12, 26, 38, 12
VOLUME_SHARE = 0.22


@dataclass(frozen=True)
class Series:
    """One line: its class in the stylesheet, name, values and 95 % bands a bucket; None leaves a gap."""

    tone: str
    name: str
    values: Sequence[float | None]
    bands: Sequence[tuple[float, float] | None]


@dataclass(frozen=True)
class Axis:
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]


def _runs(values: Sequence) -> list[list[int]]:
    """Indexes of neighbouring values that are there."""
    runs: list[list[int]] = []
    for i, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def time_chart(
    buckets: Sequence[Bucket],
    series: Sequence[Series],
    axis: Axis,
    *,
    label: str,
    names: Sequence[str],
    tips: Sequence[str],
    links: Sequence[str],
    show: Callable[[int], str],
    width: int = 760,
    height: int = 260,
) -> SafeString:
    """Lines with bands over bars of volume. `names`, `tips`, `links` have one entry a bucket: axis label, tooltip,
    address of the reviews behind it; `show` writes a number of reviews."""
    plot_w, base = width - LEFT - RIGHT, height - BOTTOM
    volume_h = (base - TOP) * VOLUME_SHARE
    line_base = base - volume_h - 18
    step = plot_w / max(1, len(buckets))
    most = max((b.numbers.n for b in buckets), default=0) or 1

    def x(i: int) -> float:
        return LEFT + step * (i + 0.5)

    def y(value: float) -> float:
        share = (value - axis.low) / (axis.high - axis.low)
        return line_base - min(1.0, max(0.0, share)) * (line_base - TOP)

    grid = format_html_join(
        "",
        '<line class="c-grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="c-text" x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (LEFT, width - RIGHT, f"{y(v):.1f}", f"{y(v):.1f}", LEFT - 6, f"{y(v) + 4:.1f}", text)
            for v, text in axis.ticks
        ),
    )
    bar_w = max(1.0, min(step * 0.7, 28))
    bars = format_html_join(
        "",
        '<rect class="c-volume" x="{}" y="{}" width="{}" height="{}" rx="1.5"/>',
        (
            (f"{x(i) - bar_w / 2:.1f}", f"{base - b.numbers.n / most * volume_h:.1f}", f"{bar_w:.1f}",
             f"{b.numbers.n / most * volume_h:.1f}")
            for i, b in enumerate(buckets) if b.numbers.n
        ),
    )  # fmt: skip
    volume_axis = format_html(
        '<text class="c-text" x="{}" y="{}" text-anchor="end">{}</text>',
        LEFT - 6,
        f"{base - volume_h + 9:.1f}",
        show(most),
    )
    lines = []
    for line in series:
        known = {i: value for i, value in enumerate(line.values) if value is not None}
        bands = {i: band for i, band in enumerate(line.bands) if band is not None and i in known}
        for run in _runs([bands.get(i) for i in range(len(buckets))]):
            upper = " ".join(f"{x(i):.1f},{y(bands[i][1]):.1f}" for i in run)
            lower = " ".join(f"{x(i):.1f},{y(bands[i][0]):.1f}" for i in reversed(run))
            if len(run) == 1:  # a lone point has an upright bar for its band
                lines.append(
                    format_html('<line class="c-whisker c-{}" x1="{}" x2="{}" y1="{}" y2="{}"/>', line.tone, f"{x(run[0]):.1f}",
                                f"{x(run[0]):.1f}", f"{y(bands[run[0]][0]):.1f}", f"{y(bands[run[0]][1]):.1f}")
                )  # fmt: skip
            else:
                lines.append(format_html('<polygon class="c-band c-{}" points="{} {}"/>', line.tone, upper, lower))
        for run in _runs(line.values):
            points = " ".join(f"{x(i):.1f},{y(known[i]):.1f}" for i in run)
            lines.append(format_html('<polyline class="c-line c-{}" points="{}"/>', line.tone, points))
            if len(buckets) <= 40:
                lines += [
                    format_html('<circle class="c-dot c-{}" cx="{}" cy="{}" r="2.5"/>', line.tone, f"{x(i):.1f}",
                                f"{y(known[i]):.1f}")
                    for i in run
                ]  # fmt: skip
    every = max(1, -(-len(buckets) * 62 // plot_w))
    labels = format_html_join(
        "",
        '<text class="c-text" x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (f"{x(i):.1f}", height - 8, name)
            for i, name in enumerate(names)
            if (len(names) - 1 - i) % every == 0 and x(i) > LEFT + 14
        ),
    )
    hits = format_html_join(
        "",
        '<a href="{}" tabindex="-1"><rect class="c-hit" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect></a>',
        (
            (link, f"{LEFT + step * i:.1f}", TOP, f"{step:.1f}", base - TOP, tip)
            for i, (tip, link) in enumerate(zip(tips, links, strict=True))
        ),
    )
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}<line class="c-axis" x1="{}" x2="{}" y1="{}" y2="{}"/>{}{}{}{}{}</svg>',
        width, height, label, grid, LEFT, width - RIGHT, base, base, bars, volume_axis, SafeString("".join(lines)), labels, hits,
    )  # fmt: skip


def stacked(parts: Sequence[tuple[str, int]], *, label: str) -> SafeString:
    """A thin bar cut into (class, count) parts."""
    whole = sum(n for _tone, n in parts) or 1
    at, drawn = 0.0, []
    for tone, n in parts:
        share = 100 * n / whole
        drawn.append(
            format_html('<rect class="c-fill c-{}" x="{}" width="{}" height="6"/>', tone, f"{at:.2f}", f"{share:.2f}")
        )
        at += share
    return format_html(
        '<svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        label, SafeString("".join(drawn)),
    )  # fmt: skip
