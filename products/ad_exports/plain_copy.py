"""Approved copy as it is, for any other tool: a line per text, with where it came from."""

import json
from collections.abc import Iterator

from ecomai.models import Store
from products.ad_exports.checks import TEXT, Problem, Sheet, faults, neutral, tidy
from products.ad_exports.source import BATCH, Plan, selected
from products.models import AdAsset, Variant

COLUMNS = ["product_id", "handle", "sku", "product", "channel", "field", "language", "angle", "text", "length",
           "counted_in", "limit", "written_by", "model", "written_at", "approved_at"]  # fmt: skip


def rows(plan: Plan) -> Iterator[dict[str, str] | Problem]:
    """Texts of all channels; one that breaks its channel's rule is left out."""
    products = selected(plan, list(plan.rules))
    after, left = 0, plan.first
    while left is None or left > 0:
        size = BATCH if left is None else min(BATCH, left)
        batch = list(products.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:size])
        if not batch:
            return
        after, left = batch[-1], None if left is None else left - len(batch)
        skus: dict[int, str] = {}
        for product, sku in (
            Variant.objects.filter(product__in=batch).order_by("position", "pk").values_list("product_id", "sku")
        ):
            skus.setdefault(product, sku or "")
        assets = AdAsset.objects.filter(
            store=plan.store, product__in=batch, status=AdAsset.Status.APPROVED, locale=plan.choice.locale
        )
        order = ("product_id", "field", "-request_id", "position", "pk")
        for asset in assets.select_related("product").order_by(*order).iterator():
            yield from _row(asset, skus.get(asset.product_id, ""), plan)


def _row(asset: AdAsset, sku: str, plan: Plan) -> Iterator[dict[str, str] | Problem]:
    product = asset.product
    sheet = Sheet(product.pk, product.title or product.handle, table=False)
    text, rule = tidy(asset.text), plan.rules.get(asset.field)
    if not text:
        sheet.note(TEXT, asset.field, "missing")
    for code, values in faults(text, rule) if rule else ():
        sheet.note(TEXT, asset.field, code, text, **values)
    yield from sheet.problems
    if sheet.problems:
        return
    yield {
        "product_id": str(product.pk), "handle": tidy(product.handle), "sku": tidy(sku), "product": tidy(product.title),
        "channel": asset.field.split(".")[0], "field": asset.field, "language": asset.locale, "angle": asset.angle,
        "text": text, "length": str(rule.count(text)) if rule else str(len(text)),
        "counted_in": rule.unit if rule else "chars", "limit": str(rule.limit) if rule else "",
        "written_by": asset.origin, "model": tidy(asset.model_label), "written_at": asset.written_at.isoformat(),
        "approved_at": asset.decided_at.isoformat() if asset.decided_at else "",
    }  # fmt: skip


def safe_rows(plan: Plan) -> Iterator[dict[str, str] | Problem]:
    """The rows for a table that a spreadsheet opens."""
    for row in rows(plan):
        yield row if isinstance(row, Problem) else {column: neutral(value) for column, value in row.items()}


def write_json(found: Iterator[dict[str, str]], store: Store) -> Iterator[bytes]:
    """A JSON array with one object a line; numbers are numbers."""
    yield b"["
    for number, row in enumerate(found):
        numbers = {name: int(row[name]) for name in ("product_id", "length", "limit") if row[name]}
        yield (",\n" if number else "\n").encode() + json.dumps(row | numbers, ensure_ascii=False).encode()
    yield b"\n]\n"
