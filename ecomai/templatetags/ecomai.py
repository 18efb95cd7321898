"""Small helpers of the templates."""

from django import template
from django.forms import BoundField, CheckboxSelectMultiple, RadioSelect
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ecomai.lib.money import show

register = template.Library()


@register.filter
def duration_left(seconds: int) -> str:
    """ "40 s left", "3 min left", "2 h left"."""
    if seconds < 90:
        return ngettext("%(n)d second left", "%(n)d seconds left", seconds) % {"n": seconds}
    if seconds < 5400:
        return _("%(n)d min left") % {"n": round(seconds / 60)}
    return _("%(n)d h left") % {"n": round(seconds / 3600)}


@register.filter
def money(amount, currency: str) -> str:
    """An amount in its currency, written for the language of the page."""
    return show(amount, currency) if amount is not None else ""


@register.simple_tag(takes_context=True)
def query(context, **changes) -> str:
    """The present query string with some parameters changed; None or "" takes one out."""
    params: QueryDict = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            params.pop(name, None)
        else:
            params[name] = value
    return f"?{params.urlencode()}" if params else "?"


@register.filter
def is_group(field: BoundField) -> bool:
    """Whether the field is many boxes, which want a fieldset and a legend instead of a label."""
    return isinstance(field.field.widget, (CheckboxSelectMultiple, RadioSelect))


@register.filter
def get(mapping, key):
    """mapping[key], or nothing."""
    return mapping.get(key) if mapping else None
