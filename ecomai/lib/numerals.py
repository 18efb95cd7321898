"""Numbers as people write them. The decimal sign is inferred for a whole column, never for a cell."""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

SPACES = re.compile("[\\s\u00a0\u202f\u2009'’`]")
CURRENCY_CODE = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
NUMBER = re.compile(r"-?[\d.,٫٬]*\d[\d.,٫٬]*")
SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₩": "KRW",
    "₹": "INR",
    "zł": "PLN",
    "Kč": "CZK",
    "R$": "BRL",
    "US$": "USD",
}
SCIENTIFIC = re.compile(r"^\s*\d(?:[.,]\d+)?[eE]\+?\d+\s*$")


def ascii_digits(text: str) -> str:
    """Arabic-Indic, Devanagari, full-width … digits as 0-9; the Arabic separators as . and ,"""
    if text.isascii():
        return text
    out = []
    for char in unicodedata.normalize("NFKC", text):
        digit = unicodedata.digit(char, None) if not char.isascii() else None
        out.append(str(digit) if digit is not None else {"٫": ".", "٬": ","}.get(char, char))
    return "".join(out)


def _core(text: str) -> str:
    """The digits and separators of "USD 1 234,50", "12,-" or "€12"; empty when there is no number."""
    text = SPACES.sub("", ascii_digits(text)).replace("−", "-")
    text = re.sub(r"[.,](?:-|–|—)+$", "", text)
    found = NUMBER.search(text)
    return found[0].rstrip(".,") if found else ""


def decimal_sign(values: Iterable[str]) -> tuple[str, list[str]]:
    """("." or ",", up to five telling examples) of a column.

    Telling is a value with both signs (the last one is decimal) or with one sign and not exactly three digits behind
    it; a sign that repeats separates thousands. Without evidence it is ".".
    """
    votes = {".": 0, ",": 0}
    examples: list[str] = []
    for value in values:
        core = _core(value)
        dots, commas = core.count("."), core.count(",")
        if not dots and not commas:
            continue
        if dots and commas:
            sign = "." if core.rfind(".") > core.rfind(",") else ","
        elif dots + commas > 1:
            sign = "," if dots else "."
        else:
            sign = "." if dots else ","
            behind = len(core.rpartition(sign)[2])
            before = core.partition(sign)[0].lstrip("-")
            if behind == 3 and before not in ("", "0") and len(before) <= 3:
                continue  # 1,234 or 1.234: either way
        votes[sign] += 1
        if len(examples) < 5:
            examples.append(value.strip())
    return ("," if votes[","] > votes["."] else "."), examples


def parse_decimal(text: str, sign: str = ".") -> Decimal | None:
    """The number of a cell, None for an empty one. Raises ValueError for text that is no number in that notation."""
    if not text or not text.strip():
        return None
    if text.isascii():  # the common case, fast
        try:
            if sign == "." or "." not in text:
                if "_" not in text and (sign == "." or "," not in text):
                    value = Decimal(text.strip())
                    if value.is_finite():
                        return value
        except InvalidOperation:
            pass
    core = _core(text)
    other = "," if sign == "." else "."
    whole, _sep, fraction = core.partition(sign)
    if not core or sign in fraction or other in fraction:
        raise ValueError(text)
    groups = whole.lstrip("-").split(other)
    # Thousands in threes, or the Indian way: 1,23,456.
    if len(groups) > 1 and not (
        0 < len(groups[0]) <= 3 and len(groups[-1]) == 3 and all(len(g) in (2, 3) for g in groups[1:-1])
    ):
        raise ValueError(text)
    try:
        return Decimal(f"{whole.replace(other, '')}{'.' + fraction if fraction else ''}")
    except InvalidOperation as error:
        raise ValueError(text) from error


def currency_of(text: str) -> str:
    """The ISO code that a cell names by code or sign, or ""."""
    code = CURRENCY_CODE.search(text)
    if code:
        return code[0]
    for sign, name in SIGNS.items():
        if sign in text:
            return name
    return ""


def is_scientific(text: str) -> bool:
    """Whether a spreadsheet has turned a code into 1.23457E+12: digits are lost."""
    return bool(SCIENTIFIC.match(text))
