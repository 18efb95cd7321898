"""What a person should know about a review, found by rules with a reason and the words that say so.

Never by sentiment: praise and blame are treated alike, and a flag neither hides nor delays a review.
"""

from collections import Counter
from dataclasses import dataclass, field

import regex
from django.utils.translation import gettext_noop

from reviews import flag_words as lists
from reviews import words
from reviews.models import Flag

Kind = Flag.Kind
# Longest text that the flags read, in characters; the rest says the same again.
READ = 20_000

_URL = r"(?:https?://|www\.)[^\s<>()\[\]\"'，。、）]+"
_HOST = r"(?<![\w@.-])(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+"
LINK = regex.compile(
    # Endings that are also words ("good.it works") count only with a path behind or a hyphen or digit in the name.
    rf"{_URL}|{_HOST}(?:com|net|org|biz|xyz|icu|info|cn|ru|example|invalid|test)\b(?!\.\p{{L}})(?:/[^\s<>，。]*)?|"
    rf"{_HOST}[a-z]{{2,10}}/[\w?=&%#./-]+|"
    r"(?<![\w@.-])(?=[\w.]*[-\d])[\p{L}\p{N}][\p{L}\p{N}-]+\.(?:shop|store|online|site|top|club|vip|win|app|live|click|link|pro|io|co|me)\b",
    regex.I,
)
SAFETY = regex.compile(rf"\b(?:{'|'.join(lists.SAFETY)})\b|{'|'.join(lists.SAFETY_UNSPACED)}", regex.I)
HARMLESS = regex.compile(rf"\b(?:{lists.HARMLESS})|{lists.HARMLESS_UNSPACED}", regex.I)
INCENTIVE = regex.compile(rf"\b(?:{lists.INCENTIVE})\b|{lists.INCENTIVE_UNSPACED}", regex.I)
CONTACT = regex.compile(rf"\b(?:{lists.CONTACT})|{lists.CONTACT_UNSPACED}", regex.I)
HANDLE = regex.compile(r"\[(?:PHONE|EMAIL)\]")
PLATFORM = frozenset(words.fold(text) for text in lists.PLATFORM)
WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’]+")
UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
SENTENCE = regex.compile(r"[^.!?。！？؟\n]+[.!?。！？؟\n]*")
ASKED = regex.compile(r"[?？؟][!?！？؟\s]*$")
ASKS_UNSPACED = regex.compile(lists.ASKS_UNSPACED)
ORDERS = regex.compile(rf"(?<!\w)(?:{'|'.join(lists.ORDERS)})|{lists.ORDERS_UNSPACED}", regex.I)
RUN = regex.compile(r"(.)\1{19,}", regex.S)
LONG_TOKEN = regex.compile(r"[^\s\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Khmer}\p{Lao}\p{Myanmar}]{80,}")
KEYBOARD = regex.compile(
    r"asdf|sdfg|dfgh|fghj|ghjk|hjkl|jklö|qwer|rtyu|tyui|yuio|uiop|zxcv|xcvb|cvbn|vbnm|фыва|йцук|олдж|ячсм"
)
CONSONANTS = regex.compile(r"[bcdfghjklmnpqrstvwxz]{6,}")
VOWEL = regex.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýœ]")


@dataclass(frozen=True)
class FoundFlag:
    """A row of Flag to be: its kind, why (an English sentence, translated where it is shown), and the evidence.

    evidence: {"spans": [[start, end], …]} of the stored text, "title_spans" of the title, and what else tells.
    """

    kind: str
    reason: str
    evidence: dict = field(default_factory=dict)


def _where(pattern: regex.Pattern, text: str) -> list[list[int]]:
    return [[found.start(), found.end()] for found in pattern.finditer(text)][:20]


def _evidence(title: list, text: list, **more) -> dict:
    return {**({"spans": text} if text else {}), **({"title_spans": title} if title else {}), **more}


def is_platform_text(text: str) -> bool:
    """Whether the text is what a platform writes when the shopper wrote nothing."""
    return len(text) <= 120 and words.fold(text) in PLATFORM


def _safety(text: str) -> list[list[int]]:
    found = _where(SAFETY, text)
    if not found:
        return []
    harmless = [(h.start(), h.end()) for h in HARMLESS.finditer(text)]
    return [[s, e] for s, e in found if not any(start < e and s < end for start, end in harmless)]


def _repetition(text: str) -> float:
    """Share of the text that lies in word pairs (or runs of four signs, without spaces) said more than once."""
    if len(UNSPACED.findall(text)) * 2 > len(text):
        signs = [sign for sign in text if sign.isalnum()]
        if len(signs) < 24:
            return 0.0
        units, size = signs, 4
    else:
        units, size = [word.casefold() for word in WORD.findall(text)], 2
        if len(units) < 10:
            return 0.0
    grams = [tuple(units[i : i + size]) for i in range(len(units) - size + 1)]
    often = {gram for gram, count in Counter(grams).items() if count > 1}
    covered = set()
    for at, gram in enumerate(grams):
        if gram in often:
            covered.update(range(at, at + size))
    return len(covered) / len(units)


def _is_mash(word: str) -> bool:
    if KEYBOARD.search(word):
        return True
    if not word.isascii() or not word.isalpha() or len(word) < 7:
        return False
    return len(CONSONANTS.sub("", word)) <= len(word) / 3 or not VOWEL.search(word)


def is_gibberish(text: str) -> list[list[int]]:
    """[start, end) of keyboard mash and endless tokens that make up most of the text; empty when it reads as words."""
    if not text:
        return []
    if runs := _where(RUN, text):
        if sum(end - start for start, end in runs) * 2 > len(text):
            return runs
    tokens = [[m.start(), m.end()] for m in LONG_TOKEN.finditer(text) if not LINK.search(m[0])]
    if sum(end - start for start, end in tokens) * 2 > len(text):
        return tokens
    found = list(WORD.finditer(text[:2000]))
    mash = [[m.start(), m.end()] for m in found if _is_mash(m[0].casefold())]
    letters = sum(m.end() - m.start() for m in found)
    return mash if mash and sum(end - start for start, end in mash) * 2 > letters else []


def is_question(text: str) -> bool:
    """A text that only asks: every sentence ends with a question mark, or with the particle that marks one."""
    if len(text) > 300:
        return False
    sentences = [s.strip() for s in SENTENCE.findall(text) if WORD.search(s)]
    return bool(sentences) and all(ASKED.search(s) or ASKS_UNSPACED.search(s.rstrip("。.!！ ")) for s in sentences)


def orders(text: str) -> list[list[int]]:
    """[start, end) of the sentences that tell a machine what to do with the text."""
    return [[s.start(), s.end()] for s in SENTENCE.finditer(text[:READ]) if ORDERS.search(words.unmasked(s[0]))]


def without_orders(text: str) -> str:
    """The text less the sentences that give a machine orders: they are not what the shopper thinks of the goods."""
    for start, end in reversed(orders(text)):
        text = text[:start] + text[end:]
    return text


def only_orders(text: str) -> bool:
    """A text that gives a machine orders and says nothing else."""
    told = without_orders(text)
    return told != text and not WORD.search(told)


def find(title: str, text: str, masked: tuple[str, ...] = ()) -> tuple[FoundFlag, ...]:
    """The flags of a cleaned, masked review; at most one of a kind. Look-alike letters are seen through.

    `masked`: the kinds of personal data that were masked in it.
    """
    title, text = title[:1000], text[:READ]
    found: list[FoundFlag] = []

    def add(kind: str, reason: str, in_title: list, in_text: list, **more) -> None:
        if in_title or in_text:
            found.append(FoundFlag(kind, reason, _evidence(in_title, in_text, **more)))

    plain_title, plain = words.unmasked(title), words.unmasked(text)
    add(Kind.SAFETY, gettext_noop("Speaks of fire, injury or another danger."), _safety(plain_title), _safety(plain))
    in_title, in_text = _where(LINK, plain_title), _where(LINK, plain)
    hosts = [plain[s:e] for s, e in in_text] + [plain_title[s:e] for s, e in in_title]
    add(Kind.LINK, gettext_noop("Contains a link."), in_title, in_text, links=[host[:200] for host in hosts])
    in_title, in_text = _where(INCENTIVE, plain_title), _where(INCENTIVE, plain)
    if in_title or in_text:
        add(Kind.CONTACT, gettext_noop("Speaks of money or a gift for a review."), in_title, in_text)
    else:
        in_title, in_text = _where(CONTACT, plain_title), _where(CONTACT, plain)
        handles = _where(HANDLE, plain) if {"PHONE", "EMAIL"} & set(masked) else []
        add(Kind.CONTACT, gettext_noop("Asks to get in touch elsewhere."), in_title, sorted(in_text + handles))
    in_title, in_text = words.lookalikes(title), words.lookalikes(text)
    add(
        Kind.HOMOGLYPH, gettext_noop("Hides Latin words behind look-alike letters of another script."),
        [list(span) for span in in_title], [list(span) for span in in_text],
    )  # fmt: skip
    if is_platform_text(text) or (not text and title and is_platform_text(title)):
        found.append(FoundFlag(Kind.PLATFORM, gettext_noop("The platform's own words, not the shopper's.")))
        return tuple(found)
    gibberish = is_gibberish(text)
    add(Kind.GIBBERISH, gettext_noop("Doesn't read as words."), [], gibberish)
    if not gibberish and (share := _repetition(text)) >= 0.5:
        found.append(
            FoundFlag(Kind.TEMPLATE, gettext_noop("Says the same phrases again and again."), {"share": round(share, 2)})
        )
    add(Kind.ORDERS, gettext_noop("Tells a machine what to do."), orders(title), orders(text))
    if is_question(text):
        found.append(FoundFlag(Kind.QUESTION, gettext_noop("Asks something instead of reviewing.")))
    return tuple(found)


def mismatch(rating: float | None, expected: float, confidence: float) -> FoundFlag | None:
    """The flag for stars that contradict the words, both kept as they are; None where they don't.

    `rating` and `expected`: on 1 to 5, as given and as read from the text; `confidence`: 0 … 1, of the reading.
    """
    if rating is None or confidence < 0.6:
        return None
    rating = float(rating)
    high = rating >= 4 and expected <= 2.5
    low = rating <= 2 and expected >= 3.5
    if not (high or low) or abs(rating - expected) < 1.5:
        return None
    return FoundFlag(
        Kind.MISMATCH,
        gettext_noop("Many stars, but the words are negative.")
        if high
        else gettext_noop("Few stars, but the words are positive."),
        {"rating": rating, "expected": round(expected, 2), "confidence": round(confidence, 3)},
    )
