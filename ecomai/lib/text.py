"""Text as the channels count it: NFC, three length counters, cutting between graphemes."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import regex

BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Control characters, line separators and every kind of space.
SPACES = re.compile("[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


@dataclass(frozen=True)
class Length:
    """How long a text is: code points, display width (East Asian wide and full-width = 2), UTF-8 bytes."""

    chars: int
    width: int
    bytes: int


def measure(text: str) -> Length:
    """The three counters of a text (in NFC)."""
    if text.isascii():
        return Length(len(text), len(text), len(text))
    text = unicodedata.normalize("NFC", text)
    width = sum(
        n * (0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1)
        for c, n in Counter(text).items()  # each sign is looked up once: texts may be long
    )
    return Length(len(text), width, len(text.encode("utf-8", "surrogatepass")))


def clean_line(text: str) -> str:
    """One line in NFC: no control or bidi-override characters, white space folded. ZWJ and ZWNJ stay."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = BIDI.sub("", unicodedata.normalize("NFC", text))
    return SPACES.sub(" ", text).strip()


def graphemes(text: str) -> list[str]:
    """User-perceived characters."""
    return regex.findall(r"\X", text)
