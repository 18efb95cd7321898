"""Drafts of replies: a few sentences of the model, each checked against the review, for a person to edit and send.

Nothing leaves the shop from here. Where no sentence passes, there is no draft, and the page says so.
"""

import csv
import hashlib
import io
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import regex
from django.db import transaction
from django.utils import timezone

from ecomai.lib.formulas import safe
from ecomai.models import Job, Store, User
from ml import encoder, generator
from ml.generator import Generation, Prompt, SamplingOptions
from reviews import languages
from reviews.models import Opinion, Reply, Review, ReviewSettings
from reviews.reply_prompts import EXAMPLES, first_sentence, prefix, refusal, stems, suffix, without_orders
from reviews.review_dataset import words

CAPABILITY = "replies"
MOST_ASPECTS = 3
CANDIDATES = 12  # a sentence and round
ROUNDS = 2
LONGEST = 2000
UNSPACED = frozenset({"zh", "ja", "th"})
CLAUSE = regex.compile(r"[^.!?;。！？；\n]+[.!?;。！？；]*")
Generate = Callable[[list[Prompt], int, SamplingOptions], Generation]


class Run(Protocol):
    """What the room needs of a job (`ecomai.jobs.Run`)."""

    def advance(self, done: int, *, total: int | None = None, message: str | None = None) -> None: ...

    @property
    def cancelled(self) -> bool: ...


class NotNow(ValueError):
    """The reply can't be changed that way in its present state; the text says why."""


@dataclass(frozen=True)
class Part:
    """One sentence to write: `kind` of KINDS, about `aspect`, from these words of the review; `orders` are what the
    review says to the machine, which the model never sees."""

    kind: str
    aspect: str
    evidence: str
    orders: str = ""


@dataclass
class Draft:
    """The sentences that passed, in order; `missing` are parts without one."""

    sentences: list[str] = field(default_factory=list)
    missing: list[Part] = field(default_factory=list)
    candidates: int = 0
    thrown: Counter = field(default_factory=Counter)
    made: Generation | None = None

    def text(self, language: str) -> str:
        return ("" if language in UNSPACED else " ").join(self.sentences)


def settings_of(store: Store) -> ReviewSettings:
    """The store's choices, or the defaults."""
    return ReviewSettings.objects.filter(store=store).first() or ReviewSettings(store=store)


def language_for(review: Review, store: Store) -> str:
    """The review's language, else the shop's main one."""
    code = languages.base(review.language)
    return code or languages.base(store.default_locale) or "en"


def clause_at(text: str, start: int) -> str:
    """The clause of the text that a position lies in."""
    for found in CLAUSE.finditer(text):
        if found.start() <= start < found.end():
            return found[0].strip()
    return text.strip()


def parts_of(review: Review) -> list[Part]:
    """Thanks, then up to three aspects, complaints first and the surest first; without aspects the whole impression.

    The evidence of an aspect is the clause around the words that speak for it, masked like all that models see. What
    gives orders to the machine is nobody's evidence: a review of nothing else has no parts.
    """
    text = words(review)
    told, orders = without_orders(text)
    if not told:
        return []
    judgement = getattr(review, "judgement", None)
    spans = {a: found.get("spans") or [] for a, found in (judgement.aspects if judgement else {}).items()}
    parts = [Part("thanks", "", told, orders)]
    opinions = Opinion.objects.filter(review=review).exclude(polarity=0).order_by("polarity", "-probability")
    seen: set[str] = set()
    for opinion in opinions:
        at = spans.get(opinion.aspect)
        evidence, _orders = without_orders(clause_at(text, at[0][0])) if at else (told, "")
        if not evidence or evidence in seen:
            continue
        seen.add(evidence)
        parts.append(Part("negative" if opinion.polarity < 0 else "positive", opinion.aspect, evidence, orders))
        if len(parts) > MOST_ASPECTS:
            break
    if len(parts) == 1 and review.sentiment:
        parts.append(Part("negative" if review.sentiment < 0 else "positive", "", clause_at(told, 0), orders))
    return parts


def compose(
    parts: list[Part], *, language: str, tone: str, policies: str, generate: Generate, rounds: int = ROUNDS
) -> Draft:
    """A draft from sampled sentences: what a rule refuses is thrown away, the rest ranked by how close it stands to the
    evidence (cosine of the encoder) less half of how improbable the model finds it (mean log-probability a token)."""
    draft = Draft()
    found: dict[Part, str] = {}
    for number in range(rounds):
        lacking = [part for part in parts if part not in found]
        if not lacking:
            break
        prompts = [Prompt(prefix(part.kind, language, tone), suffix(part.evidence)) for part in lacking]
        options = SamplingOptions(
            max_new_tokens=60, temperature=0.6 + 0.2 * number, top_k=40, top_p=0.9, repetition_penalty=1.0
        )
        draft.made = generate(prompts, CANDIDATES, options)
        for part, row in zip(lacking, draft.made.candidates, strict=True):
            draft.candidates += len(row)
            passed: dict[str, float] = {}
            for candidate in row:
                sentence = first_sentence(candidate.text)
                why = refusal(
                    sentence, kind=part.kind, language=language, evidence=part.evidence, policies=policies,
                    orders=part.orders,
                )  # fmt: skip
                if not why and any(_alike(sentence, other) for other in found.values()):
                    why = "said_already"
                if why:
                    draft.thrown[why] += 1
                else:
                    passed.setdefault(sentence, candidate.logprob)
            if passed:
                found[part] = _best(passed, part, language)
    draft.sentences = [found[part] for part in parts if part in found]
    draft.missing = [part for part in parts if part not in found]
    return draft


def _alike(one: str, two: str) -> bool:
    a, b = stems(one), stems(two)
    return bool(a and b) and len(a & b) / min(len(a), len(b)) > 0.8


def _best(passed: dict[str, float], part: Part, language: str) -> str:
    sentences = list(passed)
    # What stance costs nothing to tell where no words are known: nearer to examples of its kind than of the other.
    anchors = [answer for _review, answer in (EXAMPLES.get(language) or EXAMPLES["en"])[part.kind]]
    vectors = encoder.embed([*sentences, part.evidence, *anchors])
    n = len(sentences)
    near, like = vectors[:n] @ vectors[n], (vectors[:n] @ vectors[n + 1 :].T).mean(axis=1)
    sure = [0.0 if math.isnan(passed[s]) else passed[s] for s in sentences]
    scores = [
        float(near[i]) * (part.kind != "thanks") + 0.5 * float(like[i]) + 0.05 * sure[i] for i in range(n)
    ]  # fmt: skip
    return sentences[max(range(n), key=scores.__getitem__)]


@transaction.atomic
def request(*, review: Review, by: User, job: Callable[[Reply], Job]) -> Reply:
    """Order a draft; `job` makes the job that will write it. An order that waits stays the one there is.

    Raises NotNow where a person has written, approved or used the reply: their words are not written over.
    """
    Review.objects.select_for_update(no_key=True).get(pk=review.pk)
    reply, _new = Reply.objects.get_or_create(
        review=review, defaults={"store_id": review.store_id, "created_by": by, "status": Reply.Status.DRAFT}
    )
    if reply.edited_at or reply.status not in (Reply.Status.DRAFT, Reply.Status.WRITING):
        raise NotNow("written")
    if reply.status == Reply.Status.WRITING and reply.job and reply.job.is_open:
        return reply
    settings = settings_of(review.store)
    reply.status, reply.language, reply.tone = Reply.Status.WRITING, language_for(review, review.store), settings.tone
    reply.job = job(reply)
    reply.save()
    return reply


def write(reply: Reply, run: Run) -> None:
    """Write the draft of an order. Run again after a kill it starts over; a person's text in the meantime wins."""
    if reply.status != Reply.Status.WRITING:
        return
    started = time.monotonic()
    review = Review.objects.select_related("store", "judgement").get(pk=reply.review_id)
    settings = settings_of(review.store)
    parts = parts_of(review)
    run.advance(0, total=len(parts))

    def generate(prompts: list[Prompt], n: int, options: SamplingOptions) -> Generation:
        return generator.generate(
            prompts, capability=CAPABILITY, store_id=review.store_id, n=n, options=options,
            cancelled=lambda: run.cancelled,
        )  # fmt: skip

    draft = Draft()
    if parts and not review.rating_only and words(review).strip():
        draft = compose(parts, language=reply.language, tone=reply.tone, policies=settings.policies, generate=generate)
    # Thanks alone would pass over what the review is about.
    told = [part for part in parts[1:] if part not in draft.missing]
    text = draft.text(reply.language) if told or (len(parts) == 1 and draft.sentences) else ""
    shown = "".join(prefix(p.kind, reply.language, reply.tone) + suffix(p.evidence) for p in parts) + settings.policies
    made = draft.made
    with transaction.atomic():
        mine = Reply.objects.select_for_update().get(pk=reply.pk)
        if mine.status != Reply.Status.WRITING or mine.edited_at:
            return
        mine.machine_text = text
        mine.text = f"{text}\n\n{settings.signature}".strip() if text else ""
        mine.model_id = made.model.version_id if made else None
        mine.model_label = made.model.label if made else ""
        mine.inputs_hash = hashlib.sha256(shown.encode()).hexdigest()
        mine.candidates, mine.thrown = draft.candidates, dict(draft.thrown)
        mine.seconds, mine.written_at = round(time.monotonic() - started, 1), timezone.now()
        mine.status = Reply.Status.DRAFT
        mine.save()
    run.advance(len(parts), total=len(parts))


def settle(reply: Reply) -> None:
    """An order whose job ended without a draft (failed, cancelled) is an empty draft again."""
    if reply.status == Reply.Status.WRITING and not (reply.job and reply.job.is_open):
        Reply.objects.filter(pk=reply.pk, status=Reply.Status.WRITING).update(status=Reply.Status.DRAFT)
        reply.refresh_from_db()


@transaction.atomic
def edit(*, review: Review, by: User, text: str) -> Reply:
    """A person's text; the machine's stays beside it. Raises NotNow when it is empty, too long or already sent."""
    text = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\x00", "").split("\n")).strip()
    if not text or len(text) > LONGEST:
        raise NotNow("empty" if not text else "too_long")
    reply, _new = Reply.objects.select_for_update().get_or_create(
        review=review,
        defaults={"store_id": review.store_id, "created_by": by, "language": language_for(review, review.store)},
    )
    if reply.status in (Reply.Status.SENT, Reply.Status.EXPORTED):
        raise NotNow("sent")
    if reply.text != text:
        reply.text, reply.edited_by, reply.edited_at = text, by, timezone.now()
        reply.status, reply.approved_by, reply.approved_at = Reply.Status.DRAFT, None, None
        reply.save()
    return reply


@transaction.atomic
def decide(*, review: Review, by: User, status: str) -> Reply:
    """approved, back to draft, or sent (by hand, in the shop). Raises NotNow for a step that isn't there."""
    reply = Reply.objects.select_for_update().filter(review=review).first()
    steps = {"approved": ("draft",), "draft": ("approved",), "sent": ("approved", "exported")}
    if reply is None or status not in steps or reply.status not in steps[status] or not reply.text:
        raise NotNow("step")
    reply.status = status
    if status == Reply.Status.APPROVED:
        reply.approved_by, reply.approved_at = by, timezone.now()
    elif status == Reply.Status.DRAFT:
        reply.approved_by = reply.approved_at = None
    reply.save()
    return reply


@transaction.atomic
def export(store: Store) -> Iterator[str]:
    """The approved replies as lines of a CSV that is safe to open in a spreadsheet; they are then exported."""
    rows = list(
        Reply.objects.select_for_update(of=("self",))
        .filter(store=store, status=Reply.Status.APPROVED)
        .select_related("review__product")
        .order_by("id")
    )
    Reply.objects.filter(pk__in=[r.pk for r in rows]).update(status=Reply.Status.EXPORTED, exported_at=timezone.now())
    return iter(_lines(rows))


def _lines(rows: list[Reply]) -> list[str]:
    lines = []
    head = ["source", "source_id", "product", "written_at", "rating", "language", "review", "reply"]
    for row in [
        head,
        *(
            [
                safe(r.review.source), safe(r.review.source_id),
                safe(r.review.product.title if r.review.product else r.review.product_ref),
                r.review.written_at.isoformat(), str(r.review.rating or ""), r.language, safe(words(r.review)), safe(r.text),
            ]
            for r in rows
        ),
    ]:  # fmt: skip
        buffer = io.StringIO()
        csv.writer(buffer).writerow(row)
        lines.append(buffer.getvalue())
    return lines
