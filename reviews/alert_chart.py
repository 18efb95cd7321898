"""The chart of an alert: counts a day as bars, the level to expect and what was still usual as a band."""

from datetime import date, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from reviews.models import Alert

WIDTH, HEIGHT, FOOT = 720, 200, 22


def draw(alert: Alert) -> SafeString | str:
    """SVG, or nothing for an alert without a series (safety, bursts)."""
    values = alert.numbers.get("series") or []
    if not values:
        return ""
    days = max(1, alert.numbers.get("days", 1))
    level, upper = alert.expected / days, alert.numbers.get("upper", alert.expected) / days
    last = date.fromisoformat(alert.numbers["last_day"])
    top = max([*values, upper, 1]) * 1.08
    step = WIDTH / len(values)

    def y(value: float) -> float:
        return round((HEIGHT - FOOT) * (1 - value / top), 1)

    bars = format_html_join(
        "",
        '<rect class="alert-bar{}" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (
                " alert-bar-now" if i >= len(values) - days else "", round(i * step + step * 0.12, 1), y(value),
                round(step * 0.76, 1), round(HEIGHT - FOOT - y(value), 1),
                (last - timedelta(days=len(values) - 1 - i)).isoformat(), value,
            )
            for i, value in enumerate(values)
        ),
    )  # fmt: skip
    label = _("Reviews a day up to %(day)s; %(e).1f a day expected, up to %(u).1f usual") % {
        "day": last.isoformat(), "e": level, "u": upper,
    }  # fmt: skip
    return format_html(
        '<svg class="alert-chart" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">'
        '<rect class="alert-band" x="0" y="{top}" width="{w}" height="{band}"/>'
        '<line class="alert-level" x1="0" x2="{w}" y1="{level}" y2="{level}"/>{bars}'
        '<text class="alert-text" x="0" y="{foot}">{first}</text>'
        '<text class="alert-text" x="{w}" y="{foot}" text-anchor="end">{last}</text></svg>',
        w=WIDTH, h=HEIGHT, label=label, top=y(upper), band=round(HEIGHT - FOOT - y(upper), 1), level=y(level), bars=bars,
        foot=HEIGHT - 5, first=(last - timedelta(days=len(values) - 1)).isoformat(), last=last.isoformat(),
    )  # fmt: skip
