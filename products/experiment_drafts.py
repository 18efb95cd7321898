"""A draft straight from texts that people approved: each of them a variant beside what the listing says."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from ecomai.models import Store, User
from products import experiment_page, experiments, publishing
from products.experiment_checks import LISTING
from products.models import AdAsset, ArmText, Experiment

# Field of ad copy → the field of the listing that it is written for.
LISTED = {listing.asset: field for field, listing in LISTING.items()}


def from_texts(*, store: Store, by: User | None, assets: Sequence[AdAsset]) -> Experiment:
    """A draft in which each of the texts, all approved and of one field, language and product, is a variant. What the
    listing says already is left out, and so is what stands twice; a draft of just these texts is taken up again.
    Raises ValidationError where nothing is left."""
    if len({(asset.product_id, asset.field, asset.locale) for asset in assets}) > 1 or any(
        asset.store_id != store.pk or asset.status != AdAsset.Status.APPROVED for asset in assets
    ):
        raise ValidationError(_("Choose approved texts of one field of a product."))
    texts: dict[str, AdAsset] = {}
    for asset in assets:
        field = LISTED.get(asset.field, asset.field)
        published = publishing.texts([asset.product_id], asset.locale).get(asset.product_id, {})
        first = experiment_page.first_locale(store)
        if asset.text != experiment_page.listed(asset.product, field, asset.locale, first, published):
            texts.setdefault(asset.text, asset)
    chosen = list(texts.values())[: experiments.MOST_ARMS - 1]
    if not chosen:
        raise ValidationError(_("Nothing to test: approve a text that differs from what the listing says."))
    if (made := _begun(store, chosen)) is not None:
        return made
    product, field = chosen[0].product, LISTED.get(chosen[0].field, chosen[0].field)
    with transaction.atomic():
        made = experiments.create(store=store, by=by, name=_name(store, product.title, field))
        for _more in chosen[1:]:
            experiments.add_arm(experiment=made, by=by)
        variants = made.arms.filter(is_control=False).order_by("position")
        for arm, asset in zip(variants, chosen, strict=True):
            experiments.set_text(
                arm=arm, product=product, field=field, locale=asset.locale, text=asset.text, by=by, asset=asset
            )
    return made


def _begun(store: Store, chosen: Sequence[AdAsset]) -> Experiment | None:
    drafts = Experiment.objects.filter(store=store, status=Experiment.Status.DRAFT, arms__texts__asset__in=chosen)
    for draft in drafts.order_by("-pk").distinct():
        shown = ArmText.objects.filter(arm__experiment=draft).values_list("asset", flat=True)
        if sorted(shown, key=str) == sorted((asset.pk for asset in chosen), key=str):
            return draft
    return None


def _name(store: Store, title: str, field: str) -> str:
    """What is tested, with a number where the store has an experiment of that name."""
    stem = f"{title[:70]}: {experiment_page.field_label(field)}"[:110]
    taken = set(Experiment.objects.filter(store=store, name__startswith=stem).values_list("name", flat=True))
    return next(name for n in range(1, len(taken) + 2) if (name := stem if n == 1 else f"{stem} ({n})") not in taken)
