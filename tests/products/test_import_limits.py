"""Values that are too long, too large or impossible: each is named by line and column, none breaks a run."""

import pytest

from products.models import Product, Variant
from tests.factories import import_now, make_product

pytestmark = pytest.mark.django_db
HEAD = (
    "Handle,Title,Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,Variant Barcode,Variant Price,"
    "Variant Compare At Price,Variant Inventory Qty,Variant Grams,Image Src,Image Position,Image Alt Text,SEO Title,"
    "Google Shopping / Condition,Google Shopping / MPN,Price / Mars\n"
)
NAMES = HEAD.strip().split(",")


def row(**cells: str) -> str:
    """A sound row with some cells replaced, by header with underscores."""
    values = dict.fromkeys(NAMES, "") | {
        "Handle": "mug", "Title": "Mug", "Variant SKU": "M-1", "Variant Price": "5.00", "Option1 Name": "Color",
        "Option1 Value": "Red", "Image Src": "https://shop.example/a.jpg",
    }  # fmt: skip
    values |= cells
    return ",".join(f'"{values[name]}"' for name in NAMES) + "\n"


SOUND = row(Handle="bowl", Title="Bowl", **{"Variant SKU": "B-1"})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Variant Price", "99999999999999999"),
        ("Variant Price", "1e400"),
        ("Variant Price", "NaN"),
        ("Variant Compare At Price", "123456789012345"),
        ("Price / Mars", "123456789012345"),
        ("Variant Inventory Qty", "99999999999"),
        ("Variant Inventory Qty", "-99999999999"),
        ("Variant Inventory Qty", "Infinity"),
        ("Variant Grams", "999999999999999"),
    ],
)
def test_a_number_beyond_all_sense_rejects_its_row_alone(store, column, value):
    run = import_now(store, HEAD + row(**{column: value}) + SOUND)
    assert run.status == "done"
    issue = run.issues.get(severity="error")
    assert (issue.line, issue.column, issue.value) == (2, column, value)
    assert list(Product.objects.values_list("handle", flat=True)) == ["bowl"]


@pytest.mark.parametrize("position", ["²", "99999999999", "-1", "first"])
def test_a_position_that_is_no_number_puts_the_picture_in_file_order(store, position):
    run = import_now(store, HEAD + row(**{"Image Position": position}))
    assert run.status == "done"
    assert [i.position for i in Product.objects.get().images.all()] == [1]


@pytest.mark.parametrize(
    "column",
    [
        "Handle", "Title", "Vendor", "Type", "Tags", "Option1 Value", "Option1 Name", "Variant SKU", "Image Alt Text",
        "SEO Title", "Google Shopping / Condition", "Google Shopping / MPN", "Image Src",
    ],
)  # fmt: skip
def test_a_text_beyond_its_columns_length_is_cut_with_a_warning_and_stays_so(store, column):
    data = HEAD + row(**{column: "x" * 2500}) + SOUND
    run = import_now(store, data)
    assert (run.status, run.counts["created"]) == ("done", 2)
    issue = run.issues.get(code="too_long")
    assert (issue.line, issue.column) == (2, column)
    again = import_now(store, data)
    assert (again.counts["created"], again.counts["changed"]) == (0, 0)


def test_characters_that_no_text_may_hold_are_dropped(store):
    run = import_now(store, HEAD + row(Title="Mu\0g", Tags="a\0b") + SOUND)
    assert (run.status, run.counts["created"]) == ("done", 2)
    assert Product.objects.get(handle="mug").title == "Mug"


def test_a_brand_and_a_category_of_great_length_are_kept_as_far_as_they_go(store):
    head = "ID,Type,SKU,Name,Published,Regular price,Categories,Brands\n"
    data = head + f'1,simple,S,Mug,1,5,"{"c" * 400} > {"d" * 900}","{"b" * 300}"\n'
    run = import_now(store, data)
    assert (run.status, run.counts["created"]) == ("done", 1)
    product = Product.objects.get()
    assert product.brand.name == "b" * 200 and product.category is not None
    assert import_now(store, data).counts["changed"] == 0


def test_many_new_products_of_one_long_title_get_handles_of_their_own(store):
    head = "Artikelnummer,Bezeichnung,Preis\n"
    run = import_now(store, head + "".join(f"A-{i},{'ä' * 400},5\n" for i in range(3)), filename="t.csv")
    assert run.status == "done"
    assert len(set(Product.objects.values_list("handle", flat=True))) == run.counts["created"]


def test_a_product_without_price_that_is_active_stays_so_through_the_round_trip(store):
    from products import catalogue_export

    product = make_product(store, "Free", sku="F", handle="free")
    Variant.objects.filter(product=product).update(stock=None)
    product.variants.get().prices.all().delete()
    data = b"".join(catalogue_export.export(store, "shopify"))
    assert import_now(store, data).counts["changed"] == 0
    product.refresh_from_db()
    assert product.status == "active"
