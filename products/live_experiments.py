"""The running experiments of a store as every product page needs them: kept in the process for five seconds."""

import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from products.models import Experiment, ExperimentSettings

KEEP = 5.0  # seconds that a change, a pause or a bandit's new share may take to be seen
BLOCK = 256  # products whose texts are fetched together: a test of many is soon known whole
MOST_EMPTY = 100_000  # blocks without texts that a process remembers
MOST_BYTES = 64_000_000  # of the texts that a process keeps, of all stores together: 180,000 titles

# locale → field → arm id → text
Texts = Mapping[str, Mapping[str, Mapping[int, str]]]


@dataclass(frozen=True)
class LiveArm:
    id: int
    name: str
    is_control: bool
    weight: float


@dataclass(frozen=True)
class LiveExperiment:
    """A running experiment on visitors, as it is now."""

    id: int
    version: int
    salt: str
    traffic: float
    group_salt: str
    group_from: float
    group_to: float
    locales: tuple[str, ...]
    segments: tuple[tuple[str, frozenset[str]], ...]
    arms: tuple[LiveArm, ...]

    def arm(self, pk: int) -> LiveArm | None:
        return next((arm for arm in self.arms if arm.id == pk), None)


@dataclass(frozen=True)
class Live:
    """What a store tries now, oldest first, and the salt that its visitors' ids are hashed with."""

    store_id: int
    visitor_salt: str
    holdout: float
    experiments: tuple[LiveExperiment, ...]

    def texts(self, product_id: int) -> Mapping[int, Texts]:
        """Experiment id → the texts that its arms have for a product; experiments without any are left out."""
        block = product_id // BLOCK
        rows, missing = {}, []
        for e in self.experiments:
            key = (e.id, e.version, block)
            known = _texts.get(key)
            if known is not None:
                rows[e.id] = known[1]
            elif key not in _empty:
                missing.append(e)
        if missing:
            rows |= _fetch(missing, block)
        found: dict[int, dict[str, dict[str, dict[int, str]]]] = {}
        for experiment, by_product in rows.items():
            for arm, locale, name, text in by_product.get(product_id, ()):
                found.setdefault(experiment, {}).setdefault(locale, {}).setdefault(name, {})[arm] = text
        return found


# (experiment, version, block of products) → bytes, product → rows (arm, locale, field, text); rows take a quarter of what
# mappings do, and tuples of words are nothing that is looked through for garbage. Beside the looks, so that what one
# experiment does costs no other one its texts. Oldest first.
_Block = dict[int, tuple[tuple[int, str, str, str], ...]]
_texts: dict[tuple[int, int, int], tuple[int, _Block]] = {}
_bytes = 0
_empty: set[tuple[int, int, int]] = set()  # apart: who asks for numbers that no product has throws no text away


def _fetch(experiments: list[LiveExperiment], block: int) -> dict[int, _Block]:
    """The texts of experiments for a block of products, kept from now on. Experiment id → product → rows."""
    rows: dict[int, dict[int, list[tuple]]] = {e.id: {} for e in experiments}
    sizes = dict.fromkeys(rows, 0)
    for product, experiment, arm, locale, name, text in connection.rows(  # written out: it runs for many products
        "SELECT t.product_id, a.experiment_id, t.arm_id, t.locale, t.field, t.text FROM products_armtext t"
        " JOIN products_arm a ON a.id = t.arm_id"
        " WHERE t.product_id >= %s AND t.product_id < %s AND a.experiment_id = ANY(%s)",
        [block * BLOCK, (block + 1) * BLOCK, list(rows)],
    ):
        rows[experiment].setdefault(product, []).append((arm, sys.intern(locale), sys.intern(name), text))
        sizes[experiment] += sys.getsizeof(text) + 250  # and what a row takes beside its text
    found = {e: {product: tuple(texts) for product, texts in known.items()} for e, known in rows.items()}
    with _keeping:
        for e in experiments:
            if found[e.id]:
                _keep((e.id, e.version, block), sizes[e.id], found[e.id])
        if len(_empty) > MOST_EMPTY:
            _empty.clear()
        _empty.update((e.id, e.version, block) for e in experiments if not found[e.id])
    return found


def _keep(key: tuple[int, int, int], size: int, block: _Block) -> None:
    """Throws the oldest away until there is room. To throw away everything would have it all fetched again at once, over
    and over where the texts asked for take a little more than there is room for."""
    global _bytes
    _bytes -= _texts.pop(key, (0, {}))[0]
    while _texts and _bytes + size > MOST_BYTES:
        oldest = next(iter(_texts))
        _bytes -= _texts.pop(oldest)[0]
    _texts[key] = size, block
    _bytes += size


_keeping = threading.Lock()
_kept: dict[int, tuple[float, Live]] = {}
_loading = threading.Lock()


def live(store_id: int) -> Live:
    """The store's running experiments on visitors, at most KEEP seconds old.

    While one thread looks again the others go on with what they have.
    """
    kept = _kept.get(store_id)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    if not _loading.acquire(blocking=kept is None):
        return kept[1]  # type: ignore[index]
    try:
        again = _kept.get(store_id)
        if again and again is not kept and again[0] > time.monotonic():
            return again[1]
        found = _load(store_id)
        _kept[store_id] = (time.monotonic() + KEEP, found)
        return found
    finally:
        _loading.release()


def forget(store_id: int) -> None:
    """Look again at the next call."""
    _kept.pop(store_id, None)


def _load(store_id: int) -> Live:
    settings, _made = ExperimentSettings.objects.get_or_create(store_id=store_id)
    rows = Experiment.objects.running().filter(store_id=store_id, unit=Experiment.Unit.VISITOR)
    return Live(
        store_id,
        settings.salt,
        settings.holdout,
        tuple(
            LiveExperiment(
                id=row.pk,
                version=row.version,
                salt=row.salt,
                traffic=row.traffic,
                group_salt=row.group.salt if row.group else "",
                group_from=row.group_from,
                group_to=row.group_to,
                locales=tuple(code.lower() for code in row.locales),
                segments=tuple(sorted((name, frozenset(map(str, values))) for name, values in row.segments.items())),
                arms=tuple(LiveArm(a.pk, a.name, a.is_control, a.weight) for a in row.arms.all()),
            )
            for row in rows.select_related("group").prefetch_related("arms").order_by("pk")
        ),
    )
