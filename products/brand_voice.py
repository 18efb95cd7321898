"""How a shop writes: measured features of the copy that its people approved or edited, per language, and how far
another text stands from them."""

import re
from collections.abc import Mapping
from statistics import fmean, pstdev

import emoji
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.lib.text import measure as length_of
from ecomai.models import Store
from products.channels import Limit, limits
from products.models import AdAsset, BrandVoice

LEAST = 20  # texts in a language from which a voice can be told
LEAST_OF_KIND = 10  # short or long texts from which that kind is measured apart
NEWEST = 2000
LONG = 75  # display width above which a field is long
FURTHEST = 3.0  # standard deviations: further off is no worse
FEATURES = {
    "fill": _("Length, as a share of the limit"), "sentence": _("Words in a sentence"), "exclamation": _("With an exclamation mark"),
    "question": _("With a question"), "emoji": _("With emoji"), "second_person": _("Speaks to the reader"),
    "call": _("Calls to act"), "title_case": _("Words With Capitals"), "numbers": _("Numbers in a text"),
}  # fmt: skip
# A feature that never varied in a few dozen texts may still vary a little.
FLOOR = {"fill": 0.08, "sentence": 1.5, "title_case": 0.12, "numbers": 0.5}
FLOOR_OF_SHARE = 0.25
CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
SENTENCE = re.compile(r"[^.!?。！？]+")
WORD = re.compile(r"[^\W\d_][\w'’-]*")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
YOU = {
    "en": r"\b(?:you|your|yours)\b", "de": r"\b(?:du|dein\w*|dir|dich|Sie|Ihr\w*|Ihnen|euch|euer|eure\w*)\b",
    "es": r"\b(?:tú|tu|tus|ti|te|usted|su|sus|vuestr\w+)\b", "fr": r"\b(?:tu|ton|ta|tes|vous|votre|vos|toi)\b",
    "ja": "あなた|ご自宅|ください|ましょう", "zh-Hans": "你|您",
}  # fmt: skip
CALLS = {
    "en": r"\b(?:buy|shop|order|discover|get|try|see|find|choose|explore|save|add|grab|browse|treat)\b",
    "de": r"\b(?:kauf\w*|bestell\w*|entdeck\w*|hol\w*|probier\w*|sieh|finde\w*|wähl\w*|spar\w*|jetzt)\b",
    "es": r"\b(?:compra|pide|descubre|consigue|prueba|mira|encuentra|elige|ahorra|añade|llévate)\b",
    "fr": r"\b(?:achet\w+|command\w+|découvr\w+|essay\w+|voyez|trouv\w+|choisi\w+|profit\w+|ajout\w+|offr\w+)\b",
    "ja": "今すぐ|ご購入|お試し|チェック|ぜひ|どうぞ|選ぶ", "zh-Hans": "立即|马上|点击|选购|下单|快来|尝试|入手|发现",
}  # fmt: skip


class TooFew(ValueError):
    """There aren't enough texts yet; `n` are there."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.n = n


def features_of(text: str, locale: str, limit: Limit | None = None) -> dict[str, float]:
    """The features of one text: shares of 0 or 1, `fill` of the length to aim at, words per sentence (in Chinese and
    Japanese two characters are a word), count of numbers."""
    sentences = [s for s in SENTENCE.findall(text) if s.strip()] or [text]
    words = WORD.findall(text)
    unspaced = bool(CJK.search(text))
    count = sum(len(s.strip()) / 2 if unspaced else len(s.split()) for s in sentences)
    out = {
        "sentence": count / len(sentences),
        "exclamation": float("!" in text or "！" in text),
        "question": float("?" in text or "？" in text),
        "emoji": float(emoji.emoji_count(text) > 0),
        # "Sie" is polite only with its capital.
        "second_person": float(bool(re.search(YOU.get(locale, YOU["en"]), text, 0 if locale == "de" else re.I))),
        "call": float(bool(re.search(CALLS.get(locale, CALLS["en"]), text, re.I))),
        "numbers": float(len(NUMBER.findall(text))),
    }
    if locale == "de":
        out["second_person"] = max(out["second_person"], float(bool(re.search(r"\b(?:Du|Dein\w*)\b", text))))
    long = [word for word in words[1:] if len(word) > 3]
    if long and not unspaced:
        out["title_case"] = sum(word[0].isupper() for word in long) / len(long)
    if limit is not None:
        out["fill"] = getattr(length_of(text), limit.unit) / limit.aim
    return out


def _summed(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Feature → [mean, standard deviation] over the texts that have it."""
    out = {}
    for name in FEATURES:
        values = [row[name] for row in rows if name in row]
        if values:
            out[name] = [round(fmean(values), 4), round(pstdev(values), 4)]
    return out


def texts(store: Store, locale: str):
    """What people stand behind: approved, or edited and not rejected."""
    rows = AdAsset.objects.filter(store=store, locale=locale).exclude(text="")
    kept = rows.filter(status=AdAsset.Status.APPROVED) | rows.filter(origin=AdAsset.Origin.HUMAN)
    return kept.exclude(status=AdAsset.Status.REJECTED).order_by("-pk")


def _kind(limit: Limit) -> str:
    return "long" if limit.aim > LONG else "short"


def learn(store: Store, locale: str) -> BrandVoice:
    """Measure the newest texts and keep the result. Raises TooFew below LEAST of them."""
    bounds = limits(store)
    own = list(texts(store, locale).values_list("text", "field")[:NEWEST])
    if len(own) < LEAST:
        BrandVoice.objects.filter(store=store, locale=locale).delete()
        raise TooFew(len(own))
    measured = [(features_of(text, locale, bounds.get(key)), bounds.get(key)) for text, key in own]
    features: dict = {"locale": locale, "all": _summed([row for row, _limit in measured])}
    for kind in ("short", "long"):
        rows = [row for row, limit in measured if limit is not None and _kind(limit) == kind]
        if len(rows) >= LEAST_OF_KIND:
            features[kind] = _summed(rows)
    row, _made = BrandVoice.objects.update_or_create(
        store=store, locale=locale, defaults={"features": features, "texts": len(own), "learnt_at": timezone.now()}
    )
    return row


def current(store: Store, locale: str) -> Mapping:
    """The features to rank by: as learnt, or learnt now where texts came or went or a day has passed; {} for too few."""
    kept = BrandVoice.objects.filter(store=store, locale=locale).first()
    count = min(texts(store, locale).count(), NEWEST)
    if kept and kept.texts == count and (timezone.now() - kept.learnt_at).days < 1:
        return kept.features
    try:
        return learn(store, locale).features
    except TooFew:
        return {}


def differences(features: Mapping, text: str, limit: Limit | None = None) -> dict[str, float]:
    """Feature → how many standard deviations the text lies off the shop's mean, with its sign."""
    own = features_of(text, features.get("locale", "en"), limit)
    usual = (features.get(_kind(limit)) if limit is not None else None) or features.get("all", {})
    return {
        name: (own[name] - mean) / max(spread, FLOOR.get(name, FLOOR_OF_SHARE))
        for name, (mean, spread) in usual.items()
        if name in own
    }


def distance(features: Mapping, text: str, limit: Limit | None = None) -> float:
    """How far a text is from the shop's voice: root mean square of its standardised differences, each capped at
    FURTHEST; 0 for a shop whose voice isn't known."""
    found = differences(features, text, limit)
    if not found:
        return 0.0
    return (sum(min(abs(value), FURTHEST) ** 2 for value in found.values()) / len(found)) ** 0.5
