"""What the page of one review shows, and the decisions that people take there besides labels."""

import math
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.models import Store, User
from ml.aspects import ASPECTS
from reviews import effective
from reviews.filters import aspect_names, sentiment_names
from reviews.labelling import WORDS, languages_of
from reviews.models import Flag, Label, Opinion, Review, ReviewAction
from reviews.models.review import UNDETERMINED
from reviews.review_dataset import words


@dataclass(frozen=True)
class Piece:
    """A stretch of the text and the aspects that it speaks for ("" for none)."""

    text: str
    aspects: str
    polarity: str


@dataclass(frozen=True)
class AspectLine:
    """One aspect: what counts, whether a person said so, and the machine's own word with its probability."""

    key: str
    name: str
    counts: str
    by_person: bool
    machine: str
    probability: float | None
    has_words: bool


@dataclass(frozen=True)
class Bar:
    """Probability of one number of stars; `width` in hundredths of the bar."""

    stars: int
    probability: float
    width: float


@dataclass(frozen=True)
class Said:
    """A label with its values in words."""

    label: Label
    aspect_name: str
    old: str
    new: str


def in_words(field: str, value: object) -> str:
    """A label's value for people."""
    if value is None:
        return ""
    if field == Label.Field.STARS:
        return f"{value} ★"
    named: dict = {**sentiment_names(), "absent": _("not spoken of"), True: _("yes"), False: _("no")}
    return str(named.get(value, value)) if field != Label.Field.LANGUAGE else str(value)


def _spans(found: dict, length: int) -> list[tuple[int, int]]:
    """Spans that lie in the text; a judgement of an older text can have others."""
    return [(a, b) for a, b in found.get("spans") or [] if 0 <= a < b <= length]


def pieces(review: Review, aspects: dict) -> list[Piece]:
    """The text cut where evidence begins or ends; a piece knows all aspects that it speaks for."""
    text = words(review)
    spans = [
        (a, b, key, WORDS.get(found.get("polarity"), "neutral"))
        for key, found in aspects.items()
        for a, b in _spans(found, len(text))
    ]
    cuts = sorted({0, len(text), *(a for a, *_rest in spans), *(b for _a, b, *_rest in spans)})
    out = []
    for start, end in zip(cuts, cuts[1:], strict=False):
        over = [(key, polarity) for a, b, key, polarity in spans if a <= start and end <= b]
        kinds = {polarity for _key, polarity in over}
        out.append(
            Piece(
                text[start:end],
                " ".join(key for key, _p in over),
                kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "",
            )
        )
    return out


def aspect_lines(review: Review, aspects: dict) -> list[AspectLine]:
    """All aspects, those that are spoken of first."""
    opinions = {o.aspect: o for o in Opinion.objects.filter(review=review)}
    said = {}
    for row in Label.objects.filter(review=review, field="aspect", blind=False).order_by("made_at", "id"):
        said[row.aspect] = row.value
    names, length, out = aspect_names(), len(words(review)), []
    for key in ASPECTS:
        found = aspects.get(key) or {}
        opinion = opinions.get(key)
        out.append(
            AspectLine(
                key,
                str(names[key]),
                WORDS[opinion.polarity] if opinion else "absent",
                said.get(key) is not None,
                WORDS[found["polarity"]] if found else "absent",
                found.get("probability"),
                bool(_spans(found, length)),
            )  # fmt: skip
        )
    return sorted(out, key=lambda line: (line.counts == "absent" and line.machine == "absent", ASPECTS.index(line.key)))


def bars(stars: list[float] | None) -> list[Bar]:
    """The probabilities of 5 to 1 stars."""
    return [Bar(n, p, round(100 * p, 1)) for n, p in reversed(list(enumerate(stars or [], 1)))]


def context(review: Review) -> dict:
    """Everything that the page of a review shows."""
    judgement = getattr(review, "judgement", None)
    aspects = judgement.aspects if judgement else {}
    names = aspect_names()
    said = {}
    for row in Label.objects.filter(review=review, blind=False).exclude(field="aspect").order_by("made_at", "id"):
        said[row.field] = row.value
    spam = said.get("spam")
    if spam is None:
        spam = review.flags.filter(upheld=True, kind__in=effective.SPAM_KINDS).exists()
    return {
        "review": review, "judgement": judgement, "pieces": pieces(review, aspects), "said": said, "spam": spam,
        "aspect_lines": aspect_lines(review, aspects), "bars": bars(judgement.stars if judgement else None),
        "flags": sorted(review.flags.select_related("decided_by"), key=lambda f: (f.kind != Flag.Kind.SAFETY, f.pk)),
        "history": [
            Said(row, aspect_name=str(names.get(row.aspect, "")), old=in_words(row.field, row.old_value), new=in_words(row.field, row.value))
            for row in review.labels.select_related("by").order_by("-made_at", "-id")[:100]
        ],
        "actions": review.actions.select_related("by").order_by("-made_at", "-id")[:50],
        "polarity_names": {**sentiment_names(), "absent": _("not spoken of")}, "reasons": ReviewAction.Reason.choices,
        "hidden_because": dict(ReviewAction.Reason.choices).get(review.hidden_reason, review.hidden_reason),
        "effective_stars": None if review.stars is None else max(1, min(5, math.floor(review.stars + 0.5))),
    }  # fmt: skip


@transaction.atomic
def hide(*, review: Review, by: User, reason: str, note: str = "") -> None:
    """Take a review out of all numbers, for a reason of fraud or policy that is written down. Raises ValueError without
    one: that somebody is unhappy is no reason."""
    if reason not in ReviewAction.Reason.values:
        raise ValueError(reason)
    changed = Review.objects.filter(pk=review.pk, status=Review.Status.PUBLISHED).update(
        status=Review.Status.HIDDEN, hidden_reason=str(ReviewAction.Reason(reason).value), hidden_by=by
    )
    if changed:
        _log(review, ReviewAction.Kind.HIDE, by, reason=reason, note=note)
        effective.refresh([review.pk])


@transaction.atomic
def show(*, review: Review, by: User, note: str = "") -> None:
    """Let it count again."""
    changed = Review.objects.filter(pk=review.pk, status=Review.Status.HIDDEN).update(
        status=Review.Status.PUBLISHED, hidden_reason="", hidden_by=None
    )
    if changed:
        _log(review, ReviewAction.Kind.SHOW, by, note=note)
        effective.refresh([review.pk])


FLAG_STEPS = {"uphold": True, "dismiss": False, "reopen": None}


@transaction.atomic
def decide_flag(*, flag: Flag, by: User, step: str) -> None:
    """Confirm a flag, dismiss it, or take the decision back. Raises ValueError for another step."""
    if step not in FLAG_STEPS:
        raise ValueError(step)
    upheld = FLAG_STEPS[step]
    Review.objects.select_for_update(no_key=True).get(pk=flag.review_id)
    flag = Flag.objects.get(pk=flag.pk)
    if flag.upheld == upheld:
        return
    flag.upheld = upheld
    flag.decided_by, flag.decided_at = (None, None) if upheld is None else (by, timezone.now())
    flag.save(update_fields=["upheld", "decided_by", "decided_at"])
    _log(flag.review, step, by, about=flag.kind)
    effective.refresh([flag.review_id])


def _log(review: Review, kind: str, by: User, *, about: str = "", reason: str = "", note: str = "") -> None:
    ReviewAction.objects.create(
        store_id=review.store_id, review=review, kind=kind, about=about, reason=reason, note=note[:300], by=by
    )


def label_languages(store: Store, review: Review) -> list[str]:
    """Languages to offer: the shop's, the ones its reviews are in, and this review's."""
    own = {code.split("-")[0] for code in [store.default_locale, *store.locales]}
    return sorted({*own, *languages_of(store), review.language} - {UNDETERMINED, ""})
