"""Which shop a file comes from, and what its columns mean: every format becomes the same named fields.

Fields are flat names: product fields ("title"), variant fields ("price", "sku"), "price@<market>/<currency>",
"option1_name", "attribute:<name>", "meta:<column>".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from ecomai.lib.text import clean_line

# Canonical field → the headers of both Shopify generations, in lower case.
SHOPIFY = {
    "handle": ("handle", "url handle"),
    "title": ("title",),
    "description": ("body (html)", "description"),
    "brand": ("vendor",),
    "google_category": ("product category", "google shopping / google product category"),
    "product_type": ("type",),
    "tags": ("tags",),
    "published": ("published", "published on online store"),
    "status": ("status",),
    "sku": ("variant sku", "sku"),
    "gtin": ("variant barcode", "barcode"),
    "price": ("variant price", "price"),
    "compare_at": ("variant compare at price", "compare-at price"),
    "cost": ("cost per item",),
    "taxable": ("variant taxable", "charge tax"),
    "stock": ("variant inventory qty", "inventory quantity"),
    "stock_tracker": ("variant inventory tracker", "inventory tracker"),
    "backorder": ("variant inventory policy", "continue selling when out of stock"),
    "weight_grams": ("variant grams", "weight value (grams)"),
    "weight_unit": ("variant weight unit", "weight unit for display"),
    "requires_shipping": ("variant requires shipping", "requires shipping"),
    "image_url": ("image src", "product image url"),
    "image_position": ("image position",),
    "image_alt": ("image alt text",),
    "variant_image": ("variant image", "variant image url"),
    "seo_title": ("seo title",),
    "seo_description": ("seo description",),
    "condition": ("google shopping / condition",),
    "mpn": ("google shopping / mpn",),
    **{f"option{i}_name": (f"option{i} name",) for i in (1, 2, 3)},
    **{f"option{i}_value": (f"option{i} value",) for i in (1, 2, 3)},
}
WOO = {
    "external_id": ("id",), "woo_type": ("type",), "sku": ("sku",), "gtin": ("gtin, upc, ean, or isbn",),
    "title": ("name",), "published": ("published",), "woo_short": ("short description",),
    "description": ("description",), "woo_tax": ("tax status",), "woo_in_stock": ("in stock?",), "stock": ("stock",),
    "backorder": ("backorders allowed?",), "woo_weight": ("weight (kg)", "weight (lbs)", "weight (g)", "weight (oz)"),
    "woo_sale": ("sale price",), "woo_regular": ("regular price",), "woo_categories": ("categories",),
    "tags": ("tags",), "woo_images": ("images",), "woo_parent": ("parent",), "brand": ("brands", "brand"),
    "handle": ("meta: handle",), "status": ("meta: status",), "cost": ("meta: cost",),
}  # fmt: skip
GOOGLE = {
    "sku": ("sku",), "google_id": ("id",), "title": ("title",), "description": ("description",),
    "made_title": ("structured_title",), "made_description": ("structured_description",), "link": ("link",), "image_url": ("image_link",),
    "more_images": ("additional_image_link",), "google_availability": ("availability",), "google_price": ("price",),
    "google_sale": ("sale_price",), "brand": ("brand",), "gtin": ("gtin",), "mpn": ("mpn",),
    "condition": ("condition",), "google_category": ("google_product_category",), "product_type": ("product_type",),
    "group": ("item_group_id",), "quantity": ("quantity",), "google_identifier": ("identifier_exists",),
}  # fmt: skip
GOOGLE_OPTIONS = ("color", "size", "material", "pattern")
GOOGLE_ATTRIBUTES = ("gender", "age_group", "size_type", "size_system")
MEDUSA = {
    "external_id": ("product id",), "handle": ("product handle",), "title": ("product title",),
    "description": ("product description",), "status": ("product status",), "image_url": ("product thumbnail",),
    "weight_grams": ("variant weight",), "product_type": ("product type id",), "variant_external_id": ("variant id",),
    "sku": ("variant sku",), "gtin": ("variant barcode",), "backorder": ("variant allow backorder",),
    "stock": ("variant inventory quantity",), "attribute:material": ("product material",),
    **{f"option{i}_name": (f"variant option {i} name",) for i in (1, 2, 3)},
    **{f"option{i}_value": (f"variant option {i} value",) for i in (1, 2, 3)},
}  # fmt: skip

# Generic tables: what merchants call a column, in the languages that we speak.
SYNONYMS = {
    "external_id": ("id", "product id", "artikelnummer intern", "外部id", "商品id"),
    "handle": ("handle", "slug", "url key", "url-schlüssel", "permalink"),
    "title": ("title", "name", "product name", "produktname", "bezeichnung", "titel", "artikelname", "nombre", "título",
              "nom", "titre", "nom du produit", "商品名", "商品名称", "标题", "名称", "タイトル", "商品タイトル"),
    "description": ("description", "product description", "beschreibung", "produktbeschreibung", "descripción", "详情",
                    "description du produit", "描述", "商品描述", "説明", "商品説明"),
    "brand": ("brand", "vendor", "manufacturer", "marke", "hersteller", "marca", "fabricante", "marque", "fabricant",
              "品牌", "ブランド", "メーカー"),
    "category": ("category", "categories", "kategorie", "warengruppe", "categoría", "catégorie", "分类", "类目",
                 "カテゴリ", "カテゴリー"),
    "tags": ("tags", "keywords", "schlagwörter", "etiquetas", "mots-clés", "标签", "タグ"),
    "sku": ("sku", "article number", "item number", "artikelnummer", "artikelnr", "art.-nr.", "referencia",
            "référence", "货号", "编码", "品番", "商品番号"),
    "gtin": ("gtin", "ean", "upc", "barcode", "isbn", "strichcode", "código de barras", "code-barres", "条码", "条形码",
             "バーコード", "janコード", "jan"),
    "price": ("price", "unit price", "retail price", "preis", "verkaufspreis", "vk", "precio", "pvp", "prix",
              "prix de vente", "价格", "售价", "価格", "販売価格"),
    "compare_at": ("compare at price", "regular price", "rrp", "msrp", "list price", "uvp", "streichpreis",
                   "precio anterior", "prix barré", "原价", "定価", "通常価格"),
    "cost": ("cost", "cost per item", "einkaufspreis", "ek", "coste", "prix d'achat", "成本", "原価"),
    "stock": ("stock", "quantity", "qty", "inventory", "bestand", "lagerbestand", "menge", "existencias", "cantidad",
              "quantité", "库存", "数量", "在庫", "在庫数"),
    "weight_grams": ("weight", "weight (g)", "grams", "gewicht", "peso", "poids", "重量", "重さ"),
    "image_url": ("image", "image url", "picture", "photo", "bild", "bild-url", "imagen", "image du produit", "图片",
                  "主图", "画像", "画像url"),
    "status": ("status", "state", "estado", "statut", "zustand", "状态", "状態"),
    "option1_value": ("size", "größe", "talla", "taille", "尺码", "尺寸", "サイズ"),
    "option2_value": ("color", "colour", "farbe", "couleur", "颜色", "カラー", "色"),
    "attribute:Material": ("material", "material/stoff", "matière", "材质", "素材"),
    "seo_title": ("seo title", "meta title", "meta-titel"),
    "seo_description": ("seo description", "meta description", "meta-beschreibung"),
    "link": ("link", "url", "product url", "produktlink"),
}  # fmt: skip
GENERIC_FIELDS = [*SYNONYMS, "mpn", "product_type", "google_category", "condition", "variant_image"]


@dataclass(frozen=True)
class Mapping:
    """Column number → canonical field; columns without one are kept as "meta:<header>"."""

    format: str
    columns: list[str]
    notes: dict[str, str] = field(default_factory=dict)


def _invert(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {alias: name for name, aliases in table.items() for alias in aliases}


def _xml_key(header: str) -> str:
    """Google's names: g:image_link, Image Link and image_link are one."""
    return header.lower().removeprefix("g:").replace(" ", "_").replace("-", "_")


def detect_format(headers: list[str]) -> str:
    """shopify, woocommerce, google, medusa or generic."""
    names = {h.lower() for h in headers}
    keys = {_xml_key(h) for h in headers}
    if "product handle" in names and "variant title" in names:
        return "medusa"
    if ("handle" in names or "url handle" in names) and ("option1 name" in names or "variant price" in names):
        return "shopify"
    if "url handle" in names and "title" in names:
        return "shopify"
    if {"type", "sku", "name"} <= names and ("regular price" in names or "parent" in names):
        return "woocommerce"
    if {"id", "price"} <= keys and ({"title", "structured_title"} & keys) and ({"image_link", "availability"} & keys):
        return "google"
    return "generic"


def _shopify(header: str, known: dict[str, str]) -> str:
    name = header.lower()
    if name in known:
        return known[name]
    if match := re.match(r"^(price|compare-at price|variant price|variant compare at price) / (.+)$", name):
        market = header.rpartition(" / ")[2].strip()
        return f"{'compare' if 'compare' in match[1] else 'price'}@{market}"
    if "(product.metafields." in name:
        return f"attribute:{header.partition(' (product.metafields.')[0].strip()}"
    return f"meta:{header}"


def _woo(header: str, known: dict[str, str]) -> str:
    name = header.lower()
    if name in known:
        return known[name]
    if match := re.match(r"^attribute (\d+) (name|value\(s\)|visible|global|default)$", name):
        return f"woo_attribute:{match[1]}:{match[2]}"
    return f"meta:{header}"


def _google(header: str, known: dict[str, str]) -> str:
    key = _xml_key(header)
    if key in known:
        return known[key]
    if key in GOOGLE_OPTIONS:
        return f"google_option:{key}"
    if key in GOOGLE_ATTRIBUTES:
        return f"attribute:{key}"
    return f"meta:{header}"


def _medusa(header: str, known: dict[str, str]) -> str:
    name = header.lower()
    if name in known:
        return known[name]
    if match := re.match(r"^variant price ([a-z]{3})$", name):
        return f"price@/{match[1].upper()}"
    if re.match(r"^product image \d+( url)?$", name):
        return f"image:{name}"
    if re.match(r"^product tag \d+$", name):
        return f"tag:{name}"
    return f"meta:{header}"


RULES: dict[str, tuple[Callable[[str, dict[str, str]], str], dict[str, str]]] = {
    "shopify": (_shopify, _invert(SHOPIFY)),
    "woocommerce": (_woo, _invert(WOO)),
    "google": (_google, _invert(GOOGLE)),
    "medusa": (_medusa, _invert(MEDUSA)),
}


def map_columns(headers: list[str], format: str, chosen: dict[str, str] | None = None) -> Mapping:
    """What each column of a file means. For generic files `chosen` (header → field) comes from the mapping screen."""
    if format == "generic":
        chosen = chosen if chosen is not None else {h: p[0] for h, p in propose(headers).items() if p[1] >= 80}
        return Mapping(format, [chosen.get(h) or f"meta:{h}" for h in headers])
    rule, known = RULES[format]
    columns, taken = [], set()
    for header in headers:
        name = rule(header, known)
        # Two headers of one meaning: the first one counts, the other is kept as it is.
        if name in taken and not name.startswith(("meta:", "image:", "tag:")):
            name = f"meta:{header}"
        taken.add(name)
        columns.append(name)
    return Mapping(format, columns)


def propose(headers: list[str]) -> dict[str, tuple[str, int]]:
    """For a generic table: header → (field, confidence 0–100), each field at most once, best match first."""
    choices = [(synonym, name) for name, synonyms in SYNONYMS.items() for synonym in synonyms]
    texts = [synonym for synonym, _name in choices]
    scored = []
    for header in headers:
        plain = clean_line(re.sub(r"[_\-.]+", " ", header)).lower()
        for _text, score, index in process.extract(plain, texts, scorer=fuzz.WRatio, limit=4):
            exact = 100 if plain == texts[index] else min(95, score - (10 if len(plain) < 4 else 0))
            scored.append((int(exact), header, choices[index][1]))
    out: dict[str, tuple[str, int]] = {}
    used: set[str] = set()
    for score, header, name in sorted(scored, key=lambda item: -item[0]):
        if header not in out and name not in used and score >= 60:
            out[header] = (name, score)
            used.add(name)
    return out
