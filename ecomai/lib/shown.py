"""Numbers and names of languages as the page's language writes them."""

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal
from django.utils.translation import get_language


def locale() -> Locale:
    """Babel's locale of the language of the page."""
    try:
        return Locale.parse((get_language() or "en").replace("-hans", "-Hans").replace("-hant", "-Hant"), sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def number(value: float | None, digits: int = 0) -> str:
    """The number with its separators and that many places; a dash where there is none."""
    if value is None:
        return "–"
    return format_decimal(value, "#,##0" + ("." + "0" * digits if digits else ""), locale=locale())


def language_name(code: str) -> str:
    """The name of a language or locale ("pt-BR") in the language of the page; the code where it has none."""
    try:
        return Locale.parse(code, sep="-").get_display_name(locale()) or code
    except (UnknownLocaleError, ValueError):
        return code
