"""Numbers and names of reviews in templates."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from reviews import charts, presentation
from reviews.filters import Filters, aspect_names, sentiment_names
from reviews.models import Flag

register = template.Library()
register.filter("percent", presentation.percent)
register.filter("number", presentation.number)
register.filter("language_name", presentation.language_name)
register.filter("source_name", presentation.source_name)


@register.filter
def decimal2(value: float | None) -> str:
    """The number with two decimals, as the language writes it; a dash for none."""
    return presentation.number(value, 2)


@register.filter
def aspect_name(aspect: str) -> str:
    return aspect_names().get(aspect, aspect)


@register.filter
def sentiment_name(sentiment: str) -> str:
    return sentiment_names().get(sentiment, sentiment)


@register.filter
def flag_name(kind: str) -> str:
    return Flag.Kind(kind).label if kind in Flag.Kind.values else kind


@register.filter
def points(difference: float | None) -> str:
    """A change of a share in percentage points."""
    return "" if difference is None else presentation.signed(100 * difference)


@register.filter
def star_row(value: float | None) -> SafeString | str:
    """Five stars, rounded to halves and said in words to a screen reader."""
    if value is None:
        return "–"
    full = int(2 * value + 0.5) / 2
    shown = "".join("★" if full >= k else "½" if full >= k - 0.5 else "☆" for k in range(1, 6))
    text = _("%(n)s of 5 stars") % {"n": presentation.number(value, 1)}
    return format_html('<span class="stars" role="img" aria-label="{}">{}</span>', text, shown)


@register.simple_tag
def filtered(filters: Filters, **changes) -> str:
    """The query string of the filters with some changed; "" takes one out."""
    return filters.query(**changes)


@register.simple_tag
def split_bar(negative: int, neutral: int, positive: int, label: str) -> SafeString:
    return charts.stacked([("neg", negative), ("neu", neutral), ("pos", positive)], label=label)
