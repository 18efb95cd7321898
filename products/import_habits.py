"""Formats with habits of their own: what Google's feeds and WooCommerce's exports say in their own way. `values` are a
row's cells by mapped column, `product` the record's fields, changed in place."""

from collections.abc import Sequence

from ecomai.lib.text import clean_line
from products.import_values import STRUCTURED, category_path, split_list


def google(columns: Sequence[str], values: dict, product: dict) -> None:
    """Structured titles, options of products without a group, and the product type as a category."""
    for name in ("title", "description"):
        made = values.get(f"made_{name}", "")
        if made and not product.get(name):
            match = STRUCTURED.match(made)
            product.pop(name, None)
            product[f"made_{name}"] = match[1].replace('""', '"') if match else made
    attributes = dict(product.get("attributes", {}))
    if not values.get("group"):
        for column in columns:
            if column.startswith("google_option:") and values.get(column):
                attributes[column.partition(":")[2]] = clean_line(values[column])
    product["attributes"] = attributes
    if " > " in product.get("product_type", ""):
        product["category"] = category_path(product.pop("product_type"))


def woo_numbers(columns: Sequence[str]) -> list[str]:
    """Numbers of the attribute columns, in order."""
    return sorted({c.split(":")[1] for c in columns if c.startswith("woo_attribute:")}, key=int)


def woo(columns: Sequence[str], values: dict, product: dict) -> None:
    """Categories as a list, the short description, and numbered attributes."""
    if "woo_categories" in columns:
        paths = [category_path(p) for p in split_list(values.get("woo_categories", ""))]
        product["category"] = paths[0] if paths else ""
        if len(paths) > 1:
            product.setdefault("metafields", {})["Categories"] = values["woo_categories"]
    if values.get("woo_short"):
        product.setdefault("metafields", {})["Short description"] = values["woo_short"]
        if not product.get("description"):
            product["description"] = values["woo_short"].replace("\\n", "\n")
    attributes = {}
    if "variation" not in values.get("woo_type", ""):
        for i in woo_numbers(columns):
            name, value = values.get(f"woo_attribute:{i}:name"), values.get(f"woo_attribute:{i}:value(s)")
            if name and value:
                attributes[clean_line(name)] = ", ".join(split_list(value))
    if woo_numbers(columns):
        product["attributes"] = {**product.get("attributes", {}), **attributes}
