"""Ratings in every notation that shops export, on 1 to 5."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from ecomai.lib import numerals

CENT = Decimal("0.01")
FULL = "★⭐🌟✭⭑✪"
EMPTY = "☆✩✰⚝"
HALF = "½⯪⯨"
STAR_ROW = re.compile(rf"^[{FULL}]*[{HALF}]?[{EMPTY}]*$")
HALVES = {"½": ".5", "¼": ".25", "¾": ".75"}
HAN_NUMERALS = {c: i for i, c in enumerate("零一二三四五六七八九十")} | {"两": 2, "兩": 2, "〇": 0}
NUMERAL_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "ein": 1, "eins": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5,
    "une": 1, "un": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5,
    "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5,
    "uma": 1, "um": 1, "duas": 2, "três": 3, "quatro": 4,
    "due": 2, "tre": 3, "quattro": 4, "cinque": 5,
    "satu": 1, "dua": 2, "tiga": 3, "empat": 4, "lima": 5,
}  # fmt: skip
NUMBER = r"(\d{1,3}(?:[.,]\d{1,4})?)"
UNIT = (
    r"(?:stars?|points?|sternen?|punkten?|étoiles?|etoiles?|points?|estrellas?|estrelas?|stelle?|sterren|stjärnor|"
    r"gwiazdki|gwiazdek|звезды|звезд|звезда|yıldız|bintang|sao|ดาว|نجوم|نجمة|सितारे|星级|星級|顆星|颗星|个星|つ星|星|分|点|"
    r"점|개|stern|★|⭐)"
)
OF = r"(?:/|out of|of|von|sur|de|de las|van(?: de)?|su|av|af|z|ze|из|dari|trên|จาก|من|में से|par)"
OUT_OF = re.compile(rf"^{NUMBER}\s*{UNIT}?\s*{OF}\s*{NUMBER}\s*{UNIT}?$")
# Japanese, Korean, Turkish and Chinese name the best mark first.
BEST_FIRST = re.compile(
    rf"^(?:별\s*)?{NUMBER}\s*(?:つ星のうち|点満点中|点中|개 중|점 만점에|점 중|yıldız üzerinden|üzerinden|分满分|星满分|满分)\s*,?\s*{NUMBER}\s*{UNIT}?$"
)
BEST_NAMED = re.compile(rf"^满分\s*{NUMBER}\s*分?\s*[,，]?\s*{NUMBER}\s*{UNIT}?$")
PLAIN = re.compile(rf"^[{FULL}]?\s*{NUMBER}\s*-?\s*{UNIT}?[{FULL}]?$")
PERCENT = re.compile(rf"^{NUMBER}\s*[%٪]$")
HAN = re.compile(
    r"^([零〇一二两兩三四五六七八九十])\s*(?:颗|顆|个|個|つ)?(半)?\s*(?:星级|星級|星|分)(半)?(?:好评|好評|中评|中評|差评|差評)?$"
)
WORDS = re.compile(rf"^(\w+)[\s-]+{UNIT}$")


class BadRating(ValueError):
    """A rating that can't be read or lies outside its scale; the message names the value."""


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))


def _on_five(value: Decimal, best: Decimal, given: str) -> Decimal:
    """`value` of `best` as stars, in proportion: 8 of 10 is 4, 90 % is 4.5.

    Nobody gives less than one star, so a fifth of the scale and what lies below it are 1.
    """
    if best < 2 or best > 100:
        raise BadRating(f"“{given}” names no usual scale.")
    least = 1 if best <= 5 else 0
    if not least <= value <= best:
        raise BadRating(f"“{given}” is not between {least} and {best.normalize():f}.")
    return max(value * 5 / best, Decimal(1))


def _read(text: str, scale: Decimal | None) -> Decimal:
    given = text
    text = text.replace("\ufe0f", "").replace("\u20e3", "")  # what makes emoji of signs: ⭐️, 5️⃣
    if not text:
        raise BadRating(f"“{given}” is no rating that can be read.")
    if STAR_ROW.match(text):
        full = sum(text.count(star) for star in FULL)
        half = any(sign in text for sign in HALF)
        best = full + half + sum(text.count(star) for star in EMPTY)
        return _on_five(full + Decimal("0.5") * half, Decimal(best if best in (6, 7, 10) else 5), given)
    if text.strip("*") == "" and 1 <= len(text) <= 5:
        return Decimal(len(text))
    for sign, decimals in HALVES.items():
        text = re.sub(rf"(\d)\s*{sign}", rf"\g<1>{decimals}", text)
    text = numerals.ascii_digits(text).casefold()
    text = re.sub(r"^(?:rated|rating|bewertung|note|评分|評分|评价|評価|평점)\s*[:：]?\s*", "", text.strip()).rstrip(
        " .!"
    )
    if found := OUT_OF.match(text):
        return _on_five(_decimal(found[1]), _decimal(found[2]), given)
    if found := BEST_FIRST.match(text) or BEST_NAMED.match(text):
        return _on_five(_decimal(found[2]), _decimal(found[1]), given)
    if found := PERCENT.match(text):
        return _on_five(_decimal(found[1]), Decimal(100), given)
    if found := HAN.match(text):
        value = Decimal(HAN_NUMERALS[found[1]]) + (Decimal("0.5") if found[2] or found[3] else 0)
    elif (found := WORDS.match(text)) and found[1] in NUMERAL_WORDS:
        value = Decimal(NUMERAL_WORDS[found[1]])
    elif found := PLAIN.match(text):
        value = _decimal(found[1])
    else:
        raise BadRating(f"“{given}” is no rating that can be read.")
    if scale is not None:
        return _on_five(value, scale, given)
    if not 1 <= value <= 5:
        raise BadRating(f"“{given}” is not between 1 and 5: say which scale the ratings use.")
    return value


def parse(given: str | float | Decimal | None, scale: float | None = None) -> Decimal | None:
    """The rating on 1 to 5 with two decimals; None where none was given.

    `scale` is the best mark of the source (5, 10, 100) for plain numbers; "4/5", "90%" and rows of stars name their own.
    Raises BadRating for what can't be read or lies outside its scale; nothing is clipped.
    """
    if given is None or isinstance(given, bool):
        if given is None:
            return None
        raise BadRating(f"“{given}” is no rating that can be read.")
    if isinstance(given, (int, float, Decimal)):
        if given != given:  # NaN: an empty cell of a data frame
            return None
        text = f"{Decimal(str(given)).normalize():f}" if abs(given) < 1e6 else str(given)
        if isinstance(given, float):  # 4.666666666666667 has more digits than a person writes
            text = f"{Decimal(str(round(given, 4))).normalize():f}" if abs(given) < 1e6 else str(given)
    else:
        text = given.strip()
    if not text:
        return None
    try:
        value = _read(text, None if scale is None else Decimal(str(scale)))
    except InvalidOperation as error:
        raise BadRating(f"“{given}” is no rating that can be read.") from error
    return value.quantize(CENT, ROUND_HALF_UP)
