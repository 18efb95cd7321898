"""Each export's file is read again by other code than wrote it, and held against the channel's rules as they stand here."""

import csv
import io
import json
import random
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from django.utils import timezone

from ecomai.lib.formulas import restore
from products.ad_exports import registry
from products.ad_exports.source import Choice
from products.models import (
    AdAsset,
    Arm,
    ArmText,
    Brand,
    Category,
    ChannelRule,
    CopyBatch,
    CopyRequest,
    Experiment,
    Price,
    Product,
    ProductImage,
    ProductInTest,
    PublishedText,
    Variant,
)  # fmt: skip
from tests.factories import make_product

pytestmark = pytest.mark.django_db
MARK = "trained_algorithmic_media"


# --- makers
@pytest.fixture
def store(store):
    store.url = "https://alice.example"
    store.save()
    return store


@pytest.fixture
def mug(store) -> Product:
    product = make_product(
        store, "Stoneware mug", sku="M-1", handle="mug", external_id="1001", description_text="Glazed clay.",
        brand=Brand.objects.create(store=store, name="Terra"), tags=["dishwasher-safe", "tea"],
        category=Category.objects.create(store=store, name="Mugs", path="Kitchen > Mugs"),
    )  # fmt: skip
    Variant.objects.filter(product=product).update(gtin="0012345678905")
    ProductImage.objects.create(store=store, product=product, url="https://alice.example/mug.jpg")
    return product


def approve(product: Product, field: str, *texts: str, locale="en", human=False, batch=None) -> list[AdAsset]:
    order = CopyRequest.objects.create(store=product.store, product=product, locale=locale, tone="neutral", batch=batch)
    return [
        AdAsset.objects.create(
            store=product.store, request=order, product=product, field=field, locale=locale, tone="neutral", angle="use",
            position=n, text=text, machine_text="the model's" if human else text, inputs_hash="h", model_label="house-copy",
            origin="human" if human else "machine", status="approved", decided_at=timezone.now(),
        )
        for n, text in enumerate(texts, 1)
    ]  # fmt: skip


HEADLINES = ("Mugs of glazed stoneware", "For tea and coffee", "Safe in the dishwasher")
DESCRIPTIONS = ("A mug of glazed stoneware that keeps tea warm.", "It goes into the dishwasher, day after day.")


def write(store, export: str, locale="en", **more) -> str:
    more.setdefault("product_type", "drinking_cup")
    return b"".join(registry.write(store, Choice(export, locale, **more))).decode()


def check(store, export: str, locale="en", **more) -> registry.Report:
    more.setdefault("product_type", "drinking_cup")
    return registry.check(store, Choice(export, locale, **more), shown=10_000)


def found(report: registry.Report) -> set[tuple[str, str, str]]:
    return set(report.reasons)


# --- readers that share no code with the exports
def read_ads(text: str) -> list[dict]:
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text[1:], newline=""), strict=True))
    for row in rows:
        assert None not in row and None not in row.values()
    return rows


def read_table(text: str, delimiter: str) -> list[dict]:
    assert not text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    for row in rows:
        assert None not in row and None not in row.values()
    return rows


def read_amazon(text: str) -> list[dict]:
    lines = text.split("\r\n")
    assert lines[-1] == "" and lines[0].startswith("TemplateType=fptcustom\tVersion=")
    table = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
    widths = {len(row) for row in table}
    assert len(widths) == 1 and table[1][1] == "Seller SKU" and table[2][1] == "item_sku"
    return [dict(zip(table[2], row, strict=True)) for row in table[3:]]


G = "{http://base.google.com/ns/1.0}"


def read_xml(text: str) -> list[dict]:
    items = []
    for item in ElementTree.fromstring(text.encode()).iter("item"):
        row = {}
        for element in item:
            name = element.tag.removeprefix(G)
            assert name not in row
            if name.startswith("structured_"):
                assert element.find(f"{G}digital_source_type").text == MARK
                row[name] = element.find(f"{G}content").text
            else:
                row[name] = element.text
        items.append(row)
    return items


# --- the channels' rules, written down a second time
def width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text
    )


def no_formula(cells) -> None:
    for cell in cells:
        if cell and cell[0] in "=+-@\t\r＝＋－＠":
            assert re.fullmatch(r"[+-]?\d[\d.,]*%?", cell), cell
        assert not re.search(r"[\x00-\x1f\ufffe\uffff]", cell), repr(cell)


def check_ads(rows: list[dict]) -> None:
    for row in rows:
        no_formula(row.values())
        heads = [row[f"Headline {n}"] for n in range(1, 16) if row[f"Headline {n}"]]
        descriptions = [row[f"Description {n}"] for n in range(1, 5) if row[f"Description {n}"]]
        assert 3 <= len(heads) <= 15 and len({h.casefold() for h in heads}) == len(heads)
        assert 2 <= len(descriptions) <= 4
        assert all(width(h) <= 30 and "!" not in h and not set("{}") & set(h) for h in heads)
        assert all(width(d) <= 90 and not set("{}") & set(d) for d in descriptions)
        assert all(width(row[p]) <= 15 and "/" not in row[p] for p in ("Path 1", "Path 2"))
        assert not any(unicodedata.category(c) == "So" and ord(c) > 0x1F000 for t in heads + descriptions for c in t)
        assert row["Campaign"] and row["Ad Group"] and row["Ad type"] == "Responsive search ad"
        assert re.match(r"https?://\S+$", row["Final URL"]) and row["Status"] in ("Paused", "Enabled")
    assert len({row["Ad Group"] for row in rows}) == len(rows)


def check_merchant(rows: list[dict]) -> None:
    for row in rows:
        for name, most in (("title", 150), ("description", 5000)):
            plain, made = row.get(name) or "", row.get(f"structured_{name}") or ""
            assert bool(plain) != bool(made), "the plain field wins over the structured one: one of them alone"
            assert len(plain or made) <= most
        assert row["id"] and len(row["id"]) <= 50 and len(row.get("brand") or "") <= 70
        assert row["availability"] in ("in_stock", "out_of_stock", "backorder")
        assert row["condition"] in ("new", "refurbished", "used")
        for name in ("link", "image_link"):
            assert re.match(r"https?://\S+$", row[name])
        amount, currency = row["price"].split(" ")
        assert Decimal(amount) > 0 and re.fullmatch("[A-Z]{3}", currency)
        assert check_digit(row.get("gtin") or "")


def plain_structured(row: dict) -> dict:
    """A table's structured cells as their texts, by Google's quoting: mark, colon, text in doubled quotes."""
    for name in ("structured_title", "structured_description"):
        if row[name]:
            inside = re.fullmatch(MARK + r':"((?:[^"]|"")*)"', row[name])
            assert inside, row[name]
            row[name] = inside[1].replace('""', '"')
    return row


def check_digit(gtin: str) -> bool:
    if not gtin:
        return True
    digits = [int(c) for c in gtin]
    weighted = sum(d * (3 if i % 2 else 1) for i, d in enumerate(reversed(digits)))
    return len(gtin) in (8, 12, 13, 14) and weighted % 10 == 0


def check_meta(rows: list[dict]) -> None:
    for row in rows:
        no_formula(row.values())
        for name, most in (("id", 100), ("title", 200), ("description", 9999)):
            assert 0 < len(row[name]) <= most
        assert row["availability"] in ("in stock", "out of stock", "available for order")
        assert row["condition"] in ("new", "refurbished", "used") and re.fullmatch(r"\d+\.?\d* [A-Z]{3}", row["price"])
        assert row["brand"] or row["gtin"] or row["mpn"]
        assert len(row["brand"]) <= 100 and check_digit(row["gtin"])
        assert row["link"].startswith("http") and row["image_link"].startswith("http")


SMALL = set(
    "a an the and or of for in on with to y de la el en con und mit für der die das aus et le pour avec".split()
)


def check_amazon(rows: list[dict]) -> None:
    for row in rows:
        no_formula(row.values())
        assert row["item_sku"] and len(row["item_sku"]) <= 40 and row["brand_name"] and row["main_image_url"]
        assert 0 < len(row["item_name"]) <= 75 and not set("!$?_{}^¬¦") & set(row["item_name"])
        words = Counter(re.findall(r"[^\W\d_]{2,}", row["item_name"].casefold()))
        assert all(n <= 2 for word, n in words.items() if word not in SMALL)
        assert len(row["generic_keywords"].encode()) < 250
        assert all(len(row[f"bullet_point{n}"]) <= 255 for n in range(1, 6))
        assert len(row["product_description"]) <= 2000 and not set("<>") & set(row["product_description"])
        if row["parent_child"] != "Parent":
            assert Decimal(row["standard_price"]) > 0 and check_digit(row["external_product_id"])
            assert bool(row["external_product_id"]) == bool(row["external_product_id_type"])
    assert len({row["item_sku"] for row in rows}) == len(rows)
    parents = {row["item_sku"] for row in rows if row["parent_child"] == "Parent"}
    assert {row["parent_sku"] for row in rows if row["parent_sku"]} == parents


LIMITS = {"google_rsa.headline": (width, 30), "google_rsa.description": (width, 90), "google_merchant.title": (len, 150),
          "google_merchant.description": (len, 5000), "meta.primary_text": (len, 125), "meta.headline": (len, 40),
          "amazon.title": (len, 75), "amazon.bullet": (len, 255), "seo.title": (width, 60),
          "seo.description": (width, 155)}  # fmt: skip


def unquoted(cell: str) -> str:
    """Without the one apostrophe before what a spreadsheet would run."""
    return cell[1:] if re.match("'+[=+@＝＋－＠-]", cell) else cell


def check_copy(rows: list[dict]) -> None:
    for row in rows:
        count, most = LIMITS[row["field"]]
        assert 0 < count(row["text"]) == int(row["length"]) <= int(row["limit"]) == most
        assert row["written_by"] in ("machine", "human") and datetime.fromisoformat(row["approved_at"])


# --- one export after the other
def test_search_ads_go_to_the_editor_with_paths_address_and_pins(store, mug):
    approve(mug, "google_rsa.headline", *HEADLINES)
    approve(mug, "google_rsa.description", *DESCRIPTIONS)
    (row,) = read_ads(write(store, "google_ads", campaign="Autumn", pin=True))
    check_ads([row])
    assert (row["Campaign"], row["Ad Group"], row["Status"]) == ("Autumn", "mug", "Paused")
    assert [row[f"Headline {n}"] for n in (1, 2, 3, 4)] == [*HEADLINES, ""]
    assert (row["Headline 1 position"], row["Headline 2 position"], row["Description 1 position"]) == ("1", "", "1")
    assert (row["Path 1"], row["Path 2"], row["Final URL"]) == ("Kitchen", "Mugs", "https://alice.example/products/mug")
    assert check(store, "google_ads").rows == 1 and not check(store, "google_ads").reasons


def test_an_ad_with_too_few_texts_is_left_out_and_every_fault_is_named(store, mug):
    approve(
        mug,
        "google_rsa.headline",
        "Mug",
        "mug",
        "A mug that is far too long to fit",
        "Buy now!",
        "Tea ☕️ time 🎉",
        "=1+1",
    )
    approve(mug, "google_rsa.description", *DESCRIPTIONS)
    report = check(store, "google_ads")
    assert (report.rows, report.out, report.texts) == (0, 1, 5)
    assert found(report) == {
        ("text", "Headline", "same_text"), ("text", "Headline", "too_long"), ("text", "Headline", "banned"),
        ("text", "Headline", "emoji"), ("text", "Headline", "formula"), ("item", "Headline", "too_few"),
    }  # fmt: skip
    reasons = [problem.reason for problem in report.problems]
    assert (
        "33 of at most 30 display width (wide characters count 2)" in reasons
        and "only 1, where the channel wants 3 texts or more" in reasons
    )
    assert read_ads(write(store, "google_ads")) == []


def test_wide_characters_count_double_in_search_ads(store, mug):
    approve(
        mug,
        "google_rsa.headline",
        "炻器马克杯可用洗碗机清洗方便",
        "炻器马克杯三百五十毫升可用洗碗机",
        *HEADLINES,
        locale="de",
    )
    approve(mug, "google_rsa.description", *DESCRIPTIONS, locale="de")
    (row,) = read_ads(write(store, "google_ads", "de"))
    assert row["Headline 1"] == "炻器马克杯可用洗碗机清洗方便" and row["Headline 2"] == HEADLINES[0]
    assert "32 of at most 30" in check(store, "google_ads", "de").problems[0].reason


def test_more_texts_than_the_ad_takes_are_named_and_the_newest_order_goes_first(store, mug):
    approve(mug, "google_rsa.headline", *(f"Old headline {n:02}" for n in range(10)))
    approve(mug, "google_rsa.headline", *(f"New headline {n:02}" for n in range(10)))
    approve(mug, "google_rsa.description", *DESCRIPTIONS)
    (row,) = read_ads(write(store, "google_ads"))
    assert [row["Headline 1"], row["Headline 11"], row["Headline 15"]] == [
        "New headline 00",
        "Old headline 00",
        "Old headline 04",
    ]
    (problem,) = check(store, "google_ads").problems
    assert problem.level == "note" and problem.reason.startswith("20 texts, of which the channel takes 15")


def test_an_administrators_rule_decides_what_is_exported(store, mug):
    approve(mug, "google_rsa.headline", *HEADLINES)
    approve(mug, "google_rsa.description", *DESCRIPTIONS)
    ChannelRule.objects.create(key="google_rsa.headline", unit="width", limit=20, minimum=1, most=15, least=3,
                               banned="", source="s", checked_on="2026-11-01")  # fmt: skip
    assert ("item", "Headline", "too_few") in found(check(store, "google_ads"))


def test_an_unapproved_text_and_one_in_another_language_are_in_no_file(store, mug):
    (asset,) = approve(mug, "google_merchant.title", "Not yet approved")
    AdAsset.objects.filter(pk=asset.pk).update(status="proposed")
    approve(mug, "google_merchant.title", "Becher aus Steinzeug", locale="de")
    for export in registry.EXPORTS:
        text = write(store, export, approved_only=False)
        assert "Not yet" not in text and "Becher" not in text, export


def test_the_merchant_feed_marks_what_the_model_wrote_in_table_and_xml(store, mug):
    approve(mug, "google_merchant.title", 'Mug, "Terra": glazed')
    approve(mug, "google_merchant.description", "By hand: glazed.", human=True)
    (table,) = read_table(write(store, "merchant_tsv"), "\t")
    assert table["structured_title"] == MARK + ':"Mug, ""Terra"": glazed"' and table["title"] == ""
    assert (table["description"], table["structured_description"]) == ("By hand: glazed.", "")
    assert (table["gtin"], table["price"], table["availability"]) == ("0012345678905", "16.90 EUR", "in_stock")
    check_merchant([plain_structured(table)])
    (xml,) = read_xml(write(store, "merchant_xml"))
    check_merchant([xml])
    assert xml["structured_title"] == 'Mug, "Terra": glazed' and "title" not in xml


def test_a_feed_in_another_language_holds_only_what_has_texts_in_it(store, mug):
    report = check(store, "merchant_xml", "de", approved_only=False)
    assert found(report) == {("item", "title", "no_copy"), ("item", "description", "no_copy")} and report.rows == 0
    approve(mug, "google_merchant.title", "Becher aus Steinzeug", locale="de")
    approve(mug, "google_merchant.description", "Ein Becher aus glasiertem Steinzeug.", locale="de")
    (row,) = read_xml(write(store, "merchant_xml", "de"))
    assert row["structured_title"] == "Becher aus Steinzeug" and "Glazed" not in str(row)


def test_a_published_title_of_the_model_is_marked_and_a_persons_later_one_is_not(store, mug):
    (asset,) = approve(mug, "google_merchant.title", "Mug of the model")
    AdAsset.objects.filter(pk=asset.pk).update(status="rejected")
    Product.objects.filter(pk=mug.pk).update(title="Mug of the model")
    PublishedText.objects.create(
        store=store, product=mug, field="title", locale="en", text="Mug of the model", asset=asset
    )
    assert read_xml(write(store, "merchant_xml"))[0]["structured_title"] == "Mug of the model"
    Product.objects.filter(pk=mug.pk).update(title="Mug of Alice")
    (row,) = read_xml(write(store, "merchant_xml"))
    assert row["title"] == "Mug of Alice" and "structured_title" not in row


def test_a_feed_test_shows_its_text_and_the_control_the_listing(store, mug, monkeypatch):
    other = make_product(store, "Second mug", sku="M-2", handle="second", description_text="Clay.", brand=mug.brand)
    ProductImage.objects.create(store=store, product=other, url="https://alice.example/second.jpg")
    start = datetime(2026, 11, 2, 9, tzinfo=UTC)
    test = Experiment.objects.create(store=store, name="Titles", unit="product", mode="fixed", status="running",
                                     started_at=start, period_days=7, washout_days=2)  # fmt: skip
    control = Arm.objects.create(store=store, experiment=test, position=0, name="Now", is_control=True)
    variant = Arm.objects.create(store=store, experiment=test, position=1, name="New")
    for product, arm in ((mug, variant), (other, control)):
        (asset,) = approve(product, "google_merchant.title", f"New title of {product.handle}")
        ArmText.objects.create(store=store, arm=variant, product=product, field="google_merchant.title", locale="en",
                               text=asset.text, asset=asset)  # fmt: skip
        ProductInTest.objects.create(store=store, experiment=test, product=product, arm=arm)

    def titles(day: int) -> list[str | None]:
        monkeypatch.setattr(timezone, "now", lambda: start + timedelta(days=day))
        return [row.get("structured_title") for row in read_xml(write(store, "merchant_xml"))]

    assert titles(1) == ["New title of mug", None], "the control must not show what was approved for the variant"
    assert titles(9) == [None, "New title of second"], "after the swap it is the other way round"
    Experiment.objects.update(status="finished")
    assert titles(9) == ["New title of mug", "New title of second"]


def test_the_meta_catalogue_speaks_metas_words(store, mug):
    approve(mug, "google_merchant.title", "Mug of glazed stoneware")
    Variant.objects.filter(product=mug).update(stock=0, backorder="continue")
    (row,) = read_table(write(store, "meta"), ",")
    check_meta([row])
    assert (row["availability"], row["price"], row["title"]) == (
        "available for order",
        "16.90 EUR",
        "Mug of glazed stoneware",
    )
    assert (row["description"], row["gtin"], row["id"]) == ("Glazed clay.", "0012345678905", "1001")


def test_the_amazon_file_has_its_header_search_terms_in_bytes_and_no_banned_sign(store, mug):
    approve(mug, "amazon.title", "Stoneware mug by Terra")
    approve(mug, "amazon.bullet", "Keeps tea warm", "Safe in the dishwasher")
    Product.objects.filter(pk=mug.pk).update(attributes={f"a{n}": f"größenwort{n:02}" for n in range(40)})
    text = write(store, "amazon")
    (row,) = read_amazon(text)
    check_amazon([row])
    assert text.splitlines()[0].split("\t")[2] == "TemplateSignature=RFJJTktJTkdfQ1VQ"
    assert (row["feed_product_type"], row["item_sku"], row["standard_price"], row["quantity"]) == (
        "drinking_cup",
        "M-1",
        "16.90",
        "5",
    )
    assert (row["external_product_id"], row["external_product_id_type"]) == ("0012345678905", "EAN")
    assert (row["bullet_point1"], row["bullet_point2"], row["bullet_point3"]) == (
        "Keeps tea warm",
        "Safe in the dishwasher",
        "",
    )
    terms = row["generic_keywords"]
    assert "dishwasher" in terms and "stoneware" not in terms and 235 < len(terms.encode()) < 250
    assert re.fullmatch(r"(\S+ )*größenwort\d\d", terms), "no word is cut"


@pytest.mark.parametrize(
    ("title", "code"),
    [("Mug?", "banned"), ("Mug mug MUG", "overused"), ("M" * 76, "too_long"), ("@mug", "formula")],
)
def test_an_amazon_title_against_the_rules_keeps_the_article_out(store, mug, title, code):
    Product.objects.filter(pk=mug.pk).update(title=title)
    report = check(store, "amazon", approved_only=False)
    assert (
        found(report) == {("item", "item_name", code)}
        and read_amazon(write(store, "amazon", approved_only=False)) == []
    )


def test_variants_of_size_and_colour_stand_under_a_parent_on_amazon(store, mug):
    Product.objects.filter(pk=mug.pk).update(options=[{"name": "Colour", "values": ["Red", "Blue"]}])
    first = mug.variants.get()
    Variant.objects.filter(pk=first.pk).update(option_values=["Red"])
    second = Variant.objects.create(
        store=store, product=mug, sku="M-2", position=2, option_values=["Blue"], gtin="4006381333931"
    )
    Price.objects.create(store=store, variant=second, currency="EUR", amount=Decimal("18"))
    rows = read_amazon(write(store, "amazon", approved_only=False))
    check_amazon(rows)
    assert [(r["parent_child"], r["color_name"], r["standard_price"]) for r in rows] == [
        ("Parent", "", ""), ("Child", "Red", "16.90"), ("Child", "Blue", "18.00"),
    ]  # fmt: skip
    assert {r["variation_theme"] for r in rows} == {"Color"}
    Product.objects.filter(pk=mug.pk).update(options=[{"name": "Motif", "values": ["Cat", "Dog"]}])
    rows = read_amazon(write(store, "amazon", approved_only=False))
    assert [r["parent_child"] for r in rows] == ["", ""]
    assert ("note", "variation_theme", "single") in found(check(store, "amazon", approved_only=False))


def test_missing_columns_are_named_for_each_channel(store):
    store.url = ""
    store.save()
    make_product(store, "Bare", price=None, handle="bare")
    wanted = {
        "merchant_tsv": {"link", "image_link", "price", "description"},
        "meta": {"link", "image_link", "price", "description", "brand"},
        "amazon": {"brand_name"},
        "google_ads": {"Final URL"},
    }
    for export, columns in wanted.items():
        report = check(store, export, approved_only=False)
        assert {column for level, column, code in report.reasons if code == "missing"} == columns, export
        assert report.out == 1 and report.rows == 0


def test_a_wrong_gtin_is_left_out_and_named(store, mug):
    Variant.objects.update(gtin="0012345678901")
    assert read_table(write(store, "meta", approved_only=False), ",")[0]["gtin"] == ""
    assert ("text", "gtin", "bad_gtin") in found(check(store, "meta", approved_only=False))
    report = check(store, "amazon", approved_only=False)
    assert ("item", "external_product_id", "missing") in found(report)
    (row,) = read_amazon(write(store, "amazon", approved_only=False, gtin_exempt=True))
    assert row["external_product_id"] == ""


def test_a_long_description_of_the_catalogue_is_shortened_between_words_and_said_so(store, mug):
    Product.objects.filter(pk=mug.pk).update(description_text="Glazed stoneware for every day. " * 400)
    for export in ("merchant_xml", "meta", "amazon"):
        report = check(store, export, approved_only=False)
        ((_level, _column, code),) = found(report)
        assert code == "shortened" and report.rows == 1, export
    (row,) = read_xml(write(store, "merchant_xml", approved_only=False))
    assert row["description"].endswith("every day.") and 4960 < len(row["description"]) <= 5000


def test_a_text_of_copy_is_never_shortened(store, mug):
    approve(mug, "google_merchant.description", "x" * 5001)
    assert found(check(store, "merchant_xml")) == {("item", "description", "too_long")}


def test_a_leading_hyphen_becomes_a_dash_and_is_said_so(store, mug):
    Product.objects.filter(pk=mug.pk).update(description_text="- made of clay\n- glazed")
    (row,) = read_table(write(store, "meta", approved_only=False), ",")
    assert row["description"] == "– made of clay - glazed"
    assert found(check(store, "meta", approved_only=False)) == {("note", "description", "dash")}


def test_all_texts_come_as_csv_and_json_with_their_provenance(store, mug):
    approve(mug, "seo.title", "=Mug & more")
    approve(mug, "meta.headline", "Glazed by hand", human=True)
    rows = list(csv.DictReader(io.StringIO(write(store, "copy_csv"), newline="")))
    assert [(r["field"], r["written_by"], r["model"]) for r in rows] == [
        ("meta.headline", "human", "house-copy"), ("seo.title", "machine", "house-copy"),
    ]  # fmt: skip
    assert rows[1]["text"] == "'=Mug & more" and restore(rows[1]["text"]) == "=Mug & more"
    plain = json.loads(write(store, "copy_json"))
    assert plain[1]["text"] == "=Mug & more" and plain[1]["limit"] == 60 and plain[1]["product_id"] == mug.pk
    check_copy(plain)


def test_a_bulk_order_and_words_narrow_the_file(store, mug):
    other = make_product(store, "Oak board", handle="board")
    batch = CopyBatch.objects.create(store=store)
    approve(mug, "seo.title", "Mug of stoneware", batch=batch)
    approve(other, "seo.title", "Board of oak")
    assert len(json.loads(write(store, "copy_json"))) == 2
    assert [r["text"] for r in json.loads(write(store, "copy_json", batch=batch.pk))] == ["Mug of stoneware"]
    assert [r["text"] for r in json.loads(write(store, "copy_json", query="oak"))] == ["Board of oak"]
    assert json.loads(write(store, "copy_json", ids=(0,))) == []


# --- nasty products
PIECES = (
    ["", " ", "=1+1", "=cmd|' /C calc'!A0", "+49 30 123", "-", "- point", "@SUM(A1)", "\t=1", "＝1", "'", "''=x", '"', '""', "''", "[]", "{KeyWord:x}"]
    + ["\n", "\r\n", "\u2028", "\x01\x02", "\x0b", "\x7f", "\x85", "\ufffe", "\uffff", "\ufeff=1", "\u200b=1", "\u200d", "\u202egnp.exe", "\u0000".replace("\0", "\x1f")]
    + ["😀", "👩‍👩‍👧‍👦" * 12, "☕️", "ﾊﾝｶｸ", "مرحبا بالعالم", "שלום", "炻器马克杯", "日本語のマグカップ", "e\u0301" * 40, "a\u0300\u0301\u0302" * 60]
    + ["<script>alert(1)</script>", "]]>", "&amp;", "<!--", "a,b;c\td", "word " * 40, "x" * 10_000, "Größe " * 1000, "!!!", "FREE!!!", "50% off", "{}", "¬¦^", "http://", "null", "None"]
    + ["Mug", "Stoneware mug", "A mug for tea", "Becher", "Glazed by hand", "Safe in the dishwasher", "Made of clay"]
)  # fmt: skip


def nasty(rng: random.Random, most: int = 10_500) -> str:
    text = rng.choice(["", " ", ", "]).join(rng.choice(PIECES) for _ in range(rng.randint(0, 4)))
    return text[:most]


def fill(store, rng: random.Random, count: int) -> None:
    """Products of which each value is nasty now and then, so that many get past all checks but one."""

    def odd(good, *bad):
        return rng.choice(bad) if rng.random() < 0.15 else good

    def text(good: str, most: int = 10_500) -> str:
        return nasty(rng, most) if rng.random() < 0.3 else good

    now = timezone.now()
    brands = Brand.objects.bulk_create(Brand(store=store, name=f"{text('Terra', 150)}{n}") for n in range(20))
    categories = Category.objects.bulk_create(
        Category(store=store, name=text("Mugs", 200), path=f"{text('Kitchen', 300)} > {n}{text('Mugs', 200)}")
        for n in range(20)
    )
    names = ["Color", "size", "Farbe", "Motif", "", "=x"]
    products = Product.objects.bulk_create(
        Product(
            store=store, handle=f"{text('mug', 200)}{n}", external_id=odd("", f"{n}", f"{nasty(rng, 80)}{n}"),
            title=text("Stoneware mug", 500), status="active", brand=odd(rng.choice(brands), None),
            condition=odd("new", "used", "", "=x", "neu"), category=odd(rng.choice(categories), None),
            product_type=text("", 200), google_category=text("", 400), currency=odd("EUR", "JPY", ""),
            tags=[text("tea", 200) for _ in range(rng.randint(0, 4))], description_text=text("Made of clay."),
            attributes={nasty(rng, 50): nasty(rng, 300) for _ in range(rng.randint(0, 4))} | {"Gender": text("unisex", 20)},
            link=odd("", "https://x.example/é", "javascript:alert(1)", "https://x.example/a b", nasty(rng, 500)),
            options=[{"name": rng.choice(names), "values": []} for _ in range(odd(0, 1, 2, 3))],
        )
        for n in range(count)
    )  # fmt: skip
    variants = Variant.objects.bulk_create(
        Variant(
            store=store, product=product, position=n, sku=odd(f"S{product.pk}-{n}", None, f"{nasty(rng, 60)}-{product.pk}-{n}"),
            gtin=odd("4006381333931", "", "0012345678905", "1.2E+12", "=12"), mpn=text("", 90), stock=odd(7, None, -3, 0),
            option_values=[f"{text('Red', 200)}{n}" for _ in product.options] or [str(n)],
            backorder=rng.choice(["deny", "continue"]), image_url=odd("", "https://x.example/1.jpg", nasty(rng, 300)),
        )
        for product in products
        for n in range(rng.choice([0, 1, 1, 1, 1, 2, 3]))
    )  # fmt: skip
    Price.objects.bulk_create(
        Price(store=store, variant=v, currency=odd(v.product.currency, "EUR", "JPY", ""), market=odd("", "US"),
              amount=odd(Decimal("9.9900"), Decimal("0"), Decimal("1E+9"), Decimal("0.0001")),
              compare_at=rng.choice([None, Decimal("12")]))
        for v in variants if rng.random() < 0.95
    )  # fmt: skip
    ProductImage.objects.bulk_create(
        ProductImage(store=store, product=p, position=n, url=f"{odd('https://x.example/a,b.jpg?', nasty(rng, 900), '')}{n}")
        for p in products for n in range(odd(2, 0, 1, 15))
    )  # fmt: skip
    orders = CopyRequest.objects.bulk_create(
        CopyRequest(store=store, product=p, locale="en", tone="neutral") for p in products if rng.random() < 0.8
    )
    fields = list(LIMITS)
    good = {"google_rsa.headline": HEADLINES, "google_rsa.description": DESCRIPTIONS}
    assets = []
    for order in orders:
        for field in fields:
            texts = [
                nasty(rng) or "x" for _ in range(rng.choice([0, 1, 2, 18] if field.endswith("headline") else [0, 1, 6]))
            ]
            texts += good.get(field, ()) if rng.random() < 0.7 else ()
            for n, text in enumerate(texts, 1):
                machine = rng.random() < 0.5
                assets.append(AdAsset(
                    store=store, request=order, product_id=order.product_id, field=field, locale="en", tone="neutral",
                    angle="use", position=n, text=text, machine_text=text if machine else "", origin="machine" if machine else "human",
                    model_label=nasty(rng, 100), inputs_hash="h", status="approved", decided_at=rng.choice([now, now]),
                ))  # fmt: skip
    AdAsset.objects.bulk_create(assets)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_nasty_products_break_no_export(store):
    fill(store, random.Random(20261127), 1000)
    readers = {
        "google_ads": (read_ads, check_ads), "merchant_xml": (read_xml, check_merchant),
        "merchant_tsv": (lambda text: [plain_structured(row) for row in read_table(text, "\t")], check_merchant),
        "meta": (lambda text: read_table(text, ","), check_meta), "amazon": (read_amazon, check_amazon),
        "copy_json": (json.loads, check_copy),
        "copy_csv": (lambda text: [{k: unquoted(v) for k, v in row.items()} for row in read_table(text, ",")], check_copy),
    }  # fmt: skip
    assert set(readers) == set(registry.EXPORTS)
    for export, (read, judge) in readers.items():
        text = write(store, export, approved_only=False)
        rows = read(text)
        judge(rows)
        report = check(store, export, approved_only=False)
        assert report.whole and report.rows == len(rows) >= 100, export
        print(export, len(rows), "rows;", report.out, "left out;", dict(report.reasons.most_common(5)))
        table = read_table(
            b"".join(
                registry.problems_csv(store, Choice(export, "en", approved_only=False, product_type="x"), "en")
            ).decode()[1:],
            ",",
        )
        assert len(table) == sum(report.reasons.values()) and all(row["reason"] for row in table)
        no_formula(cell for row in table for cell in row.values())
    for pk in Product.objects.filter(store=store).order_by("pk").values_list("pk", flat=True)[:1000:40]:
        for export in ("google_ads", "merchant_xml", "meta", "amazon"):
            report = check(store, export, approved_only=False, ids=(pk,))
            assert report.rows or report.out, "no product is missing without a word"
    for row in read_table(write(store, "merchant_tsv", approved_only=False), "\t"):
        no_formula(row.values())
    for row in read_table(write(store, "copy_csv", approved_only=False), ","):
        no_formula(row.values())


def test_memory_does_not_grow_with_the_catalogue(store, django_assert_max_num_queries, monkeypatch):
    from products.ad_exports import source

    monkeypatch.setattr(source, "BATCH", 10)
    for n in range(25):
        make_product(store, f"Mug {n}", handle=f"m{n}")
    pieces = registry.write(store, Choice("meta", "en", approved_only=False))
    with django_assert_max_num_queries(40):  # per batch, not per product
        b"".join(pieces)


# --- pages
PAGES = ("ad-export/", "ad-export/file/", "ad-export/problems.csv")


def test_a_person_chooses_sees_the_report_and_downloads(store, mug, alice, as_user):
    client = as_user(alice)
    page = client.get("/s/alice/").content.decode()
    assert 'href="/s/alice/ad-export/"' in page
    page = client.get("/s/alice/ad-export/").content.decode()
    assert page.count("for-google") == 3 and page.count("for-amazon") == 2, (
        "what one channel asks stands with its format"
    )
    approve(mug, "google_rsa.headline", *HEADLINES, "<b>Far too long & strange</b> a headline")
    approve(mug, "google_rsa.description", *DESCRIPTIONS)
    query = {"export": "google_ads", "locale": "en", "which": "approved", "campaign": "Autumn"}
    page = client.get("/s/alice/ad-export/", query).content.decode()
    assert "1 row is ready." in page and "of at most 30" in page and "&lt;b&gt;Far" in page and "<b>Far" not in page
    assert "/s/alice/ad-export/file/?export=google_ads" in page
    answer = client.get("/s/alice/ad-export/file/", query)
    assert answer["Content-Disposition"] == 'attachment; filename="alice-google-ads-en.csv"'
    (row,) = read_ads(b"".join(answer).decode())
    assert (row["Campaign"], row["Status"], row["Headline 4"]) == ("Autumn", "Enabled", "")
    table = b"".join(client.get("/s/alice/ad-export/problems.csv", query)).decode()
    assert table.count("\r\n") == 2 and "<b>Far too long" in table
    for n in (1, 2):
        approve(make_product(store, f"Bowl {n}"), "google_rsa.headline", *HEADLINES[:n])
    page = client.get("/s/alice/ad-export/", query).content.decode()
    assert page.count("for example: ") == 1 and page.count(">Write ad copy</a>") == 4


@pytest.mark.parametrize(
    "wrong",
    [{"export": "nothing"}, {"locale": "xx"}, {"batch": "7"}, {"export": "amazon"},
     {"export": "amazon", "product_type": "=x"}, {"which": "some"}, {"q": "x" * 201}],
)  # fmt: skip
def test_a_choice_that_makes_no_sense_is_said_so(store, alice, as_user, wrong):
    query = {"export": "meta", "locale": "en", "which": "all"} | wrong
    for page in PAGES:
        answer = as_user(alice).get(f"/s/alice/{page}", query)
        assert answer.status_code == 422 and b"field-error" in answer.content, page


def test_only_who_may_export_and_only_their_own_store(store, other_store, mug, alice, bob, charlie, as_user):
    approve(mug, "seo.title", "Mug of Alice")
    theirs = CopyBatch.objects.create(store=store)
    query = {"export": "copy_json", "locale": "en", "which": "approved"}
    for page in PAGES:
        assert as_user(bob).get(f"/s/alice/{page}", query).status_code == 403
        assert as_user(charlie).get(f"/s/alice/{page}", query).status_code == 404
        assert as_user(alice).post(f"/s/alice/{page}", query).status_code == 405
        assert b"Mug of Alice" not in b"".join(as_user(charlie).get(f"/s/charlie/{page}", query))
        assert as_user(charlie).get(f"/s/charlie/{page}", query | {"batch": theirs.pk}).status_code == 422
    assert b"Mug of Alice" in b"".join(as_user(alice).get("/s/alice/ad-export/file/", query))
    assert json.loads(b"".join(as_user(charlie).get("/s/charlie/ad-export/file/", query))) == []
    assert json.loads(b"".join(registry.write(other_store, Choice("copy_json", "en", ids=(mug.pk,))))) == []


def test_a_large_catalogue_is_checked_in_part_and_the_page_says_so(store, mug):
    make_product(store, "Second mug", handle="second")
    report = registry.check(store, Choice("meta", "en", approved_only=False), first=1)
    assert (report.products, report.checked, report.whole) == (2, 1, False)
