"""Numbers of experiments in templates."""

from django import template

from products.experiment_planner import FeedPlan
from products.experiment_words import number, p_value, percent, signed

register = template.Library()
register.filter("signed", signed)
register.filter("p_value", p_value)


@register.filter
def share(value: float | None, digits: int = 1) -> str:
    return percent(value, digits)


@register.filter
def decimals(value: float | None, digits: int = 2) -> str:
    return number(value, digits)


@register.filter
def hundred(value: float) -> str:
    """A share as the number of percent that a field holds."""
    return f"{round(100 * value, 3):g}"


@register.filter
def powers(plan: FeedPlan) -> list[tuple[float, float]]:
    """(lift, share of the simulated tests that found it)."""
    return list(zip(plan.lifts, plan.power, strict=True))
