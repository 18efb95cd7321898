"""Bulk orders: one brief over many products, a request each, written one after the other by one job.

The selection is fixed when the order is given. Nothing of a product is stored before all its texts are there, and a
request that is done is done: the job can be killed, cancelled and started again at any time.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from ecomai import jobs
from ecomai.models import Store, User
from ml.generator import GenerationCancelled, GenerationError
from products import briefs, catalogue_search, copywriting
from products.copy_prompts import Facts
from products.copywriting import Run
from products.models import AdAsset, CopyBatch, CopyBrief, CopyRequest, Product

MOST = 5000
FEW_FACTS = "few_facts"
LEAST_FACTS = 2
MEASURED = 50  # the newest requests that the pace is taken from
log = structlog.get_logger(__name__)
# What stops the whole order: a person, another worker, a lost database, a model that can't answer.
STOPS = (jobs.Cancelled, jobs.LeaseLost, *jobs.DATABASE_LOST, GenerationCancelled, GenerationError)


@dataclass(frozen=True)
class Estimate:
    """What an order would be: `texts` at most, `seconds` None where this store has measured nothing yet."""

    products: int
    texts: int
    seconds: float | None
    skipped: list[Product] = field(default_factory=list)
    lacking: Mapping[str, int] = field(default_factory=dict)

    @property
    def written(self) -> int:
        return self.products - len(self.skipped)

    @property
    def minutes(self) -> int | None:
        return None if self.seconds is None else max(1, round(self.seconds / 60))


def selected(store: Store, selection: Mapping) -> QuerySet[Product]:
    """The products of {"ids": […]} or {"query": "q=…&category=…"}, at most MOST."""
    if "ids" in selection:
        found = Product.objects.filter(store=store, pk__in=selection["ids"][:MOST])
    else:
        found = catalogue_search.find(store, catalogue_search.parse(QueryDict(selection.get("query", ""))))
    return (
        found.select_related("brand", "category")
        .defer("embedding", "description_raw", "description_html")
        .order_by("pk")[:MOST]
    )


def telling(facts: Facts) -> int:
    """How many facts say something of the product itself: attributes, options, and sentences of the description."""
    sentences = [part for part in facts.description.replace("。", ". ").split(". ") if len(part.strip()) >= 12]
    return len(facts.attributes) + len(facts.options) + min(3, len(sentences))


def pace(store: Store) -> float | None:
    """Seconds that a text took in the store's newest finished requests."""
    rows = CopyRequest.objects.filter(store=store, finished_at__isnull=False, seconds__gt=0, problem="")
    found = rows.order_by("-finished_at").values_list("seconds", "asked")[:MEASURED]
    texts = sum(sum(asked.values()) for _seconds, asked in found)
    return sum(seconds for seconds, _asked in found) / texts if texts else None


def estimate(store: Store, brief: CopyBrief, products: Sequence[Product]) -> Estimate:
    """How much an order would write, how long that takes, what is left out, and which angles how many products lack."""
    skipped, lacking = [], Counter()
    # Reviews are asked when a product's turn comes: here they would cost a query a product.
    demands = briefs.of(briefs.frozen(brief), brief.locale, praise=briefs.Praise(), voice={})
    for product in products:
        facts = copywriting.facts_of(product)
        if telling(facts) < LEAST_FACTS:
            skipped.append(product)
        else:
            lacking.update(angle for angle in demands.lacking(facts) if angle != "proof" or not brief.use_reviews)
    each = sum(copywriting.asked_for(store, brief.channels, brief.variants).values())
    texts, speed = each * (len(products) - len(skipped)), pace(store)
    return Estimate(len(products), texts, None if speed is None else texts * speed, skipped, dict(lacking))


def order(*, store: Store, brief: CopyBrief, selection: Mapping, by: User | None) -> CopyBatch:
    """Write down a bulk order with a request for every product of the selection. The same order given twice before it
    has begun to write is one order. Raises ValueError("empty") where nothing is selected.
    """
    settings = {**briefs.frozen(brief), **{name: getattr(brief, name) for name in briefs.ORDERED_FIELDS}}
    asked = copywriting.asked_for(store, brief.channels, brief.variants)
    with transaction.atomic():
        CopyBrief.objects.select_for_update().get(pk=brief.pk)
        same = CopyBatch.objects.filter(
            store=store, brief=brief, settings=settings, selection=selection, created_by=by, finished_at=None,
            job__status="queued",
        ).first()  # fmt: skip
        if same is not None:
            return same
        products = list(selected(store, selection))
        if not products:
            raise ValueError("empty")
        batch = CopyBatch.objects.create(
            store=store, brief=brief, settings=settings, selection=dict(selection), created_by=by
        )
        CopyRequest.objects.bulk_create(
            CopyRequest(
                store=store, batch=batch, product=product, brief=briefs.frozen(brief), channels=brief.channels,
                locale=brief.locale, tone=brief.tone, variants=brief.variants, asked=asked, created_by=by,
                problem=FEW_FACTS if telling(copywriting.facts_of(product)) < LEAST_FACTS else "",
            )
            for product in products
        )  # fmt: skip
    return batch


def reopen(batch: CopyBatch) -> bool:
    """Make an order that has ended ready for another job: what failed, or had too few facts, gets another chance.
    False where nothing is missing or a job is at work. Call it in the transaction that gives it the job."""
    locked = CopyBatch.objects.select_related("job").select_for_update(of=("self",)).get(pk=batch.pk)
    if locked.job is not None and locked.job.is_open:
        return False
    missing = locked.requests.filter(finished_at=None)
    products = {p.pk: p for p in selected(locked.store, {"ids": list(missing.values_list("product_id", flat=True))})}
    poor = [pk for pk, product in products.items() if telling(copywriting.facts_of(product)) < LEAST_FACTS]
    missing.filter(product_id__in=poor).update(problem=FEW_FACTS)
    if not missing.exclude(product_id__in=poor).update(problem=""):
        return False
    CopyBatch.objects.filter(pk=batch.pk).update(finished_at=None)
    return True


class _Step:
    """The part of a job's run that one product is: its candidates don't move the job's bar."""

    def __init__(self, run: Run, done: int, title: str) -> None:
        self.run, self.done, self.title = run, done, title

    def advance(self, done: int, *, total: int | None = None, message: str | None = None) -> None:
        self.run.advance(self.done, message=self.title)

    def check(self) -> None:
        self.run.check()

    @property
    def cancelled(self) -> bool:
        return self.run.cancelled


def work(batch: CopyBatch, run: Run, write: Callable[[CopyRequest, Run], None] = copywriting.write) -> None:
    """Write what is missing, product by product. A product that fails is written down and left behind."""
    waiting = list(batch.requests.filter(finished_at=None, problem="").order_by("pk").values_list("pk", flat=True))
    total = batch.requests.count()
    done = total - len(waiting)
    run.advance(done, total=total)
    for pk in waiting:
        request = CopyRequest.objects.select_related("product", "store").filter(pk=pk).first()
        if request is not None:  # the product may have been deleted meanwhile
            try:
                write(request, _Step(run, done, request.product.title))
            except STOPS:
                raise
            except Exception as error:
                log.exception("copy_request_failed", request=pk, batch=batch.pk)
                CopyRequest.objects.filter(pk=pk, finished_at=None).update(
                    problem=str(error)[:300] or type(error).__name__
                )
        done += 1
        run.advance(done)
    CopyBatch.objects.filter(pk=batch.pk).update(finished_at=timezone.now())


# --- what has become of it
STATES = ("waiting", "written", "nothing", "skipped", "failed")


def _is(state: str) -> Q:
    texts, done = Exists(AdAsset.objects.filter(request=OuterRef("pk"))), Q(finished_at__isnull=False)
    return {
        "waiting": Q(finished_at=None, problem=""), "skipped": Q(finished_at=None, problem=FEW_FACTS),
        "failed": Q(finished_at=None) & ~Q(problem__in=("", FEW_FACTS)), "written": done & texts, "nothing": done & ~texts,
    }[state]  # fmt: skip


def with_state(requests: QuerySet[CopyRequest], state: str = "") -> QuerySet[CopyRequest]:
    """The requests with the numbers of their texts (`texts`, `proposed`, `approved`), of one state or all."""
    if state in STATES:
        requests = requests.filter(_is(state))
    return requests.annotate(
        texts=Count("assets"), proposed=Count("assets", filter=Q(assets__status=AdAsset.Status.PROPOSED)),
        approved=Count("assets", filter=Q(assets__status=AdAsset.Status.APPROVED)),
    )  # fmt: skip


def state_of(request: CopyRequest) -> str:
    """The state of a row of `with_state`."""
    if request.finished_at is not None:
        return "written" if request.texts else "nothing"
    if request.problem:
        return "skipped" if request.problem == FEW_FACTS else "failed"
    return "waiting"


def counts(batch: CopyBatch) -> dict[str, int]:
    """State → how many products."""
    return batch.requests.aggregate(**{state: Count("pk", filter=_is(state)) for state in STATES})
