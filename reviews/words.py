"""Words folded for comparing: two texts that read the same give the same letters. The stored text is never folded."""

import hashlib
import re
import unicodedata

import regex

# Cyrillic, Greek and Armenian letters that look like a Latin one (a selection of Unicode's confusables, UTS 39), one to
# one, so that positions in the folded text are positions in the text.
LOOKALIKES = {
    **dict(zip("АВЕЅІЈКМНОРСТУХЗ", "ABESIJKMHOPCTYX3", strict=True)),
    **dict(zip("авеѕіјкмнорстухԁԛԝӏһґь", "abesijkmhopctyxdqwlhrb", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("αεικνορτυχϲϳ", "aeikvoptuxcj", strict=True)),
    **dict(zip("օոսցհ", "onugh", strict=True)),
}
_LOOKALIKES = str.maketrans(LOOKALIKES)
_FOREIGN = regex.compile(r"[\p{Cyrillic}\p{Greek}\p{Armenian}]")
MIXED_WORD = regex.compile(
    r"\b\w*(?:\p{Latin}[\p{Cyrillic}\p{Greek}\p{Armenian}]|[\p{Cyrillic}\p{Greek}\p{Armenian}]\p{Latin})\w*\b"
)
LATIN = regex.compile(r"\p{Latin}")
NOT_WORDS = re.compile(r"[\W_]+")


def lookalikes(text: str) -> list[tuple[int, int]]:
    """[start, end) of words that mix Latin letters with Cyrillic, Greek or Armenian ones that look Latin.

    A lone Latin letter in a Cyrillic word is a slip of the keyboard and doesn't count by itself.
    """
    if text.isascii():
        return []
    found, slips = [], []
    for match in MIXED_WORD.finditer(text):
        word = match[0]
        foreign = _FOREIGN.findall(word)
        if not all(letter in LOOKALIKES for letter in foreign):
            # "фotos": real Cyrillic letters beside Latin ones tell nothing.
            continue
        latin = len(LATIN.findall(word))
        (found if latin >= len(foreign) or latin > 1 else slips).append((match.start(), match.end()))
    return sorted(found + slips) if found or len(slips) > 2 else []


def unmasked(text: str) -> str:
    """The same text, as long as before, with look-alike letters of mixed words made Latin: for matching only."""
    spans = lookalikes(text)
    if not spans:
        return text
    out, at = [], 0
    for start, end in spans:
        out += [text[at:start], text[start:end].translate(_LOOKALIKES)]
        at = end
    return "".join([*out, text[at:]])


def fold(text: str) -> str:
    """Letters and digits alone: NFKC, case-folded, look-alikes made Latin; no spaces, punctuation, emoji or marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unmasked(text))
    return NOT_WORDS.sub("", text.casefold())


def digest(*parts: str) -> str:
    """SHA-256 in hex of the parts; where one ends matters."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
