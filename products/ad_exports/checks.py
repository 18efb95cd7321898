"""What keeps a value out of a channel's file, and how that is said."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import emoji
import regex
from django.utils.translation import gettext_lazy as _

from ecomai.lib.text import clean_line
from products.channel_rules import Limit
from products.editorial import HALF_WIDTH_KATAKANA, overused
from products.models import ChannelField

ITEM, TEXT, NOTE = "item", "text", "note"
LEVELS = {ITEM: _("not in the file"), TEXT: _("left out"), NOTE: _("changed")}
UNITS = dict(ChannelField.Unit.choices)
REASONS = {
    "too_long": _("%(n)s of at most %(limit)s %(unit)s"),
    "banned": _("holds %(signs)s, which the channel forbids"),
    "emoji": _("emoji or half-width signs, which the channel forbids"),
    "formula": _("begins with %(sign)s: a spreadsheet would run it"),
    "erases": _("the importer takes [] for “erase what is there”"),
    "missing": _("nothing stands there, and the channel demands it"),
    "no_copy": _("no approved text in this language"),
    "too_few": _("only %(n)s, where the channel wants %(least)s texts or more"),
    "too_many": _("%(n)s texts, of which the channel takes %(most)s: the first ones are in the file"),
    "same_text": _("the same text twice"),
    "overused": _("“%(word)s” more than twice"),
    "not_address": _("not a web address"),
    "not_known": _("“%(value)s” is no value that the channel knows"),
    "bad_gtin": _("the check digit is wrong"),
    "shortened": _("shortened from %(n)s to %(limit)s %(unit)s"),
    "dash": _("the first hyphen became a dash, so that no spreadsheet takes it for a formula"),
    "single": _("its options (%(options)s) are none that tie variants together there: they stand alone"),
}
# No text of a file may hold them: they are no characters in XML.
NO_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
FORMULA = "=+-@\t\r＝＋－＠"
NUMBER = re.compile(r"[+-]?\d[\d.,]*%?$")
ADDRESS = re.compile(r"https?://[^\s/?#<>\"]+\.?[^\s<>\"]*$", re.I)
AMOUNT = re.compile(r"\d+(?:\.\d+)? [A-Z]{3}$")


@dataclass(frozen=True)
class Problem:
    """One thing that is not, or not as it stood, in the file.

    `level`: "item" (the whole product or variant is missing), "text" (this value alone), "note" (it is in, changed).
    `column` is the channel's name of the field; `values` fill in the reason.
    """

    product: int
    name: str
    level: str
    column: str
    code: str
    values: Mapping[str, object] = field(default_factory=dict)
    text: str = ""

    @property
    def reason(self) -> str:
        return str(REASONS[self.code]) % {key: str(value) for key, value in self.values.items()}

    @property
    def level_label(self) -> str:
        return str(LEVELS[self.level])


@dataclass
class Sheet:
    """Collects the problems of one product or variant while its row is built."""

    product: int
    name: str
    table: bool = True  # a spreadsheet may open the file
    problems: list[Problem] = field(default_factory=list)

    def note(self, level: str, column: str, code: str, text: str = "", **values) -> None:
        self.problems.append(Problem(self.product, self.name, level, column, code, values, text[:200]))

    @property
    def is_out(self) -> bool:
        return any(problem.level == ITEM for problem in self.problems)

    def guard(self, column: str, text: str, level: str) -> str:
        """The value, or "" where a spreadsheet would run it."""
        if self.table and (sign := formula_sign(text)):
            self.note(level, column, "formula", text, sign=sign)
            return ""
        return text

    def text(self, column: str, text: str, limit: Limit, level: str = TEXT, *, shorten: bool = False) -> str:
        """A text under the channel's rule, or "" with what is wrong with it noted."""
        text = tidy(text)
        if not text:
            self.note(level, column, "missing")
        if self.table and text.startswith("-") and not NUMBER.match(text):
            self.note(NOTE, column, "dash", text)
            text = "–" + text[1:]
        if shorten and limit.count(text) > limit.limit:
            length = limit.count(text)
            text = shortened(text, limit)
            self.note(NOTE, column, "shortened", text, n=length, limit=limit.limit, unit=UNITS[limit.unit])
        broken = list(faults(text, limit))
        for code, values in broken:
            self.note(level, column, code, text, **values)
        return "" if broken else self.guard(column, text, level)

    def value(self, column: str, text: str, most: int = 0, level: str = TEXT) -> str:
        """Any other value: of at most `most` characters, and no formula."""
        text = tidy(text)
        if most and len(text) > most:
            self.note(level, column, "too_long", text, n=len(text), limit=most, unit=UNITS["chars"])
            return ""
        return self.guard(column, text, level)

    def address(self, column: str, text: str, level: str = TEXT, most: int = 2000) -> str:
        """A web address; "" stays empty."""
        text = self.value(column, text, most, level)
        if text and not ADDRESS.match(text):
            self.note(level, column, "not_address", text)
            return ""
        return text

    def demand(self, row: Mapping[str, str], *columns: str) -> None:
        """Note the columns that are empty without a reason noted so far."""
        known = {problem.column for problem in self.problems if problem.level == ITEM}
        for column in columns:
            if not row.get(column) and column not in known:
                self.note(ITEM, column, "missing")


def tidy(text: str) -> str:
    """One line in NFC without characters that no file may hold."""
    return clean_line(NO_CHARACTERS.sub(" ", text)).strip("\ufeff \u200b")


def formula_sign(text: str) -> str:
    """The sign by which a spreadsheet would take the text for a formula, or ""."""
    return text[0] if text and text[0] in FORMULA and not NUMBER.match(text) else ""


def neutral(text: str) -> str:
    """A tidy cell of a table for people: with one more apostrophe in front where a spreadsheet would run what follows."""
    text = tidy(text)
    bare = text.lstrip("'")
    return f"'{text}" if bare and bare[0] in FORMULA and not NUMBER.match(text) else text


def faults(text: str, limit: Limit) -> Iterator[tuple[str, dict]]:
    """(code, values) of what keeps the text out of the channel."""
    length = limit.count(text)
    if length > limit.limit:
        yield "too_long", {"n": length, "limit": limit.limit, "unit": UNITS[limit.unit]}
    if signs := limit.forbidden(text):
        yield "banned", {"signs": " ".join(signs)}
    if limit.channel == "google_rsa":
        if not text.isascii() and (emoji.emoji_count(text) or HALF_WIDTH_KATAKANA.search(text)):
            yield "emoji", {}
        if text == "[]":
            yield "erases", {}
    if limit.key == "amazon.title":
        for word in overused(text):
            yield "overused", {"word": word}


def shortened(text: str, limit: Limit) -> str:
    """The text up to the last sentence, else word, else grapheme that the limit leaves room for."""
    text = unicodedata.normalize("NFC", text)[: limit.limit]
    while limit.count(text) > limit.limit:
        over = limit.count(text) - limit.limit
        text = text[: -max(1, over // 4)]
    # A grapheme that was cut in two goes as a whole.
    whole = regex.findall(r"\X", text[-40:])
    text = text[: len(text) - len(whole[-1])] if whole else text
    ends = [match.end() for match in re.finditer(r"[.!?。！？](?=\s|$)|[。！？]", text)]
    if ends and ends[-1] > len(text) * 0.7:
        return text[: ends[-1]].rstrip()
    blank = text.rfind(" ")
    return (text[:blank] if blank > len(text) * 0.7 else text).rstrip()
