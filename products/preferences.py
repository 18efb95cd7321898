"""What a store's people and shoppers preferred, as pairs of texts for the same product, field and language.

Three sources, the stronger one wins where two contradict each other: an experiment's winner over what it beat, a person's
edit over the machine's text it replaced, an approved text over a rejected one or over a candidate that broke a gate. Pairs
are computed from the rows each time; a snapshot keeps what a training saw. They name products, texts and rows, no people.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext_lazy

from ecomai.lib import html
from ecomai.models import Store
from ml import ab_stats
from products import claims
from products.channels import HOUSE_LIMITS, Limit, limits
from products.copy_dataset import part_of
from products.copy_gates import judge
from products.copy_prompts import Facts, Order
from products.copywriting import about, facts_known, facts_of, facts_read, others_of
from products.experiment_checks import LISTING
from products.experiment_results import newest
from products.models import AdAsset, AssetRevision, CopyRequest, Experiment, Product, PublishedText
from products.publishing import first_locale

EXPERIMENT, EDIT, APPROVAL = "experiment", "edit_over_machine", "approved_over_rejected"
STRENGTH = {APPROVAL: 1, EDIT: 2, EXPERIMENT: 3}
SOURCES = {
    EXPERIMENT: gettext_lazy("Experiment's winner"), EDIT: gettext_lazy("A person's edit"),
    APPROVAL: gettext_lazy("Approved over rejected"),
}  # fmt: skip
LEAST = 20  # pairs of the training part that DPO wants (ml/engines/causal_dpo.py)
MOST_RIVALS = 2  # approved texts that one rejected text is paired with, gate-broken ones a field and request
LONGEST = 1000  # characters of a text that the model could learn
CUT = 200  # examples of what a gate threw away are kept up to here
# Reasons that say nothing against the text itself, or against all of it.
UNTOLD = frozenset({"unfinished", "duplicate", "unsure"})


@dataclass(frozen=True)
class Pair:
    """`chosen` was preferred to `rejected` for the same facts and order. `weight` in (0, 1]: how sure it is (an
    experiment's chance to win), or its share where one decision makes several pairs. `reason`: the gate that the rejected
    text breaks, "" for none. `ids`: the rows that it comes from."""

    product: int
    order: Order
    facts: Facts
    chosen: str
    rejected: str
    source: str
    weight: float
    at: datetime
    ids: Mapping[str, int]
    reason: str = ""

    @property
    def place(self) -> tuple[int, str, str]:
        """Product, field and language: what both texts are for."""
        return self.product, self.order.field, self.order.locale

    @property
    def strength(self) -> tuple[int, datetime, float]:
        """Order in which contradictions are decided: source, then the newest, then the surest."""
        return STRENGTH[self.source], self.at, self.weight


def normal(text: str) -> str:
    """The form in which texts are compared: composed alike, blanks alike. Case and punctuation count: people edit them."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def of_store(store: Store) -> list[Pair]:
    """The pairs of a store, without duplicates and contradictions; in the order of product, field, language, time."""
    bounds = dict(limits(store))
    gate = _Gate(store, bounds)
    found = [*_approvals(store, gate), *_edits(store, gate), *_experiments(store, gate)]
    return sorted(settle(found), key=lambda p: (p.place, p.at, p.chosen, p.rejected))


def settle(pairs: Iterable[Pair]) -> list[Pair]:
    """One pair for each two texts of a place: the strongest; none where both texts are the same or one is empty."""
    best: dict[tuple, Pair] = {}
    for pair in pairs:
        chosen, rejected = normal(pair.chosen), normal(pair.rejected)
        if not chosen or not rejected or chosen == rejected:
            continue
        if max(len(chosen), len(rejected)) > LONGEST:
            continue
        key = (pair.place, frozenset((chosen, rejected)))
        if key not in best or pair.strength > best[key].strength:
            best[key] = replace(pair, chosen=chosen, rejected=rejected)
    return list(best.values())


def counts(store: Store, pairs: Iterable[Pair]) -> dict[str, Counter]:
    """{"source" | "part" | "field" | "language" | "reason": how many pairs of each}."""
    told: dict[str, Counter] = {name: Counter() for name in ("source", "part", "field", "language", "reason")}
    for pair in pairs:
        told["source"][pair.source] += 1
        told["part"][part_of(store, pair.product)] += 1
        told["field"][pair.order.field] += 1
        told["language"][pair.order.locale] += 1
        if pair.reason:
            told["reason"][pair.reason] += 1
    return told


def for_ranking(store: Store | None) -> dict[str, list[dict]]:
    """{"train", "valid", "test"} rows {"id", "language", "about", "pairs": [{"chosen", "rejected", "limit", "source",
    "weight"}, …]}, a product and language each, for the model that ranks. Without a store there is nothing."""
    parts: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    rows: dict[tuple[int, str, str], dict] = {}
    for pair in of_store(store) if store else ():
        key = (pair.product, pair.order.locale, about(pair.facts))
        if key not in rows:
            rows[key] = {"id": f"p{pair.product}", "language": pair.order.locale, "about": key[2], "pairs": []}
            parts[part_of(store, pair.product)].append(rows[key])
        rows[key]["pairs"].append({
            "chosen": pair.chosen, "rejected": pair.rejected, "limit": pair.order.limit, "source": pair.source,
            "weight": round(pair.weight, 4),
        })  # fmt: skip
    return parts


def new_pairs(store: Store, since: datetime | None = None) -> int:
    """How many pairs rest on something that happened after that time (in all for None)."""
    return sum(since is None or pair.at > since for pair in of_store(store))


class _Gate:
    """Names of what a text breaks, with the books of facts kept while a store's pairs are read."""

    def __init__(self, store: Store, bounds: Mapping[str, Limit]):
        self._bounds, self._others = bounds, others_of(store)
        self._books: dict[str, claims.FactBook] = {}

    def broken(self, text: str, field: str, locale: str, facts: Facts) -> str:
        """The first rule that the text breaks or the kind of claim that no fact holds; "" for a sound text."""
        limit = self._bounds.get(field)
        if limit is None:
            return ""
        key = repr(facts)
        if key not in self._books:
            self._books[key] = claims.FactBook(facts, self._others)
        rules, checked = judge(text, limit, locale, facts, self._books[key])
        return rules[0] if rules else f"claim_{checked.unsupported[0].kind}" if checked.unsupported else ""


def order_of(asset: AdAsset) -> Order:
    """The order that a text was written to, as training renders it."""
    return Order(asset.field, asset.locale, asset.tone, asset.angle, HOUSE_LIMITS.get(asset.field, len(asset.text)))


def _assets(store: Store):
    return AdAsset.objects.filter(store=store).select_related("product__brand", "product__category", "request")


def _approvals(store: Store, gate: _Gate) -> Iterator[Pair]:
    """Approved texts over rejected ones of the same place, and over what the gates threw out of the same request."""
    approved: dict[tuple, list[AdAsset]] = defaultdict(list)
    for asset in _assets(store).filter(status=AdAsset.Status.APPROVED).exclude(text="").order_by("pk"):
        approved[asset.product_id, asset.field, asset.locale].append(asset)
    for loser in _assets(store).filter(status=AdAsset.Status.REJECTED).exclude(text="").order_by("pk"):
        # Those that answered the same order say most.
        rivals = sorted(
            approved[loser.product_id, loser.field, loser.locale],
            key=lambda a: (a.request_id != loser.request_id, a.angle != loser.angle, a.tone != loser.tone, -a.pk),
        )[:MOST_RIVALS]
        for asset in rivals:
            yield Pair(
                asset.product_id, order_of(asset), facts_read(asset), asset.text, loser.text, APPROVAL, 1 / len(rivals),
                max(_when(asset), _when(loser)), {"asset": asset.pk, "over_asset": loser.pk},
                gate.broken(loser.text, loser.field, loser.locale, facts_known(loser)),
            )  # fmt: skip
    yield from _thrown(approved)


def _thrown(approved: Mapping[tuple, list[AdAsset]]) -> Iterator[Pair]:
    newest_of: dict[tuple[int, str], AdAsset] = {}
    for assets in approved.values():
        for asset in assets:
            newest_of[asset.request_id, asset.field] = asset
    for (request, field), asset in sorted(newest_of.items(), key=lambda item: item[0]):
        thrown = _examples(asset.request, field)[:MOST_RIVALS]
        for reason, text in thrown:
            yield Pair(
                asset.product_id, order_of(asset), facts_read(asset), asset.text, text, APPROVAL, 1 / len(thrown),
                _when(asset), {"asset": asset.pk, "over_request": request}, reason,
            )  # fmt: skip


def _examples(request: CopyRequest, field: str) -> list[tuple[str, str]]:
    """(reason, whole text) of what was thrown away of a field: one of each reason before a second one of any."""
    found = [
        (turn, reason, example["text"])
        for reason, told in sorted(request.thrown_away.get(field, {}).items())
        for turn, example in enumerate(told.get("examples", ()))
        if reason not in UNTOLD and example.get("text") and len(example["text"]) < CUT
    ]
    return [(reason, text) for _turn, reason, text in sorted(found, key=lambda row: row[:2])]


def _when(asset: AdAsset) -> datetime:
    return asset.decided_at or asset.edited_at or asset.written_at


def _edits(store: Store, gate: _Gate) -> Iterator[Pair]:
    """A person's text that still stands, over the last text of the machine's before it."""
    replaced: dict[int, str] = {}
    machine = AssetRevision.objects.filter(store=store, origin=AdAsset.Origin.MACHINE)
    for asset, text in machine.order_by("replaced_at", "pk").values_list("asset_id", "text"):
        replaced[asset] = text
    edited = _assets(store).filter(origin=AdAsset.Origin.HUMAN).exclude(status=AdAsset.Status.REJECTED)
    for asset in edited.order_by("pk"):
        before = replaced.get(asset.pk, asset.machine_text)
        yield Pair(
            asset.product_id, order_of(asset), facts_read(asset), asset.text, before, EDIT, 1.0,
            asset.edited_at or asset.written_at, {"asset": asset.pk},
            gate.broken(before, asset.field, asset.locale, facts_known(asset)) if before else "",
        )  # fmt: skip


def _experiments(store: Store, gate: _Gate) -> Iterator[Pair]:
    """The texts of a winner over those that it beat, as sure as its chance to win."""
    finished = Experiment.objects.filter(store=store, status=Experiment.Status.FINISHED).order_by("pk")
    texts = (
        "product__brand",
        "product__category",
        "asset__request",
        "asset__product__brand",
        "asset__product__category",
    )
    for experiment in finished.prefetch_related(*(f"arms__texts__{name}" for name in texts)):
        look = newest(experiment)
        arms = sorted(experiment.arms.all(), key=lambda arm: arm.position)
        at = look.data["verdict"]["winner"] if look and look.status == ab_stats.WINNER else None
        # A person who chose another one knew something that the numbers didn't: nothing is learned then.
        if at is None or experiment.winner_id not in (None, arms[at].pk):
            continue
        verdict, best = look.data["verdict"], arms[at]
        won = next((c["chance_to_win"] for c in verdict["comparisons"] if c["arm"] == at), None)
        over_all = (verdict["probability_best"] or [0.0] * len(arms))[at] or None
        control = _control(experiment, store)
        for winner in sorted(best.texts.all(), key=lambda t: t.pk):
            order, facts = _read(winner)
            for number, arm in enumerate(arms):
                # Against another variant the look holds no comparison of its own: it beat them all with that chance.
                weight = won if number == 0 else over_all
                if arm.pk == best.pk or not weight:
                    continue
                same = (t for t in arm.texts.all() if _place(t) == _place(winner))
                lost = next((t.text for t in same), None) or control(winner)
                plain = html.plain(lost) if winner.field == "description" else lost
                text = html.plain(winner.text) if winner.field == "description" else winner.text
                yield Pair(
                    winner.product_id, order, facts, text, plain, EXPERIMENT, float(weight),
                    experiment.ended_at or look.at,
                    {"experiment": experiment.pk, "arm": best.pk, "over_arm": arm.pk},
                    gate.broken(plain, order.field, order.locale, facts),
                )  # fmt: skip


def _place(text) -> tuple[int, str, str]:
    return text.product_id, text.field, text.locale


def _read(text) -> tuple[Order, Facts]:
    """The order and facts behind a variant's text: the asset's, else those of a plain order for that field."""
    if text.asset is not None and text.asset.product_id == text.product_id:
        return order_of(text.asset), facts_read(text.asset)
    field = LISTING[text.field].asset if text.field in LISTING else text.field
    limit = HOUSE_LIMITS.get(field, len(text.text))
    return Order(field, text.locale, "neutral", "feature", limit), facts_of(text.product)


def _control(experiment: Experiment, store: Store):
    """What visitors of the control saw: what stood there before the winner was published, else what stands there."""
    before = {
        _place(row): row.before
        for row in PublishedText.objects.filter(experiment=experiment, undone_at=None).order_by("-at")
    }

    def told(text) -> str:
        if _place(text) in before:
            return before[_place(text)]
        if text.field in LISTING and text.locale == first_locale(store):
            product: Product = text.product
            return str(getattr(product, LISTING[text.field].column))
        stands = PublishedText.objects.filter(
            product_id=text.product_id, field=text.field, locale=text.locale, undone_at=None, replaced_at=None
        ).first()
        return stands.text if stands else ""

    return told
