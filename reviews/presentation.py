"""How reviews and numbers are shown: names, cards, chips, and the words of a review that speak for a judgement."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date, format_skeleton
from babel.numbers import format_compact_decimal, format_percent
from django.utils.translation import gettext as _

from ecomai.lib import shown
from ecomai.lib.shown import locale, number
from reviews.filters import Filters, aspect_names, sentiment_names
from reviews.findings import Change, Summary
from reviews.models import Judgement, Label, Review
from reviews.models.review import UNDETERMINED
from reviews.statistics import Bucket

POLARITY_NAMES = {-1: "negative", 0: "neutral", 1: "positive"}
SHOWN = 700


def percent(share: float | None) -> str:
    return (
        "–"
        if share is None
        else format_percent(share, "#,##0 %" if locale().language in ("de", "fr") else "#,##0%", locale=locale())
    )


def signed(value: float, digits: int = 0, unit: str = "") -> str:
    """A change with its sign, minus written as a minus."""
    return f"{value:+.{digits}f}{unit}".replace("-", "−")


def compact(value: int) -> str:
    """12,345 as 12K, for the axis of a chart."""
    return format_compact_decimal(value, locale=locale()) if value >= 10_000 else number(value)


def language_name(code: str) -> str:
    """The language's name in the language of the page; the code where it has none."""
    return _("Undetermined") if code == UNDETERMINED else shown.language_name(code)


SOURCES = {
    "judgeme": "Judge.me", "yotpo": "Yotpo", "shopify": "Shopify", "woocommerce": "WooCommerce", "csv": "CSV",
    "xlsx": "Excel", "jsonl": "JSON lines", "api": "API", "webhook": "Webhook",
}  # fmt: skip


def source_name(source: str) -> str:
    return _("Syndicated") if source == "syndicated" else SOURCES.get(source, source)


def day_range(start: date, end: date) -> str:
    """ "3 May 2026", "May 2026" or "3 – 9 May 2026", as the language writes it."""
    from babel.dates import format_interval

    if start == end:
        return format_date(start, "medium", locale=locale())
    if start.day == 1 and (end.year, end.month) == (start.year, start.month) and end.day >= 28:
        return format_skeleton("yMMM", start, locale=locale())
    return format_interval(start, end, "yMMMd", locale=locale())


def axis_label(bucket: Bucket, unit: str) -> str:
    return format_skeleton("yMMM" if unit == "month" else "MMMd", bucket.start, locale=locale())


@dataclass(frozen=True)
class Card:
    """One number at the top of the dashboard. `tone`: ok, bad or "" for the change."""

    label: str
    value: str
    note: str
    change: str
    tone: str
    query: str


def _points(change: Change) -> str:
    return _("%(n)s points") % {"n": signed(100 * (change.difference or 0), 1)}


def _tone(change: Change, worse_up: bool, at_least: float) -> str:
    d = change.difference
    if d is None or abs(d) < at_least:
        return ""
    return "bad" if (d > 0) == worse_up else "ok"


def cards(filters: Filters, summary: Summary) -> list[Card]:
    """The cards of a period: volume, rating, positive and negative share, safety, flags."""
    now = summary.now
    volume, rating, positive, negative = summary.volume, summary.rating, summary.positive, summary.negative
    band = now.rating_band
    note = (
        _("%(low)s – %(high)s (95%% band)") % {"low": number(band[0], 2), "high": number(band[1], 2)}
        if band else _("given by shoppers")
    )  # fmt: skip
    found = [
        Card(_("Reviews"), number(now.n), _("%(n)s with a rating") % {"n": number(now.rated)},
             signed(100 * volume.ratio, 0, "%") if volume.ratio is not None else "", "", filters.query()),
        Card(_("Average rating"), number(rating.now, 2), note,
             signed(rating.difference, 2) if rating.difference is not None else "", _tone(rating, False, 0.005), filters.query()),
        Card(_("Positive"), percent(positive.now), _("%(n)s reviews") % {"n": number(now.positive)},
             _points(positive) if positive.difference is not None else "", _tone(positive, False, 0.0005),
             filters.query(sentiment="positive")),
        Card(_("Negative"), percent(negative.now), _("%(n)s reviews") % {"n": number(now.negative)},
             _points(negative) if negative.difference is not None else "", _tone(negative, True, 0.0005),
             filters.query(sentiment="negative")),
    ]  # fmt: skip
    safety, flagged = summary.safety, summary.flagged
    found.append(
        Card(_("Safety reports"), number(now.safety), _("look at these first") if now.safety else _("nothing reported"),
             signed(safety.difference) if safety.difference is not None else "", _tone(safety, True, 0.5),
             filters.query(flag="safety_urgent"))
    )  # fmt: skip
    found.append(
        Card(_("Flagged"), number(now.flagged), _("with a reason to look twice"),
             signed(flagged.difference) if flagged.difference is not None else "", "", filters.query(flag="any"))
    )  # fmt: skip
    return found


@dataclass(frozen=True)
class Segment:
    """A stretch of text. `tone`: negative, neutral, positive for evidence, match for a searched word, or ""."""

    text: str
    tone: str = ""
    title: str = ""


@dataclass(frozen=True)
class Chip:
    aspect: str
    name: str
    polarity: str
    by_person: bool
    probability: float


@dataclass(frozen=True)
class Row:
    """A review as a list shows it."""

    review: Review
    title: list[Segment]
    text: list[Segment]
    chips: list[Chip]
    flags: list
    sentiment: str
    given: float | None
    stars: float | None
    stars_by: str
    judgement: Judgement | None
    probabilities: list[tuple[int, float]]
    counts: bool


def words(review: Review) -> str:
    """The words that a model reads and that evidence spans are measured in: the title on a line of its own, the text."""
    return f"{review.title}\n{review.text}" if review.title else review.text


def _marks(review: Review, judgement: Judgement | None) -> list[tuple[int, int, str, str]]:
    """(start, end, tone, title) of evidence, in order, without overlaps; an opinion that no longer counts has none, nor
    has a text that its author has changed since it was read."""
    if judgement is None or (review.edited_at and review.edited_at > judgement.made_at):
        return []
    names = aspect_names()
    tones = {o.aspect: POLARITY_NAMES[o.polarity] for o in review.opinions.all()}
    labels = sentiment_names()
    spans = [
        (int(start), int(end), tones[aspect], f"{names[aspect]}: {labels[tones[aspect]]}")
        for aspect, found in judgement.aspects.items()
        if aspect in tones
        for start, end in found.get("spans", [])
    ]
    kept: list[tuple[int, int, str, str]] = []
    for span in sorted(spans):
        if span[0] < span[1] and (not kept or span[0] >= kept[-1][1]):
            kept.append(span)
    return kept


def segments(text: str, marks: Sequence[tuple[int, int, str, str]], q: str = "") -> list[Segment]:
    """The text cut at the marks; searched words outside them are marked as matches."""
    pattern = re.compile("|".join(re.escape(word) for word in q.split()), re.I) if q.split() else None
    found: list[Segment] = []

    def plain(part: str) -> None:
        at = 0
        for match in pattern.finditer(part) if pattern else ():
            if match.start() > at:
                found.append(Segment(part[at : match.start()]))
            found.append(Segment(match[0], "match"))
            at = match.end()
        if at < len(part):
            found.append(Segment(part[at:]))

    at = 0
    for start, end, tone, title in marks:
        start, end = max(start, at, 0), min(end, len(text))
        if start >= end:
            continue
        plain(text[at:start])
        found.append(Segment(text[start:end], tone, title))
        at = end
    plain(text[at:])
    return found


def row(review: Review, q: str = "") -> Row:
    """One review with everything that a list shows; expects what `review_search` has fetched."""
    judgement = getattr(review, "judgement", None)
    names = aspect_names()
    # Positions are those of the words that were read: the title, a line break, the text.
    marks = _marks(review, judgement)
    offset = len(review.title) + 1 if review.title else 0
    in_text = [(a - offset, b - offset, tone, title) for a, b, tone, title in marks if b > offset]
    shown = review.text if len(review.text) <= SHOWN else review.text[:SHOWN].rstrip() + "…"
    said = {label.field: label for label in getattr(review, "said")}  # noqa: B009 - made by the prefetch
    person = said.get(Label.Field.STARS)
    chips = [
        Chip(o.aspect, names.get(o.aspect, o.aspect), POLARITY_NAMES[o.polarity], o.by_person, o.probability)
        for o in sorted(review.opinions.all(), key=lambda o: (-o.probability, o.aspect))
    ]
    return Row(
        review=review,
        title=segments(review.title, [m for m in marks if m[1] <= offset] if offset else [], q),
        text=segments(shown, in_text, q),
        chips=chips,
        flags=[flag for flag in review.flags.all() if flag.upheld is not False],
        sentiment=POLARITY_NAMES[review.sentiment] if review.sentiment is not None else "",
        given=float(review.rating) if review.rating is not None else None,
        stars=review.stars,
        stars_by="person" if person else "model" if judgement else "rating",
        judgement=judgement,
        probabilities=[(k, p) for k, p in enumerate(judgement.stars, 1)] if judgement else [],
        counts=getattr(review, "counted", None) is not None,
    )
