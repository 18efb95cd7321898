"""One chunk of staged products against the catalogue: find, compare, write."""

import json
from collections.abc import Callable
from datetime import datetime

from django.db import connection
from django.utils import timezone

from products import import_snapshot, import_write
from products.import_compare import blank_product, compare
from products.import_snapshot import Current, search_source, summarise
from products.import_values import Issue
from products.models import CatalogueImport, ImportRow, Product, ProductChange

JUMP = (80, 125)  # a price that became about a hundred times larger or smaller: cents taken for euros


class Chunk:
    """Decides and writes the rows of one chunk; must run inside a transaction to write."""

    CODES = ("no_title", "no_price", "same_product", "sku_elsewhere", "price_jump")

    def __init__(self, run: CatalogueImport, rows: list[ImportRow], note: Callable[[Issue], None]):
        self.run, self.rows, self.note = run, rows, note
        self.store_id = run.store_id
        self.planned = {row.pk: (row.outcome, row.changes) for row in rows}
        self.new: list[tuple[ImportRow, Current]] = []
        self.changed: list[tuple[ImportRow, Current, dict]] = []
        self.made: list[tuple[Current, dict]] = []
        self.altered: list[dict] = []
        self.prices: list[list] = []
        self.images: list[tuple[Current, list]] = []

    def _issue(self, severity: str, code: str, line: int, column: str, value: str, message: str) -> None:
        self.note(Issue(severity, code, line, column, value, message))

    def _find(self) -> tuple[dict[int, int], dict[str, int]]:
        """({row number: product id}, {SKU: product id}) of the products that the records mean."""
        records = [row.record for row in self.rows]
        externals = [r["external_id"] for r in records if r["external_id"]]
        handles = [r["handle"] for r in records]
        skus = [v["sku"] for r in records for v in r["variants"] if v.get("sku")]
        by_external = import_snapshot.find(self.store_id, "products_product", "external_id", externals)
        by_handle = import_snapshot.find(self.store_id, "products_product", "handle", handles)
        by_sku = import_snapshot.find(self.store_id, "products_variant", "sku", skus)
        self.known_handles = set(by_handle)
        found = {}
        for row in self.rows:
            record = row.record
            own = {by_sku[v["sku"]] for v in record["variants"] if v.get("sku") in by_sku}
            match = by_external.get(record["external_id"]) if record["external_id"] else None
            if match and own and match not in own:
                match = min(own)  # a file from another shop: its ids mean other products, its SKUs don't
            if match is None and record["handle_given"]:
                match = by_handle.get(record["handle"])
            if match is None and own:
                match = min(own)
            # A feed's id is often the handle; a table without codes is known by its title's handle.
            if match is None and not record["handle_given"] and (record["feed"] or not record["external_id"]):
                match = by_handle.get(record["handle"])
            if match:
                found[row.number] = match
        return found, by_sku

    def decide(self, *, lock: bool = False) -> None:
        """Set outcome and changes of each row, and remember what `write` has to do.

        With `lock`, nobody changes the products found until the transaction ends: what a person saves meanwhile waits
        and is not written over.
        """
        found, by_sku = self._find()
        current = import_snapshot.load(self.store_id, list(set(found.values())), lock=lock)
        self.before = {pk: _frozen(c) for pk, c in current.items()}
        used: dict[int, int] = {}
        taken: set[str] = set()
        for row in self.rows:
            record = row.record
            row.changes = {}
            pk = found.get(row.number)
            self._take_made(record["product"], new=pk is None)
            if pk in used:
                self._issue("error", "same_product", row.line, "", record["handle"],
                            f"The same product as in line {used[pk]}; this one is left out.")  # fmt: skip
                row.outcome = ImportRow.Outcome.REJECT
                continue
            if pk is None and not record["product"].get("title"):
                self._issue("error", "no_title", row.line, "title", "", "A new product needs a title.")
                row.outcome = ImportRow.Outcome.REJECT
                continue
            for variant in record["variants"]:
                owner = by_sku.get(variant.get("sku") or "")
                if owner is not None and owner != pk:
                    self._issue("warning", "sku_elsewhere", variant["line"], "sku", variant["sku"],
                                f"SKU “{variant['sku']}” belongs to another product; here it is left out.")  # fmt: skip
                    variant["sku"] = None
            if pk is None:
                item = Current(0, blank_product())
                if not record["product"].get("status"):
                    record["product"]["status"] = "active"
                if not record["variants"]:
                    record["variants"] = [{"line": row.line, "option_values": []}]
            else:
                item = current[pk]
                used[pk] = row.line
                self._check_jump(record, item)
            if record["unpriced"]:
                self._keep_draft(row, item)
            changes, made, altered, prices, images = compare(record, item)
            if pk is None:
                row.outcome, row.changes = ImportRow.Outcome.CREATE, {}
                item.product["handle"] = self._free_handle(item.product["handle"], taken)
                self.new.append((row, item))
            elif changes:
                row.outcome, row.changes = ImportRow.Outcome.CHANGE, changes
                self.changed.append((row, item, changes))
            else:
                row.outcome = ImportRow.Outcome.SAME
                continue
            self.made += [(item, variant) for variant in made]
            self.altered += altered
            self.prices += prices
            self.images += [(item, image) for image in images]

    def _free_handle(self, handle: str, taken: set[str]) -> str:
        candidate, number = handle, 1
        while candidate in taken or (
            number > 1 and Product.objects.filter(store_id=self.store_id, handle=candidate).exists()
        ) or (number == 1 and candidate in self.known_handles):  # fmt: skip
            number += 1
            ending = f"-{number}"
            candidate = handle[: 255 - len(ending)] + ending
        taken.add(candidate)
        return candidate

    @staticmethod
    def _take_made(product: dict, new: bool) -> None:
        """Texts that a feed marks as a machine's start a product; they never replace the text that one has."""
        for name in ("title", "description"):
            made = product.pop(f"made_{name}", "")
            if made and new:
                product[name] = made

    def _keep_draft(self, row: ImportRow, item: Current) -> None:
        """What has no price yet isn't published by a file that brings none; what a person published so stays."""
        if item.id and (item.product["status"] != "draft" or item.product["price_min"] is not None):
            return
        self._issue("warning", "no_price", row.line, "price", "", "No price: the product stays a draft.")
        row.record["product"]["status"] = "draft"

    def _check_jump(self, record: dict, item: Current) -> None:
        """Warn when a price is about a hundred times the one that is stored."""
        old = item.product["price_min"]
        for variant in record["variants"]:
            for market, _currency, amount, _compare in variant.get("prices") or []:
                if market or not old or not float(amount):
                    continue
                ratio = float(amount) / float(old)
                if JUMP[0] <= ratio <= JUMP[1] or JUMP[0] <= 1 / ratio <= JUMP[1]:
                    self._issue("warning", "price_jump", variant["line"], "price", amount,
                                f"{amount} is about a hundred times off the present {old:f}: are these minor units?")  # fmt: skip
                    return

    def write(self) -> None:
        """Write everything that `decide` found, in a fixed number of statements."""
        if not self.new and not self.changed:
            return
        items = [item for _row, item in self.new] + [item for _row, item, _c in self.changed]
        brands = import_write.brand_ids(self.store_id, {i.brand for i in items})
        categories = import_write.category_ids(self.store_id, {i.category for i in items})
        for (_row, item), pk in zip(self.new, import_write.next_ids("products_product", len(self.new)), strict=True):
            item.id = pk
        ids = import_write.next_ids("products_variant", len(self.made))
        for (_item, variant), pk in zip(self.made, ids, strict=True):
            variant["id"] = pk
        shop_currency = self.run.store.currency
        sources = []
        for item in items:
            item.product["brand_id"] = brands.get(item.brand.lower()) if item.brand else None
            item.product["category_id"] = categories.get(item.category) if item.category else None
            summarise(item.product, item.variants, item.images, shop_currency)
            sources.append(search_source(item.product, item.brand, item.variants))
        for item, folded in zip(items, import_snapshot.fold_many(sources), strict=True):
            item.product["search_text"] = folded
        now = timezone.now()
        if self.new:
            import_write.insert_products(self.store_id, [(item.id, item.product) for _row, item in self.new], now)
        if self.changed:
            import_write.update_products([(item.id, item.product) for _row, item, _c in self.changed], now)
        import_write.insert_variants(self.store_id, [(item.id, variant) for item, variant in self.made])
        import_write.update_variants(self.altered)
        fresh = {id(variant) for _item, variant in self.made}
        prices: dict[bool, list[list]] = {True: [], False: []}
        for variant, *price in self.prices:
            prices[id(variant) in fresh].append([variant["id"], *price])
        import_write.insert_prices(self.store_id, prices[True])
        import_write.upsert_prices(self.store_id, prices[False])
        made = {item.id for _row, item in self.new}
        images: dict[bool, list[list]] = {True: [], False: []}
        for item, image in self.images:
            images[item.id in made].append([item.id, *image])
        import_write.insert_images(self.store_id, images[True])
        import_write.upsert_images(self.store_id, images[False])
        self._record(now)

    def _record(self, now: datetime) -> None:
        """History and undo records of the chunk."""
        import_write.copy_in(
            "products_productchange",
            ["store_id", "product_id", "source", "import_id", "user_id", "changes", "created_at"],
            ([self.store_id, item.id, ProductChange.Source.IMPORT, self.run.pk, self.run.created_by_id,
              json.dumps(changes, ensure_ascii=False, default=str), now] for _row, item, changes in self.changed),
        )  # fmt: skip
        import_write.copy_in(
            "products_importchange",
            ["run_id", "product_id", "before", "after_updated_at"],
            [
                *([self.run.pk, item.id, None, now] for _row, item in self.new),
                *([self.run.pk, item.id, self.before[item.id], now]
                  for _row, item, _c in self.changed),
            ],
        )  # fmt: skip

    def store_outcomes(self) -> None:
        """Write outcome and changes of the rows that came out otherwise than planned, in one statement."""
        rows = [row for row in self.rows if (row.outcome, row.changes) != self.planned[row.pk]]
        if not rows:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE products_importrow r SET outcome = t.o, changes = t.c FROM unnest(%s::bigint[], %s::text[], "
                "%s::jsonb[]) AS t(id, o, c) WHERE r.id = t.id",
                [[row.pk for row in rows], [row.outcome for row in rows],
                 [json.dumps(row.changes, ensure_ascii=False, default=str) for row in rows]],
            )  # fmt: skip


def _frozen(current: Current) -> str:
    """A product as it was, in JSON, for the undo."""
    state = {"product": current.product, "variants": current.variants, "images": current.images}
    return json.dumps(state, ensure_ascii=False, default=str)
