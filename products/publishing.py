"""Put a text into the listing or the published copy of a channel, with what stood there before; and take it back.

The listing's own fields in the store's first language are columns of the product; every other text lives in PublishedText.
"""

from collections import defaultdict
from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.lib import html
from ecomai.models import Store, User
from products import catalogue
from products.experiment_checks import LISTING, too_long
from products.experiments import record
from products.models import AdAsset, ArmText, Experiment, Product, ProductChange, PublishedText


def first_locale(store: Store) -> str:
    """The language of the listing itself."""
    return (store.locales or [store.default_locale])[0]


def in_listing(store: Store, field: str, locale: str) -> bool:
    """Whether the text is a column of the product."""
    return field in LISTING and locale == first_locale(store)


def texts(product_ids: Iterable[int], locale: str) -> dict[int, dict[str, str]]:
    """{product id: {field: text}} of what is published beside the listing's own columns."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    rows = PublishedText.objects.filter(product__in=product_ids, locale=locale, undone_at=None, replaced_at=None)
    for row in rows.select_related("store"):
        if not in_listing(row.store, row.field, locale):
            found[row.product_id][row.field] = row.text
    return dict(found)


def _stands(product: Product, field: str, locale: str) -> PublishedText | None:
    return PublishedText.objects.filter(
        product=product, field=field, locale=locale, undone_at=None, replaced_at=None
    ).first()


def _write(product: Product, field: str, text: str, by: User | None) -> None:
    """Set a column of the listing, with its history and what follows from it."""
    column = LISTING[field].column
    old, changed = getattr(product, column), [column, "updated_at"]
    setattr(product, column, text)
    if field == "description":
        product.description_html, product.description_text = html.clean(text), html.plain(text)
        changed += ["description_html", "description_text"]
    if field in ("title", "description"):
        product.is_dirty = True
        changed.append("is_dirty")
    product.updated_at = timezone.now()
    product.save(update_fields=changed)
    if field == "title":
        catalogue.refresh_summary(product.store, [product.pk])
    ProductChange.objects.create(
        store_id=product.store_id, product=product, source=ProductChange.Source.COPY, user=by,
        changes={column: [old, text]},
    )  # fmt: skip


@transaction.atomic
def publish(
    *, store: Store, product: Product, field: str, locale: str, text: str, by: User | None, asset: AdAsset | None = None,
    experiment: Experiment | None = None,
) -> PublishedText:  # fmt: skip
    """Make it the text of the field. A text that stands there already through a publication is left as it is.

    Raises ValidationError for another store's product, an unknown field, an empty text or one that is too long.
    """
    if product.store_id != store.pk:
        raise ValidationError(_("Choose the store's own products."))
    if not text.strip():
        raise ValidationError(_("There is no text to publish."))
    if over := too_long(store, field, text):
        raise ValidationError({field: over})
    product = Product.objects.select_for_update(no_key=True, of=("self",)).select_related("store").get(pk=product.pk)
    present = _stands(product, field, locale)
    listed = in_listing(store, field, locale)
    before = getattr(product, LISTING[field].column) if listed else (present.text if present else "")
    if present is not None and present.text == text and before == text:
        return present
    if present is not None:
        present.replaced_at = timezone.now()
        present.save(update_fields=["replaced_at"])
    if listed and before != text:
        _write(product, field, text, by)
    return PublishedText.objects.create(
        store=store, product=product, field=field, locale=locale, text=text, before=before, asset=asset,
        experiment=experiment, by=by,
    )  # fmt: skip


def undoable(published: PublishedText) -> bool:
    """Whether it still is what stands there."""
    if published.undone_at is not None or published.replaced_at is not None:
        return False
    if not in_listing(published.store, published.field, published.locale):
        return True
    return getattr(published.product, LISTING[published.field].column) == published.text


@transaction.atomic
def undo(*, published: PublishedText, by: User | None) -> PublishedText:
    """Put back what stood there before. Once undone, a second time changes nothing.

    Raises ValidationError when something newer stands there: a person's later text is never overwritten.
    """
    product = Product.objects.select_for_update(no_key=True, of=("self",)).select_related("store").get(
        pk=published.product_id
    )  # fmt: skip
    published.refresh_from_db()
    if published.undone_at is not None:
        return published
    published.product = product
    if not undoable(published):
        raise ValidationError(_("“%(title)s” has been changed since: its text stays.") % {"title": product.title[:80]})
    published.undone_at, published.undone_by = timezone.now(), by
    published.save(update_fields=["undone_at", "undone_by"])
    if in_listing(published.store, published.field, published.locale) and published.before != published.text:
        _write(product, published.field, published.before, by)
    earlier = PublishedText.objects.filter(
        product=product, field=published.field, locale=published.locale, undone_at=None, replaced_at__isnull=False,
        pk__lt=published.pk,
    ).order_by("-pk").first()  # fmt: skip
    # What was published before stands again, unless the listing said something else when this one came.
    if earlier is not None and earlier.text == published.before:
        earlier.replaced_at = None
        earlier.save(update_fields=["replaced_at"])
    return published


@transaction.atomic
def publish_winner(*, experiment: Experiment, by: User | None) -> list[PublishedText]:
    """Publish every text of a finished experiment's winner. Again it changes nothing; where the control won there is
    nothing to publish. Raises ValidationError before the end or without a winner."""
    experiment = Experiment.objects.select_for_update(no_key=True, of=("self",)).select_related("store", "winner").get(
        pk=experiment.pk
    )  # fmt: skip
    if experiment.status != Experiment.Status.FINISHED:
        raise ValidationError(_("Finish the experiment first."))
    if experiment.winner is None:
        raise ValidationError(_("The experiment has no winner."))
    if experiment.published.filter(undone_at=None).exists():
        return list(experiment.published.filter(undone_at=None))
    done = []
    rows = ArmText.objects.filter(arm=experiment.winner).select_related("product", "asset").order_by("product_id", "pk")
    for row in rows:
        done.append(
            publish(
                store=experiment.store, product=row.product, field=row.field, locale=row.locale, text=row.text, by=by,
                asset=row.asset, experiment=experiment,
            )
        )  # fmt: skip
    if done:
        record(experiment, by, "published", arm=experiment.winner_id, texts=len(done))
    return done


@transaction.atomic
def undo_winner(*, experiment: Experiment, by: User | None) -> tuple[int, int]:
    """Take back what the experiment published. Returns how many texts went back and how many stayed, because something
    newer stands there."""
    Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
    rows = list(
        experiment.published.filter(undone_at=None).select_related("store", "product").order_by("product_id", "pk")
    )
    back = kept = 0
    for row in rows:
        if undoable(row):
            undo(published=row, by=by)
            back += 1
        else:
            kept += 1
    if back:
        record(experiment, by, "undone", texts=back, kept=kept)
    return back, kept
