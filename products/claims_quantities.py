"""Numbers of a text with their units, in comparable form: 2 l is 2000 ml, 12,5 is 12.5, full-width digits are digits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from products.claims_lexicon import NUMBER_WORDS

UNITS = {
    "ml": ("volume", 1), "cl": ("volume", 10), "dl": ("volume", 100), "l": ("volume", 1000), "litre": ("volume", 1000),
    "litres": ("volume", 1000), "liter": ("volume", 1000), "liters": ("volume", 1000), "litro": ("volume", 1000),
    "litros": ("volume", 1000), "升": ("volume", 1000), "毫升": ("volume", 1), "リットル": ("volume", 1000),
    "mm": ("length", 1), "cm": ("length", 10), "m": ("length", 1000), "厘米": ("length", 10), "毫米": ("length", 1),
    "米": ("length", 1000), "in": ("inch", 1), "inch": ("inch", 1), "inches": ("inch", 1), "zoll": ("inch", 1),
    "pulgadas": ("inch", 1), "pouces": ("inch", 1), "英寸": ("inch", 1), "インチ": ("inch", 1), '"': ("inch", 1),
    "mg": ("mass", Decimal("0.001")), "g": ("mass", 1), "kg": ("mass", 1000), "克": ("mass", 1), "千克": ("mass", 1000),
    "公斤": ("mass", 1000), "w": ("power", 1), "kw": ("power", 1000), "v": ("voltage", 1), "mah": ("charge", 1),
    "ah": ("charge", 1000), "h": ("time", 3600), "hours": ("time", 3600), "hour": ("time", 3600), "horas": ("time", 3600),
    "stunden": ("time", 3600), "std": ("time", 3600), "heures": ("time", 3600), "小时": ("time", 3600), "時間": ("time", 3600),
    "min": ("time", 60), "minute": ("time", 60), "minutes": ("time", 60), "minuten": ("time", 60), "minutos": ("time", 60), "分钟": ("time", 60),
    "分": ("time", 60), "%": ("share", 1), "°c": ("degree", 1), "k": ("kelvin", 1), "hz": ("hertz", 1), "gb": ("data", 1),
    "db": ("sound", 1), "lm": ("light", 1),
}  # fmt: skip
DIGITS = {ord(c): str(i % 10) for i, c in enumerate("０１２３４５６７８９٠١٢٣٤٥٦٧٨٩")}
UNIT_AFTER = re.compile(
    r"[ \u00a0\u202f-]?(" + "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True)) + r")(?![A-Za-zÀ-ÿ])", re.I
)
MONEY = r"(?:[€$£¥￥]|\b(?:EUR|USD|GBP|JPY|CNY|CHF|MXN|CAD|SGD|AUD)\b)"
# Currencies that a sign may stand for.
SIGNS = {
    "€": {"EUR"}, "euro": {"EUR"}, "£": {"GBP"}, "$": {"USD", "CAD", "AUD", "NZD", "MXN", "SGD", "HKD", "ARS", "CLP", "COP", "TWD"},
    "¥": {"CNY", "JPY"}, "￥": {"CNY", "JPY"}, "円": {"JPY"}, "元": {"CNY", "HKD", "TWD", "SGD", "MYR"},
}  # fmt: skip
MONEY_BEFORE = re.compile(MONEY + r"\s?$")
MONEY_AFTER = re.compile(r"\s?(?:" + MONEY + r"|[\u4e00-\u9fff]?元|円|euros?\b)", re.I)


# What stands between the members of a range or of dimensions, whose unit comes once at the end.
LISTED = re.compile(r"\s*(?:[x×–~〜～/-]|a|to|bis|à|y|et|und|and|or|o|ou|oder|到|至|拉到)\s*", re.I)
UNIT_IN_NAME = re.compile(r"[(\[（]\s*([^\W\d_]+|\"|%|°C)\s*[)\]）]\s*$", re.I)


@dataclass(frozen=True)
class Quantity:
    """A number in the base unit of its dimension ("" for a bare one); `lent`: the unit stood behind a later number."""

    start: int
    end: int
    value: Decimal
    dimension: str
    lent: bool = False
    figure: Decimal = Decimal(0)


def quantities(text: str, name: str = "") -> list[Quantity]:
    """Every number of the text with its unit; `name` is the attribute's, which may hold the unit: "Weight (kg)"."""
    text = text.translate(DIGITS)
    named = UNIT_IN_NAME.search(name)
    default = UNITS.get(named[1].lower()) if named else None
    out: list[Quantity] = []
    unit: tuple[str, Decimal | int] | None = None
    following: int | None = None  # where the number to the right begins
    for match in reversed(list(re.finditer(r"\d+(?:[.,]\d+)*", text))):
        own = UNIT_AFTER.match(text, match.end())
        lent = not own and unit is not None and following is not None
        if own:
            unit = UNITS[own[1].lower()]
        elif not (lent and LISTED.fullmatch(text[match.end() : following])):
            unit, lent = default, False
        figure, (dimension, factor) = reading(match[0]), unit or ("", 1)
        end = own.end() if own else match.end()
        out.append(Quantity(match.start(), end, figure * factor, dimension, lent, figure))
        following = match.start()
    return out[::-1]


def currencies(text: str, quantity: Quantity) -> set[str] | None:
    """The currencies that a sign or code right before or behind the number may mean; None without one."""
    found = MONEY_AFTER.match(text, quantity.end) or MONEY_BEFORE.search(text[: quantity.start])
    if not found:
        return None
    sign = found[0].strip().lower()
    return next((meant for key, meant in SIGNS.items() if key in sign), {sign.upper()})


def reading(raw: str) -> Decimal:
    """The likely value of digits with separators: a last group of three is thousands, anything else decimals."""
    if "." not in raw and "," not in raw:
        return Decimal(raw)
    head, sep, tail = max(raw.rpartition("."), raw.rpartition(","), key=lambda parts: len(parts[0]))
    whole = head.replace(".", "").replace(",", "")
    if len(tail) == 3 and whole != "0" and (raw.count(sep) > 1 or len(whole) <= 3):
        return Decimal(whole + tail)
    return Decimal(f"{whole}.{tail}")


def _words() -> dict[str, tuple[int, set[str]]]:
    out: dict[str, tuple[int, set[str]]] = {}
    for locale, line in NUMBER_WORDS.items():
        for figure, word in enumerate(line.split(), 1):
            if figure > 1:
                out.setdefault(word, (figure, set()))[1].add(locale)
    return out


WORD_FIGURES = _words()
CJK_FIGURES = {char: figure for figure, char in enumerate("一二三四五六七八九十", 1)} | {"两": 2, "兩": 2, "双": 2}
# A Chinese or Japanese numeral is a number where a counter follows; elsewhere it is part of a word.
CJK_NUMBER = re.compile("([二三四五六七八九十两兩])(?=[个個種种款色件层層只隻支杯枚つ段档档位人年分秒小時时])")
CJK_ANY = re.compile("[" + "".join(c for c in CJK_FIGURES if c != "一") + "]")
# Not a count of anything: the hour, "one of the two".
NOT_A_COUNT = re.compile(
    r"\b\w+ o'clock|\b(?:a|antes de|después de) las \w+|\bl'une? des deux|\b(?:the|aux|les|des|los|las) (?:two|deux|dos)(?=\s*(?:[.,;:!?]|$))",
    re.I,
)


def number_words(text: str, locale: str = "") -> Iterator[tuple[int, int, int]]:
    """(start, end, figure) of the written-out numbers 2 to 12; no locale means all of them."""
    skip = {i for m in NOT_A_COUNT.finditer(text) for i in range(m.start(), m.end())} if locale else set()
    for match in re.finditer(r"[^\W\d_]+", text):
        figure = WORD_FIGURES.get(match[0].casefold())
        if figure and (not locale or locale[:2] in figure[1]) and match.start() not in skip:
            yield match.start(), match.end(), figure[0]
    if not locale or locale[:2] in ("zh", "ja"):
        # Facts are read generously: 双色 there is "two colours".
        for match in (CJK_NUMBER if locale else CJK_ANY).finditer(text):
            yield match.start(), match.end(), CJK_FIGURES[match[0]]
