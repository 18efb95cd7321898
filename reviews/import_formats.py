"""Whose export a file is, and what its columns mean: every shape becomes the same fields."""

import re
from dataclasses import dataclass
from functools import lru_cache

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rapidfuzz import fuzz, process

from ecomai.lib.text import clean_line

FIELDS: dict[str, str | Promise] = {
    "title": _("Title"),
    "text": _("Text"),
    "rating": _("Rating"),
    "author_name": _("Author's name"),
    "email": _("Author's mail address"),
    "phone": _("Author's phone"),
    "customer_id": _("Customer number"),
    "product_ref": _("Product (id, handle, SKU or GTIN)"),
    "written_at": _("Date"),
    "language": _("Language"),
    "country": _("Country"),
    "verified": _("Verified purchase"),
    "consent": _("May train models"),
    "source_id": _("Number at the source"),
    "state": _("State (spam and trash are skipped)"),
    "ignore": _("Leave out"),
}
# Fields that several columns may feed: the first that says something counts.
SEVERAL = frozenset({"text", "state", "phone", "written_at"})


@dataclass(frozen=True)
class Shape:
    """One source's export: its name, the source that its reviews get, headers that tell it, header → field."""

    name: str | Promise
    source: str
    tells: tuple[frozenset[str], ...]
    columns: dict[str, str]


def _fields(**names: str) -> dict[str, str]:
    """field="header, header" → header → field."""
    return {header: field for field, headers in names.items() for header in headers.split(", ")}


SHAPES: dict[str, Shape] = {
    "judgeme": Shape(
        "Judge.me", "judgeme",
        (frozenset({"body", "rating", "review_date", "reviewer_name"}), frozenset({"body", "rating", "reviewer_email"})),
        _fields(
            title="title", text="body", rating="rating", written_at="review_date", author_name="reviewer_name",
            email="reviewer_email", product_ref="product_handle, product_id", source_id="review_id, id",
            country="country, country_code", verified="verified, verified_buyer", state="curated",
            phone="reviewer_phone", customer_id="reviewer_external_id",
        ),
    ),
    "yotpo": Shape(
        "Yotpo", "yotpo",
        (
            frozenset({"review_score", "review_content"}),
            frozenset({"review_score", "review_title"}),
        ),
        _fields(
            title="review_title", text="review_content", rating="review_score",
            written_at="review_creation_date, date, review_date", author_name="display_name, reviewer_display_name",
            email="email, reviewer_email, user_email", product_ref="product_id, sku, product_sku, product_url",
            source_id="review_id", country="md_customer_country, country, reviewer_country",
            language="review_language, language", state="review_status, status", customer_id="external_customer_id",
            verified="verified_buyer, verified_purchase",
        ),
    ),
    "shopify": Shape(
        "Shopify Product Reviews", "shopify",
        (frozenset({"product_handle", "state", "rating", "author", "body"}),),
        _fields(
            title="title", text="body", rating="rating", written_at="created_at", author_name="author", email="email",
            product_ref="product_handle, product_id", state="state", source_id="id",
        ),
    ),
    "woocommerce": Shape(
        "WooCommerce", "woocommerce",
        (
            frozenset({"comment_id", "comment_content"}),
            frozenset({"comment_post_id", "comment_content"}),
            frozenset({"review", "reviewer", "reviewer_email", "product_id"}),
            frozenset({"review", "reviewer", "rating", "date_created"}),
        ),
        _fields(
            text="comment_content, review", rating="rating, meta:rating, comment_rating",
            written_at="comment_date_gmt, date_created_gmt, comment_date, date_created",
            author_name="comment_author, reviewer", email="comment_author_email, reviewer_email",
            product_ref="comment_post_id, product_id, product_sku, sku, product_slug, product_permalink",
            source_id="comment_id, id", state="comment_approved, status, comment_type, comment_parent", customer_id="user_id",
            verified="verified, meta:verified",
        ),
    ),
    "generic": Shape(_("Other table"), "csv", (), {}),
}  # fmt: skip

# What columns are called elsewhere, in the languages that shops export in.
NAMES = _fields(
    title="title, review_title, headline, subject, summary, titel, überschrift, titre, título, titulo, titolo, judul, "
    "标题, 評價標題, 评价标题, タイトル, 제목",
    text="text, body, review, content, comment, review_text, review_body, review_content, reviewtext, message, "
    "comments, feedback, description, bewertung, bewertungstext, kommentar, avis, commentaire, reseña, resena, "
    "comentario, opinión, avaliação, comentário, recensione, commento, ulasan, isi_ulasan, komentar, 评论, 评价, "
    "评论内容, 评价内容, 內容, 内容, レビュー, レビュー本文, コメント, 리뷰, 내용, 후기, отзыв, текст, комментарий",
    rating="rating, stars, score, star_rating, review_rating, review_score, overall, reviewrating, rate, sterne, note, "
    "bewertung_sterne, étoiles, calificación, puntuación, estrellas, nota, estrelas, valutazione, stelle, bintang, "
    "nilai, 评分, 星级, 打分, 評分, 評価, 星, 평점, 별점, оценка, рейтинг",
    author_name="author, name, reviewer, reviewer_name, author_name, customer_name, customer, user, username, "
    "display_name, nickname, autor, auteur, nom, nombre, nome, kunde, nama, 用户, 用户名, 昵称, 作者, 投稿者, 작성자, автор, имя",
    email="email, e-mail, mail, email_address, reviewer_email, customer_email, author_email, user_email, correo, "
    "courriel, 邮箱, メール, 이메일",
    phone="phone, telephone, tel, mobile, phone_number, telefon, téléphone, teléfono, telefone, telefono, 电话, 手机, "
    "手机号, 電話, 전화번호, телефон",
    customer_id="customer_id, user_id, reviewer_id, customer_number, kundennummer, buyer_id, 客户编号, 顧客id",
    product_ref="product, product_id, product_handle, handle, sku, product_sku, asin, gtin, ean, barcode, item_id, "
    "product_url, item, produkt, produkt_id, artikelnummer, produit, producto, produto, prodotto, produk, 商品, "
    "商品id, 产品, 商品编号, 商品番号, 상품, 상품번호, товар, артикул",
    written_at="date, created_at, review_date, written_at, created, submitted_at, timestamp, time, date_created, "
    "review_time, published_at, datum, erstellt_am, fecha, data, tanggal, 日期, 时间, 评价时间, 日付, 投稿日, 날짜, "
    "작성일, дата",
    language="language, lang, locale, review_language, sprache, langue, idioma, lingua, bahasa, 语言, 言語, 언어, язык",
    country="country, country_code, reviewer_country, land, pays, país, paese, negara, 国家, 国, 국가, страна",
    verified="verified, verified_purchase, verified_buyer, is_verified, verifiziert, vérifié, verificado, 已验证",
    consent="consent, may_train, training_consent, einwilligung, consentement, consentimiento, 同意",
    source_id="id, review_id, source_id, external_id, uuid, bewertungs_id, 评论id, 评价id, 编号",
    state="state, status, review_status",
)  # fmt: skip


def key_of(header: str) -> str:
    """A header for comparing: lower case, one underscore between words."""
    return re.sub(r"[\s_.]+", "_", clean_line(header).casefold()).strip("_")


@lru_cache(maxsize=1)
def _choices() -> list[str]:
    # Short names match too much by letters alone.
    return [name for name in NAMES if len(name) >= 5]


def field_of(header: str) -> str:
    """The field that an unknown table's column most likely holds; "ignore" where nothing is near."""
    key = key_of(header)
    if key in NAMES:
        return NAMES[key]
    best = process.extractOne(key, _choices(), scorer=fuzz.ratio, score_cutoff=86)
    return NAMES[best[0]] if best else "ignore"


def detect(headers: list[str]) -> tuple[str, dict[str, str]]:
    """(name of the shape, header → field) proposed for these headers; every header is in it.

    A shape is told by headers that only it has together. A field comes from one column, the likeliest, except those
    that several may feed; of several that could name the product all are proposed, the likeliest first.
    """
    keys = {header: key_of(header) for header in headers}
    names = set(keys.values())
    shape = next((name for name, s in SHAPES.items() if any(tell <= names for tell in s.tells)), "generic")
    known = SHAPES[shape].columns
    mapping = {header: known.get(key, "ignore") if known else field_of(header) for header, key in keys.items()}
    ranks = {header: i for i, header in enumerate(known or NAMES)}
    for field in FIELDS:
        if field in SEVERAL or field in ("product_ref", "ignore"):
            continue
        rivals = sorted((h for h in headers if mapping[h] == field), key=lambda h: ranks.get(keys[h], len(ranks)))
        for header in rivals[1:]:
            mapping[header] = "ignore"
    return shape, mapping


def columns_of(mapping: dict[str, str], shape: str) -> dict[str, list[str]]:
    """field → its columns, the likeliest first; what is left out isn't there."""
    ranks = {header: i for i, header in enumerate(SHAPES[shape].columns or NAMES)}
    out: dict[str, list[str]] = {}
    for header in sorted(mapping, key=lambda h: ranks.get(key_of(h), len(ranks))):
        if mapping[header] != "ignore":
            out.setdefault(mapping[header], []).append(header)
    return out
