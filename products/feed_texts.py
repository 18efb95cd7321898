"""The texts that a product shows outside: those of running feed tests, published ones, approved ad copy; and whether a
machine wrote them.

Google wants machine-made titles and descriptions in fields of their own, marked as such; a person's edit makes a text
that person's.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from django.db.models import F
from django.utils import timezone

from ecomai.lib import html
from ecomai.models import Store
from products.models import AdAsset, ArmText, AssetRevision, Experiment, ProductInTest, PublishedText

MARK = "trained_algorithmic_media"
# What a feed shows in a column, the channel's own text before the listing's.
TITLE = ("google_merchant.title", "title")
DESCRIPTION = ("google_merchant.description", "description")


@dataclass(frozen=True)
class FeedText:
    """A text for a feed's field. `tested`: a running feed test shows it today."""

    text: str
    machine: bool
    tested: bool = False


Texts = Mapping[str, Sequence[FeedText]]


def first_locale(store: Store) -> str:
    """The language of the catalogue itself."""
    return (store.locales or [store.default_locale])[0]


class Shelf:
    """The texts of one language and day, taken for some hundred products at a time.

    `several`: fields of which an ad takes more than one text.
    """

    def __init__(
        self,
        store: Store,
        fields: Collection[str],
        locale: str,
        *,
        several: Collection[str] = (),
        on: date | None = None,
    ):
        self.store, self.fields, self.locale, self.several = store, set(fields), locale, set(several)
        self.on = on or timezone.now().astimezone(ZoneInfo(store.timezone)).date()
        running = Experiment.objects.running().filter(store=store, unit=Experiment.Unit.PRODUCT)
        self._tested: dict[int, set[str]] = defaultdict(set)
        rows = ArmText.objects.filter(arm__experiment__in=running, locale=locale, field__in=self.fields)
        for test, field in rows.values_list("arm__experiment_id", "field").distinct():
            self._tested[test].add(field)

    def take(self, ids: Sequence[int]) -> dict[int, dict[str, list[FeedText]]]:
        """{product id: {field: texts}}, the one that counts first: a test's, then the published one, then approved ones.

        A product of a running test that shows no variant today shows the listing: what was approved for the variants
        must not leak into the control.
        """
        found: dict[int, dict[str, dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))
        held: dict[int, set[str]] = defaultdict(set)
        if self._tested:
            places = ProductInTest.objects.filter(experiment__in=list(self._tested), product__in=ids)
            for product, test in places.values_list("product_id", "experiment_id"):
                held[product] |= self._tested[test]
            from products import feed_tests  # brings the statistics along

            shown = feed_tests.texts_of(self.store, self.locale, self.on, ids)
            for product, fields in shown.items():
                for field in fields.keys() & self.fields:
                    found[product][field][fields[field]] = True
        for product, field, text in self._published(ids):
            found[product][field].setdefault(text, False)
        for product, field, text in self._approved(ids):
            if not held[product] & _alike(field):
                found[product][field].setdefault(text, False)
        machine = _machine_made(self.store, list(found))
        return {
            pk: {
                field: [FeedText(_plain(field, text), text in machine[pk], tested) for text, tested in texts.items()]
                for field, texts in fields.items()
            }
            for pk, fields in found.items()
        }

    def _published(self, ids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
        rows = PublishedText.objects.filter(
            store=self.store,
            product__in=ids,
            field__in=self.fields,
            locale=self.locale,
            undone_at=None,
            replaced_at=None,
        )
        yield from rows.values_list("product_id", "field", "text")

    def _approved(self, ids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
        """What was decided last comes first; of a field that takes several texts the newest order in its own order."""
        rows = AdAsset.objects.filter(
            store=self.store, product__in=ids, status=AdAsset.Status.APPROVED, field__in=self.fields, locale=self.locale
        ).values_list("product_id", "field", "text")
        yield from rows.filter(field__in=self.several).order_by("-request_id", "position", "pk")
        yield from rows.exclude(field__in=self.several).order_by(F("decided_at").desc(nulls_last=True), "-pk")


def _alike(field: str) -> set[str]:
    """The fields that end in the same column of a feed."""
    return next((set(names) for names in (TITLE, DESCRIPTION) if field in names), {field})


def _plain(field: str, text: str) -> str:
    """The listing's own description is HTML."""
    return " ".join((html.plain(text) if field == "description" else text).split())


def _machine_made(store: Store, ids: Collection[int]) -> dict[int, set[str]]:
    """{product id: the texts that a model wrote for it, word for word}."""
    made: dict[int, set[str]] = defaultdict(set)
    if ids:
        rows = AdAsset.objects.filter(store=store, product__in=ids).values_list("product_id", "machine_text")
        earlier = AssetRevision.objects.filter(
            store=store, asset__product__in=ids, origin=AdAsset.Origin.MACHINE
        ).values_list("asset__product_id", "text")
        for product, text in [*rows, *earlier]:
            made[product].add(text)
    return made


def listing(
    texts: Texts, title: str, description: str, *, own: bool, titles: Sequence[str] = TITLE,
    descriptions: Sequence[str] = DESCRIPTION,
) -> dict[str, FeedText]:  # fmt: skip
    """{"title" and "description": the text}, where there is one: of a test, else of the first of the fields that has one.

    `own`: the catalogue is in that language; its own `title` and `description` stand for the last of the fields, and are
    a machine's where its text was published into the listing.
    """
    found = {}
    for name, fields, catalogue in (("title", titles, title), ("description", descriptions, description)):
        best = [texts[field][0] for field in fields if texts.get(field)]
        chosen = next((text for text in best if text.tested), None)
        if chosen is None and own:
            stands = [text for text in texts.get(fields[-1], []) if text.text == catalogue]
            best = [texts[field][0] for field in fields[:-1] if texts.get(field)] + stands
            best += [FeedText(catalogue, False)] if catalogue else []
        chosen = chosen or next(iter(best), None)
        if chosen is not None:
            found[name] = chosen
    return found


def put(row: dict[str, str], texts: Mapping[str, FeedText]) -> None:
    """Set the texts in a feed item (in Google's names): a machine's goes to structured_…, the plain field is cleared,
    because Google takes the plain one when both are there."""
    for name, found in texts.items():
        row[name] = "" if found.machine else found.text
        if found.machine:
            row[f"structured_{name}"] = found.text


def as_cell(text: str) -> str:
    """The text of a structured field in a table."""
    return f'{MARK}:"{text.replace(chr(34), chr(34) * 2)}"' if text else ""
