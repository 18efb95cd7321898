"""Small makers of experiments and of what their visitors did."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from products import experiments
from products.models import Arm, Assignment, Event, Experiment, Product
from tests.factories import make_product

START = datetime(2026, 11, 2, 8, tzinfo=UTC)


def draft(store, *, product: Product | None = None, text: str = "Hand-thrown stoneware mug", **fields) -> Experiment:
    """A draft with a control and a variant B that changes a product's title."""
    product = product or make_product(store)
    name = fields.pop("name", "Mug titles")
    experiment = experiments.create(store=store, by=None, name=name, **fields)
    b = experiment.arms.get(name="B")
    experiments.set_text(arm=b, product=product, field="title", locale="en", text=text, by=None)
    return experiment


def running(store, *, now: datetime = START, **fields) -> Experiment:
    return experiments.start(experiment=draft(store, **fields), by=None, now=now)


def arm(experiment: Experiment, name: str) -> Arm:
    return experiment.arms.get(is_control=True) if name == "A" else experiment.arms.get(name=name)


def visitors(
    of: Arm, n: int, converted: int = 0, *, at: datetime = START, step: timedelta = timedelta(0), after=timedelta(hours=1),
    kind: str = "purchase", value: str | None = "20", product: Product | None = None, locale: str = "en", segment=None,
    **event,
) -> list[uuid.UUID]:  # fmt: skip
    """`n` visitors of an arm, `step` apart; the first `converted` of them do something `after` they came."""
    product = product or Product.objects.filter(arm_texts__arm__experiment=of.experiment_id).first()
    ids = [uuid.uuid4() for _ in range(n)]
    Assignment.objects.bulk_create(
        Assignment(store_id=of.store_id, experiment_id=of.experiment_id, visitor=v, arm=of, at=at + i * step, locale=locale,
                   segment=segment or {})
        for i, v in enumerate(ids)
    )  # fmt: skip
    events(of.store, ids[:converted], product=product, at=at + after, step=step, kind=kind, value=value, **event)
    return ids


def events(store, ids, *, product=None, at=START, step=timedelta(0), kind="purchase", value="20", **more) -> None:
    """One event of each visitor."""
    Event.objects.bulk_create(
        Event(store=store, client_id=uuid.uuid4(), visitor=v, kind=kind, product=product, at=at + i * step,
              received_at=at + i * step, value=Decimal(value) if value else None, **more)
        for i, v in enumerate(ids)
    )  # fmt: skip
