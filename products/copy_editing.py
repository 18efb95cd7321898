"""What people do with an asset: edit, have it written again, approve or reject, use it in the listing.

Every text that is replaced is kept (`asset_history`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from ecomai.models import Store, User
from ml import generator
from ml.generator import Generation, Prompt, SamplingOptions
from products import claims
from products.asset_history import keep
from products.channels import limits
from products.copy_gates import ALIKE, Objection, choose, judge, objections, overlap
from products.copywriting import asset_of, brief_of, facts_of, others_of, ranked, spans_json, write_fields
from products.models import AdAsset, AssetRevision, Product, ProductChange

MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class Verdict:
    """What rules, facts, brief and reviews say of a text: `broken` are names of editorial rules."""

    broken: list[str]
    checked: claims.Check
    objections: list[Objection]


def judge_edit(asset: AdAsset, text: str) -> Verdict:
    """The verdict on another text for an asset."""
    brief, own = brief_of(asset.request), facts_of(asset.product)
    facts = brief.known(own)
    book = claims.FactBook(facts, others_of(asset.store))
    broken, checked = judge(text, limits(asset.store)[asset.field], asset.locale, facts, book)
    return Verdict(broken, checked, objections(text, brief.wishes(own), facts, checked.supported))


def edit(asset: AdAsset, text: str, by: User, *, may_approve: bool = False) -> Verdict:
    """Replace the text by a person's; the machine's stays beside it, the one before in the history. The rules warn,
    they don't forbid. An approved text waits again unless its editor may approve.

    Raises ValueError when the text is empty or over the channel's limit.
    """
    text = " ".join(text.split())
    verdict = judge_edit(asset, text)
    for rule in ("empty", "too_long"):
        if rule in verdict.broken:
            raise ValueError(rule)
    spans = spans_json(verdict.checked.supported)
    with transaction.atomic():
        now = AdAsset.objects.select_for_update().get(pk=asset.pk)
        if now.text != text:
            keep(now, by)
            now.text, now.origin, now.edited_by, now.edited_at = text, AdAsset.Origin.HUMAN, by, timezone.now()
            if now.status == AdAsset.Status.APPROVED and not may_approve:
                now.status = AdAsset.Status.PROPOSED
        now.facts = spans
        now.save(update_fields=["text", "origin", "edited_by", "edited_at", "facts", "status"])
    asset.refresh_from_db(fields=["text", "origin", "edited_by", "edited_at", "facts", "status"])
    return verdict


def put_back(revision: AssetRevision, by: User, *, may_approve: bool = False) -> AdAsset:
    """Bring an earlier text back, with its own provenance; the present one is kept."""
    with transaction.atomic():
        now = AdAsset.objects.select_related("product", "store", "request").select_for_update(of=("self",))
        asset = now.get(pk=revision.asset_id)
        if asset.text == revision.text:
            return asset
        spans = spans_json(judge_edit(asset, revision.text).checked.supported)
        keep(asset, by)
        asset.text, asset.origin, asset.facts = revision.text, revision.origin, spans
        asset.model_label = revision.model_label or asset.model_label
        asset.edited_by, asset.edited_at = by, timezone.now()
        if asset.status == AdAsset.Status.APPROVED and not may_approve:
            asset.status = AdAsset.Status.PROPOSED
        asset.save()
    return asset


def decide(asset: AdAsset, status: str, by: User, reason: str = "") -> None:
    """Approve or reject. Raises ValueError for another status."""
    if status not in AdAsset.Status.values:
        raise ValueError(status)
    asset.status, asset.decided_by, asset.decided_at, asset.reason = status, by, timezone.now(), reason[:300]
    asset.save(update_fields=["status", "decided_by", "decided_at", "reason"])


def decide_many(store: Store, ids: Iterable[int], status: str, by: User, reason: str = "") -> int:
    """Approve or reject up to MOST_AT_ONCE texts; returns how many changed. Raises ValueError for another status."""
    if status not in (AdAsset.Status.APPROVED, AdAsset.Status.REJECTED):
        raise ValueError(status)
    rows = AdAsset.objects.filter(store=store, pk__in=list(ids)[:MOST_AT_ONCE]).exclude(status=status)
    return rows.update(status=status, decided_by=by, decided_at=timezone.now(), reason=reason[:300])


def rewrite(asset: AdAsset, by: User | None = None) -> bool:
    """Another text of the model for one asset that no person has edited or approved. False when nothing good came.

    Raises ValueError for a person's text.
    """
    if asset.origin == AdAsset.Origin.HUMAN or asset.status == AdAsset.Status.APPROVED:
        raise ValueError("human")
    facts, brief = facts_of(asset.product), brief_of(asset.request)
    bounds = dict(limits(asset.store))

    def generate(prompts: list[Prompt], n: int, options: SamplingOptions) -> Generation:
        return generator.generate(prompts, capability="copy", store_id=asset.store_id, n=n, options=options)

    sifted, made = write_fields(
        facts, {asset.field: 4}, bounds, locale=asset.locale, tone=asset.tone, generate=generate, rounds=2,
        others=others_of(asset.store), brief=brief,
    )  # fmt: skip
    others = AdAsset.objects.filter(request=asset.request, field=asset.field)
    taken = list(others.values_list("text", flat=True))
    fresh = [d for d in sifted[asset.field].drafts if all(overlap(d.text, text) <= ALIKE for text in taken)]
    if not fresh or made is None:
        return False
    fresh, scores = ranked(asset.store_id, brief.known(facts), fresh, bounds[asset.field])
    draft = choose(fresh, 1)[0]
    shown = brief.shown(facts, draft.angle)
    new = asset_of(asset.request, asset.field, asset.position, draft, made, shown, scores.get(draft.text))
    with transaction.atomic():
        now = AdAsset.objects.select_for_update().get(pk=asset.pk)
        if now.origin == AdAsset.Origin.HUMAN or now.status == AdAsset.Status.APPROVED:
            return False  # a person touched it meanwhile
        keep(now, by)
        written = ("text", "machine_text", "angle", "facts", "model_version", "model_label", "inputs_hash", "ranking")
        for name in written:
            setattr(now, name, getattr(new, name))
        now.status, now.written_at = AdAsset.Status.PROPOSED, timezone.now()
        now.save()
    return True


def use_in_listing(asset: AdAsset, by: User) -> None:
    """Put an approved SEO text into the product's listing, with its history. Raises ValueError for another field."""
    target = {"seo.title": "seo_title", "seo.description": "seo_description"}.get(asset.field)
    if target is None or asset.status != AdAsset.Status.APPROVED:
        raise ValueError(asset.field)
    product = Product.objects.get(pk=asset.product_id)
    old = getattr(product, target)
    if old == asset.text:
        return
    Product.objects.filter(pk=product.pk).update(**{target: asset.text}, updated_at=timezone.now())
    ProductChange.objects.create(
        store=asset.store, product=product, source=ProductChange.Source.COPY, user=by,
        changes={target: [old, asset.text]},
    )  # fmt: skip
