"""One review as it came in → the columns that are stored: cleaned, rated, masked, identified, flagged. No database."""

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import emoji
import regex
from django.conf import settings

from ml import privacy
from reviews import cleaning, flags, languages, ratings, words
from reviews.flags import FoundFlag

LONGEST = 50_000
READABLE = regex.compile(r"[\p{L}\p{N}\p{Emoji_Presentation}\p{Extended_Pictographic}]")
PICTURE = regex.compile(r"[\p{Emoji_Presentation}\p{Extended_Pictographic}]")
TONES = regex.compile("[\U0001f3fb-\U0001f3ff]")
SAME_PICTURE = regex.compile(r"(\p{Extended_Pictographic}\ufe0f?)(?:\s*\1){2,}")
# A point ends a sentence only before a blank: "3.5", "v1.2" and "example.com" are one piece.
SENTENCE = regex.compile(r".+?(?:[.!?]+(?=\s|$)\s*|[。！？\n]+\s*|$)", regex.DOTALL)
HAN_NAME = regex.compile(r"^\p{Han}{2,4}$")


class Unreadable(ValueError):
    """A row to leave out: `code`, the `column` and `value` at fault, and a message for people."""

    def __init__(self, code: str, column: str, value: str, message: str) -> None:
        super().__init__(message)
        self.code, self.column, self.value, self.message = code, column, value[:200], message


@dataclass(frozen=True)
class RawReview:
    """A review as a file, the API or a webhook gives it."""

    title: str = ""
    text: str = ""
    rating: str | float | None = None
    author_name: str = ""
    author_ids: tuple[str, ...] = ()
    product_ref: str = ""
    source: str = ""
    source_id: str = ""
    written_at: datetime | None = None
    language: str = ""
    country: str = ""
    verified: bool | None = None
    consent: bool = True


@dataclass(frozen=True)
class ReadingContext:
    """What a store's reviews are read against. `rating_scale`: 5, 10, 100; None tells it from the value."""

    store_id: int
    languages: tuple[str, ...] = ()
    default_language: str = "en"
    region: str = ""
    rating_scale: float | None = None
    mask_names: bool = False


@dataclass(frozen=True)
class ReadReview:
    """The columns of Review that reading decides; `raw_text` is cleaned and unmasked: seal it or drop it."""

    title: str
    text: str
    raw_text: str
    masked: tuple[str, ...]
    rating: Decimal | None
    rating_given: str
    rating_only: bool
    language: str
    language_confidence: float
    language_mixed: bool
    text_hash: str
    words_hash: str
    author_name: str
    author_hashes: tuple[str, ...]
    flags: tuple[FoundFlag, ...]


@lru_cache(maxsize=256)
def _author_key(secret: str, store_id: int) -> bytes:
    return hmac.new(secret.encode(), f"ecomai.reviews.author:{store_id}".encode(), hashlib.sha256).digest()


def _normal(identifier: str, region: str) -> str:
    """Mail in lower case, a phone number in E.164, anything else (a customer number) case-folded."""
    import phonenumbers

    identifier = cleaning.clean_line(identifier)
    if "@" in identifier:
        return "mail:" + identifier.casefold()
    if identifier.startswith("+") or (region and identifier.startswith(("0", "("))):
        try:
            number = phonenumbers.parse(identifier, region.upper() or None)
            if phonenumbers.is_valid_number(number):
                return "phone:" + phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        except phonenumbers.NumberParseException:
            pass
    return "id:" + identifier.casefold()


def author_hash(store_id: int, identifier: str, region: str = "") -> str:
    """HMAC-SHA256 (hex) of a normalised mail address, phone number or customer number, keyed per store.

    A phone number without "+" needs the `region` (ISO 3166) it was written in. "" for an empty identifier.
    """
    if not identifier.strip():
        return ""
    key = _author_key(settings.SECRET_KEY, store_id)
    return hmac.new(key, _normal(identifier, region).encode(), hashlib.sha256).hexdigest()


def public_name(name: str, region: str = "", known: tuple[str, ...] = ()) -> str:
    """First name and initial at most: "Jane Doe" → "Jane D.", "王小明" → "王**"; nothing where it is a mail or a phone."""
    name = cleaning.clean_line(name)
    if not name or privacy.mask(name, region, known).kinds:
        return ""
    if HAN_NAME.match(name):
        return name[0] + "*" * (len(name) - 1)
    first, *rest = name.split()
    return f"{first[:100]} {rest[-1][0].upper()}." if rest and rest[-1][0].isalpha() else first[:100]


def _without_refrains(text: str) -> str:
    """The text with each sentence at most twice: saying it a hundred times says no more, and would drown the rest."""
    seen: Counter[str] = Counter()
    kept = []
    for sentence in SENTENCE.findall(text):
        folded = words.fold(sentence)
        seen[folded] += bool(folded)
        if seen[folded] <= 2:
            kept.append(sentence)
    return "".join(kept)


def for_model(text: str) -> str:
    """What the model reads of a text: no orders to a machine, sentences that come again and again twice, and the meaning
    of emoji in words, which the encoder reads better; a row of the same counts twice. A text of nothing but orders stays:
    what to make of it is decided where it is judged (scoring.settled)."""
    told = flags.without_orders(text)
    text = _without_refrains(told if READABLE.search(told) else text)
    if text.isascii() or not PICTURE.search(text):
        return text
    text = SAME_PICTURE.sub(r"\1\1", TONES.sub("", text))
    named = emoji.replace_emoji(text, lambda sign, data: f" {data.get('en', '').strip(':').replace('_', ' ')} ")
    return " ".join(named.split(" ")).replace("  ", " ").strip()


def _checked(column: str, value: str, longest: int) -> str:
    if len(value) > longest:
        raise Unreadable("too_long", column, value, f"{len(value)} characters; {longest} are the most.")
    return value


def read(raw: RawReview, context: ReadingContext) -> ReadReview:
    """Read one review. Raises Unreadable for a rating that can't be told and for texts that are too long."""
    title = cleaning.clean_line(_checked("title", raw.title or "", 2000))
    text = cleaning.clean(_checked("text", raw.text or "", LONGEST))
    try:
        rating = ratings.parse(raw.rating, context.rating_scale)
    except ratings.BadRating as error:
        raise Unreadable("bad_rating", "rating", str(raw.rating), str(error)) from error
    given = "" if rating is None else cleaning.clean_line(str(raw.rating))[:60]
    region = (raw.country or context.region or "").upper()
    known = (*context.languages, context.default_language)
    safe_title, safe_text = privacy.mask(title, region, known), privacy.mask(text, region, known)
    folded = words.fold(safe_title.text) + words.fold(safe_text.text)
    if context.mask_names:
        safe_title = privacy.mask(title, region, known, names=True)
        safe_text = privacy.mask(text, region, known, names=True)
    masked = tuple(dict.fromkeys(safe_title.kinds + safe_text.kinds))
    found = flags.find(safe_title.text, safe_text.text, masked)
    unsaid = any(flag.kind == flags.Kind.PLATFORM for flag in found)
    joined = f"{title}\n{text}".strip()
    rating_only = unsaid or not READABLE.search(joined)
    language = languages.Language(languages.UNDETERMINED, 0.0)
    gibberish = any(flag.kind == flags.Kind.GIBBERISH for flag in found)
    if not rating_only and not gibberish:
        language = languages.identify(joined, context.languages, context.default_language, raw.language or "")
    hashes = tuple(dict.fromkeys(h for i in raw.author_ids if (h := author_hash(context.store_id, i, region))))
    author = hashes[0] if hashes else words.fold(raw.author_name or "")
    # Without an author the day tells apart what strangers wrote alike; without words, what they gave.
    when = raw.written_at.isoformat() if raw.written_at and not author else ""
    identity = folded or f"{safe_text.text}|{given}"
    return ReadReview(
        title=safe_title.text,
        text=safe_text.text,
        raw_text=joined,
        masked=masked,
        rating=rating,
        rating_given=given,
        rating_only=rating_only,
        language=language.code,
        language_confidence=language.confidence,
        language_mixed=language.mixed,
        text_hash=words.digest(author, when, raw.product_ref or "", identity),
        words_hash=words.digest(folded) if folded and not unsaid else "",
        author_name=public_name(raw.author_name or "", region, known),
        author_hashes=hashes,
        flags=found,
    )
