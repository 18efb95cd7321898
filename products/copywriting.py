"""From a product to ad copy: plan, write candidates, throw away what breaks a rule or states what no fact holds, rank.

No template is ever passed off as the model's text: where too few candidates survive, there are fewer assets and the
request says why.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol

import numpy as np
from django.db import transaction
from django.utils import timezone

from ecomai.lib.money import plain as plain_money
from ecomai.models import Store, User
from ml import encoder, generator, ranker
from ml.generator import Generation, Prompt, SamplingOptions
from products import brand_voice, briefs, claims, copy_dataset
from products.briefs import Brief
from products.channels import Limit, limits
from products.copy_gates import Draft, Sifted, choose, judge, relation, sift
from products.copy_prompts import Facts, Order, prefix, suffix
from products.models import AdAsset, Brand, CopyBrief, CopyRequest, Product
from products.praise import Praise, praise

__all__ = [
    "Sifted", "angles_for", "brief_of", "choose", "facts_known", "facts_of", "facts_read", "judge", "others_of", "request_copy", "sift", "write",
    "write_fields",
]  # fmt: skip

ROUNDS = 3
OVERSAMPLE = 3  # candidates per wanted text and angle in a round
MOST_FIT = 2.0  # of the ranker's log-odds in the choice: more than closeness to the facts, less than all
TIME_LIMIT = 150.0  # seconds after which no further round begins


class Run(Protocol):
    """What the room needs of a job: progress and cancellation (`ecomai.jobs.Run`)."""

    def advance(self, done: int, *, total: int | None = None, message: str | None = None) -> None: ...

    def check(self) -> None: ...

    @property
    def cancelled(self) -> bool: ...


def facts_of(product: Product) -> Facts:
    """The facts of a product, as the model and the gate see them."""
    options = {o["name"]: o["values"] for o in product.options if o["values"]}
    price = plain_money(product.price_min, product.currency) if product.price_min is not None else ""
    compare = plain_money(product.compare_at_max, product.currency) if product.compare_at_max is not None else ""
    return Facts(
        title=product.title,
        brand=product.brand.name if product.brand else "",
        category=product.category.path if product.category else product.product_type,
        price=price,
        compare_at_price=compare if product.price_min == product.price_max else "",
        description=" ".join(product.description_text.split()),
        attributes={name: str(value) for name, value in product.attributes.items()},
        options=options,
    )


def others_of(store: Store) -> frozenset[str]:
    """Names that only another product may bear: the store's brands, and those that the model met in training."""
    return copy_dataset.brands() | frozenset(Brand.objects.filter(store=store).values_list("name", flat=True)[:2000])


def angles_for(facts: Facts) -> list[str]:
    """The angles that the facts can carry, in the model's words, the most fruitful first."""
    return [angle for _label, angle in Brief().orders(facts)]


def asked_for(store: Store, channels: Collection[str], variants: int) -> dict[str, int]:
    """Field → how many texts, for every field of the channels: as many as a list takes, and where a channel shows one text
    alone there are as many to choose from, or to test against each other."""
    return {
        key: min(variants, limit.most) if limit.most > 1 else variants
        for key, limit in limits(store).items()
        if limit.channel in channels
    }


def request_copy(
    *, store: Store, product: Product, channels: list[str], locale: str, tone: str, variants: int, by: User | None,
    brief: CopyBrief | None = None,
) -> CopyRequest:  # fmt: skip
    """Write down an order; the door gives it a job. Of a brief only its demands count, as they are now."""
    return CopyRequest.objects.create(
        store=store, product=product, channels=channels, locale=locale, tone=tone, variants=variants,
        asked=asked_for(store, channels, variants), brief=briefs.frozen(brief) if brief else {}, created_by=by,
    )  # fmt: skip


def brief_of(request: CopyRequest) -> Brief:
    """What a request asks for, with the reviews and the shop's voice of today."""
    voice = brand_voice.current(request.store, request.locale) if request.brief.get("use_voice", True) else {}
    return briefs.of(request.brief, request.locale, praise=praise(request.product), voice=voice)


def _brief_read(asset: AdAsset) -> Brief:
    request = asset.request
    told = Praise.from_json(request.brief.get("praise", {}))
    return briefs.of(request.brief, request.locale, praise=told, voice={})


def facts_read(asset: AdAsset) -> Facts:
    """The facts that the model read for a text: the product's of today, with the brief and the praise of that day."""
    return _brief_read(asset).shown(facts_of(asset.product), asset.angle)


def facts_known(asset: AdAsset) -> Facts:
    """What a text may state: the product's facts of today, and the praise of that day."""
    return _brief_read(asset).known(facts_of(asset.product))


def _orders(
    limit: Limit, wanted: int, locale: str, tone: str, angles: list[tuple[str, str]], round_number: int
) -> list[tuple[str, Order]]:
    """(angle of the brief, order) for one angle after the other; later rounds begin with other angles."""
    turned = angles[round_number % len(angles) :] + angles[: round_number % len(angles)]
    return [
        (label, Order(limit.key, locale, tone, angle, limit.aim))
        for label, angle in turned[: max(2, min(len(turned), wanted + 1))]
    ]


Generate = Callable[[list[Prompt], int, SamplingOptions], Generation]


def write_fields(
    facts: Facts, wanted: dict[str, int], bounds: dict[str, Limit], *, locale: str, tone: str, generate: Generate,
    seed: int | None = None, progress: Callable[[int, str], None] = lambda done, message: None, rounds: int = ROUNDS,
    others: Collection[str] = (), brief: Brief = Brief(),
) -> tuple[dict[str, Sifted], Generation | None]:  # fmt: skip
    """Candidates for every field, sifted; further rounds for the fields that lack survivors.

    `facts` are the product's; what the brief adds to them is added here. `others`: brand names that no text of this
    product may bear.
    """
    angles, wishes = brief.orders(facts), brief.wishes(facts)
    starts = {label: prefix(brief.shown(facts, label)) for label, _angle in angles}
    facts = brief.known(facts)
    book, related = claims.FactBook(facts, others), relation(facts, locale)
    sifted: dict[str, Sifted] = defaultdict(Sifted)
    last: Generation | None = None
    started = time.monotonic()
    for number in range(rounds):
        lacking = {key: n for key, n in wanted.items() if len(sifted[key].drafts) < n}
        if not lacking or (number and time.monotonic() - started > TIME_LIMIT):
            break
        # Short fields and long ones apart: a batch runs as long as its longest text.
        for budget in (48, 110, 220):
            orders = [
                order
                for key, n in lacking.items()
                if _tokens(bounds[key]) == budget
                for order in _orders(bounds[key], n, locale, tone, angles, number)
            ]
            if not orders:
                continue
            prompts = [Prompt(starts[label], suffix(order)) for label, order in orders]
            options = SamplingOptions(
                max_new_tokens=budget, temperature=0.7 + 0.1 * number, top_p=0.92, top_k=40, repetition_penalty=1.0,
                seed=None if seed is None else seed + number,
            )  # fmt: skip
            last = generate(prompts, OVERSAMPLE, options)
            for (label, order), row in zip(orders, last.candidates, strict=True):
                finished = [(c.text, c.logprob, label) for c in row if c.finish == "stop"]
                for cut in row:
                    if cut.finish != "stop":
                        sifted[order.field].seen += 1
                        sifted[order.field].throw("unfinished", cut.text)
                sift(finished, bounds[order.field], locale, facts, book, sifted[order.field], related, wishes)
            progress(sum(s.seen for s in sifted.values()), order.field)
    return dict(sifted), last


def _tokens(limit: Limit) -> int:
    return 48 if limit.aim <= 75 else 110 if limit.aim <= 260 else 220


def write(request: CopyRequest, run: Run) -> None:
    """Write the assets of a request. Run again after a kill it starts over: nothing was stored before the end."""
    if request.finished_at is not None:
        return
    started = time.monotonic()
    facts = facts_of(Product.objects.select_related("brand", "category").get(pk=request.product_id))
    brief = brief_of(request)
    bounds = dict(limits(request.store))
    expected = sum(max(2, n + 1) * OVERSAMPLE for n in request.asked.values())

    def generate(prompts: list[Prompt], n: int, options: SamplingOptions) -> Generation:
        return generator.generate(
            prompts, capability="copy", store_id=request.store_id, n=n, options=options, cancelled=lambda: run.cancelled
        )

    def progress(done: int, message: str) -> None:
        run.advance(min(done, expected), total=expected, message=message)

    run.advance(0, total=expected)
    try:
        sifted, last = write_fields(
            facts, request.asked, bounds, locale=request.locale, tone=request.tone, generate=generate,
            progress=progress, others=others_of(request.store), seed=request.pk * ROUNDS,
            brief=brief,
        )  # fmt: skip
    except generator.GenerationCancelled:
        run.check()
        raise
    assets = []
    for key, count in request.asked.items():
        drafts, scores = ranked(request.store_id, brief.known(facts), sifted[key].drafts, bounds[key])
        vectors = encoder.embed([d.text for d in drafts]) if len(drafts) > count else None
        for position, draft in enumerate(choose(drafts, count, vectors), 1):
            told = scores.get(draft.text, {})
            assets.append(asset_of(request, key, position, draft, last, brief.shown(facts, draft.angle), told))
    run.check()
    with transaction.atomic():
        locked = CopyRequest.objects.select_for_update().get(pk=request.pk)
        if locked.finished_at is not None:
            return
        AdAsset.objects.bulk_create(assets)
        CopyRequest.objects.filter(pk=request.pk).update(
            thrown_away={key: s.thrown for key, s in sifted.items() if s.thrown},
            candidates=sum(s.seen for s in sifted.values()),
            seconds=round(time.monotonic() - started, 1),
            brief={**request.brief, "praise": brief.praise.as_json(), "voiced": bool(brief.voice)},
            problem="",
            finished_at=timezone.now(),
        )
    run.advance(expected, total=expected)


def about(facts: Facts) -> str:
    """What the encoder reads of a product, in one line: in training the ranker and in using it."""
    parts = [facts.title, facts.brand, facts.category, facts.description[:300]]
    parts += [f"{name} {value}" for name, value in facts.attributes.items()]
    return " ".join(filter(None, parts))


def ranked(store: int, facts: Facts, drafts: list[Draft], limit: Limit) -> tuple[list[Draft], dict[str, dict]]:
    """The drafts with what the store's ranker thinks of them added to their fit, and for each text {"version", "label",
    "score"} for its provenance. Without a live ranker they stay as they are."""
    found = ranker.live(store) if drafts else None
    if found is None:
        return drafts, {}
    version, model = found
    scores = model.scores(about(facts), [d.text for d in drafts], [limit.aim] * len(drafts))
    # Log-odds against the mean of the candidates; one that is far off doesn't outweigh everything else.
    fits = np.clip(scores - scores.mean(), -MOST_FIT, MOST_FIT)
    told = {
        draft.text: {"version": version.pk, "label": version.label, "score": round(float(score), 4)}
        for draft, score in zip(drafts, scores, strict=True)
    }
    return [replace(d, fit=d.fit + float(fit)) for d, fit in zip(drafts, fits, strict=True)], told


def asset_of(
    request: CopyRequest,
    key: str,
    position: int,
    draft: Draft,
    made: Generation,
    facts: Facts,
    ranking: dict | None = None,
) -> AdAsset:
    """The row of a draft, not saved; `facts` as the model read them, `ranking` as `ranked` told it."""
    source = f"{prefix(facts)}{suffix(Order(key, request.locale, request.tone, draft.angle, 0))}"
    return AdAsset(
        store_id=request.store_id, request=request, product_id=request.product_id, field=key, locale=request.locale,
        tone=request.tone, angle=draft.angle, position=position, text=draft.text, machine_text=draft.text,
        facts=spans_json(draft.spans), model_version_id=made.model.version_id, model_label=made.model.label,
        inputs_hash=hashlib.sha256(source.encode()).hexdigest(), ranking=ranking or {},
    )  # fmt: skip


def spans_json(spans: list[claims.Span]) -> list[dict]:
    """Supported spans as they are kept beside a text."""
    return [{"start": s.start, "end": s.end, "name": s.fact, "value": s.value[:160], "kind": s.kind} for s in spans]
