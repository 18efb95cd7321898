"""Money: Decimal and ISO 4217, shown in the reader's language."""

from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision
from django.utils.translation import get_language, to_locale


def show(amount: Decimal, currency: str, locale: str | None = None) -> str:
    """An amount as a reader of that language writes it: "€39.90", "39,90 €"."""
    try:
        where = Locale.parse(to_locale(locale or get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        where = Locale("en")
    if not currency:
        return f"{amount:f}"
    return format_currency(amount, currency, locale=where)


def plain(amount: Decimal, currency: str) -> str:
    """ "39.90 EUR": digits as the currency has them, or more where the amount does."""
    precision = get_currency_precision(currency) if currency else 2
    normal = amount.normalize()
    places = max(precision, -int(normal.as_tuple().exponent)) if normal.is_finite() else precision
    return f"{amount:.{places}f} {currency}".strip()
