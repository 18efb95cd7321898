"""Every quirk of real shop files: what goes in, and what comes out."""

from decimal import Decimal

import pytest

from ecomai.lib.tablefile import TableError
from products.models import Price, Product, Variant
from tests.factories import import_now, make_import, make_product

pytestmark = pytest.mark.django_db

HEAD = "Handle,Title,Variant SKU,Variant Price\n"


def codes(run) -> set[str]:
    return set(run.issues.values_list("code", flat=True))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_not_part_of_the_first_header(store, encoding):
    run = import_now(store, (HEAD + "tasse,Käsetasse,K-1,4.20\n").encode(encoding))
    assert run.detected["headers"][0] == "Handle"
    assert Product.objects.get(store=store).title == "Käsetasse"


@pytest.mark.parametrize(
    ("encoding", "title"),
    [
        ("cp1252", "Crème brûlée für große Gäste – façade àéîöü"),
        ("cp1251", "Керамическая чашка для чая и кофе"),
        ("gb18030", "手工陶瓷杯子 适合喝茶和咖啡 简约设计"),
        ("shift_jis", "手作りの陶器のカップ お茶とコーヒーに"),
    ],
)
def test_a_legacy_encoding_is_proposed_and_can_be_chosen(store, encoding, title):
    data = ("Handle,Title,Variant SKU,Variant Price\n" + f"a,{title},S,1.00\n" * 1 + f"b,{title},T,1.00\n").encode(
        encoding
    )
    run = import_now(store, data, encoding=encoding)
    assert run.detected["encoding"] == encoding
    assert Product.objects.filter(store=store, title=title).count() == 2


def test_a_file_that_is_not_utf8_says_that_the_encoding_is_a_guess(store):
    run = make_import(store, (HEAD + "a,Crème brûlée für große Gäste,S,1.00\n").encode("cp1252"))
    assert run.detected["encoding_sure"] is False
    assert run.detected["candidates"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_outside_quotes(store, delimiter):
    lines = [["Handle", "Title", "Tags", "Variant Price"], ["mug", '"Mug; large, round | red"', '"a, b"', '"12,50"']]
    run = import_now(store, "\n".join(delimiter.join(line) for line in lines) + "\n")
    assert run.detected["delimiter"] == delimiter
    product = Product.objects.get(store=store)
    assert product.title == "Mug; large, round | red"
    assert product.tags == ["a", "b"]
    assert product.price_min == Decimal("12.50")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_ending_and_line_breaks_inside_quotes(store, newline):
    text = f'Handle,Title,Body (HTML),Variant Price{newline}mug,Mug,"<p>one{newline}two\u2028three</p>",3.00{newline}'
    import_now(store, text)
    product = Product.objects.get(store=store)
    assert product.description_text.split() == ["one", "two", "three"]
    assert product.price_min == 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,234.56", "12.00"], ["1234.56", "12"]),
        (["1 234,56", "12,00"], ["1234.56", "12"]),
        (["1.234.567,89", "4,20"], ["1234567.89", "4.20"]),
        (["1'234'567.89", "4.20"], ["1234567.89", "4.20"]),
        (["1,23,456.78", "4.20"], ["123456.78", "4.20"]),
        (["USD 12.00", "€12.50"], ["12", "12.50"]),
        (["12,-", "4,20"], ["12", "4.20"]),
        (["١٢٫٥٠", "٤٫٢٠"], ["12.50", "4.20"]),
        (["37,000", "4,20"], ["37", "4.20"]),
        (["37,000", "1,200.50"], ["37000", "1200.50"]),
    ],
)
def test_the_decimal_sign_is_inferred_for_the_column(store, values, expected):
    rows = "".join(f'p{i},Product {i},S{i},"{value}"\n' for i, value in enumerate(values))
    import_now(store, HEAD + rows)
    prices = list(Price.objects.order_by("variant__sku").values_list("amount", flat=True))
    assert prices == [Decimal(e) for e in expected]


def test_the_decimal_sign_can_be_overridden_and_examples_are_shown(store):
    run = import_now(store, HEAD + 'p,Product,S,"1,234"\n', decimal=",")
    assert Price.objects.get().amount == Decimal("1.234")
    assert run.detected["numbers"]["price"]["examples"]


def test_minor_units_are_a_setting_and_a_hundredfold_price_is_a_warning(store):
    import_now(store, HEAD + "p,Product,S,33.61\n")
    assert "price_jump" in codes(make_import(store, HEAD + "p,Product,S,3361\n"))
    import_now(store, HEAD + "p,Product,S,3361\n", minor_units=True)
    assert Price.objects.get().amount == Decimal("33.61")


def test_a_value_that_is_no_number_rejects_its_row_and_names_line_column_value(store):
    run = import_now(store, HEAD + "a,A,S1,cheap\nb,B,S2,5.00\n")
    issue = run.issues.get(severity="error")
    assert (issue.line, issue.column, issue.value) == (2, "Variant Price", "cheap")
    assert list(Product.objects.values_list("handle", flat=True)) == ["b"]


def test_handles_that_differ_only_by_case_are_one_product(store):
    run = import_now(
        store, "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\nMug,Mug,Size,S,M1,1\nmug,,,L,M2,2\n"
    )
    assert Product.objects.count() == 1
    assert Variant.objects.count() == 2
    assert run.counts["created"] == 1


def test_a_duplicate_sku_is_reported_with_both_lines(store):
    run = import_now(store, HEAD + "a,A,SAME,1\nb,B,SAME,2\n")
    issue = run.issues.get(code="duplicate_sku")
    assert issue.line == 3 and "line 2" in issue.message
    assert sorted(Variant.objects.values_list("sku", flat=True), key=str) == [None, "SAME"]


def test_blank_skus_are_fine(store):
    import_now(store, HEAD + "a,A,,1\nb,B,,2\n")
    assert list(Variant.objects.values_list("sku", flat=True)) == [None, None]


def test_a_sku_of_another_product_is_left_out_with_a_warning(store):
    make_product(store, "Old", sku="TAKEN")
    run = import_now(
        store,
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\nold,Old,Size,S,TAKEN,1\nnew,New,Size,S,X,1\nnew,,,L,TAKEN,1\n",
    )
    assert "duplicate_sku" in codes(run)
    assert Variant.objects.filter(sku="TAKEN").count() == 1


def test_variant_rows_out_of_order_image_rows_and_swapped_options(store):
    text = (
        "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Price,Image Src\n"
        "shirt,Shirt,Size,S,Color,Red,S-R,10,https://x.example/1.jpg\n"
        "mug,Mug,Title,Default Title,,,MUG,5,\n"
        "shirt,,Size,M,Color,Red,M-R,11,https://x.example/2.jpg\n"
        "shirt,,,,,,,,https://x.example/3.jpg\n"
        "shirt,,Color,Blue,Size,L,L-B,12,\n"
    )
    import_now(store, text)
    shirt = Product.objects.get(handle="shirt")
    assert [v.option_values for v in shirt.variants.all()] == [["S", "Red"], ["M", "Red"], ["L", "Blue"]]
    assert shirt.options == [{"name": "Size", "values": ["S", "M", "L"]}, {"name": "Color", "values": ["Red", "Blue"]}]
    assert shirt.images.count() == 3
    mug = Product.objects.get(handle="mug")
    assert mug.options == [] and mug.variants.get().option_values == []


def test_the_same_options_twice_reject_the_second_row(store):
    run = import_now(
        store, "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\na,A,Size,S,1,1\na,,,S,2,2\n"
    )
    issue = run.issues.get(code="duplicate_variant")
    assert issue.line == 3 and "line 2" in issue.message


def test_a_missing_price_makes_a_draft_not_a_rejection(store):
    run = import_now(store, "Handle,Title,Variant SKU,Variant Price,Status\na,A,S,,active\n")
    assert Product.objects.get().status == "draft"
    assert run.counts["rejected"] == 0 and "no_price" in codes(run)


def test_a_former_price_below_the_price_is_left_out_with_a_warning(store):
    run = import_now(store, "Handle,Title,Variant Price,Variant Compare At Price\na,A,10,8\n")
    assert Price.objects.get().compare_at is None
    assert "compare_below" in codes(run)


@pytest.mark.parametrize("title", ["Cat's “toy”", 'He said \\"hi\\"', "Back\\slash", "a 'quoted' word"])
def test_apostrophes_quotes_and_backslashes_survive(store, title):
    escaped = title.replace('"', '""')
    import_now(store, f'Handle,Title,Variant Price\na,"{escaped}",1\n')
    assert Product.objects.get().title == title


def test_html_is_kept_raw_and_shown_clean(store):
    body = "<p onclick=x()>Hi&nbsp;<b>you</b><script>alert(1)</script><style>p{}</style><table><tr><td>1</td></tr></table><img src='data:image/png;base64,AAAA'>"
    import_now(store, f'Handle,Title,Body (HTML),Variant Price\na,A,"{body}",1\n')
    product = Product.objects.get()
    assert product.description_raw == body
    for bad in ("script", "onclick", "style", "data:", "<img"):
        assert bad not in product.description_html
    assert "<b>you</b>" in product.description_html
    assert product.description_text.split() == ["Hi", "you", "1"]


def test_a_description_beyond_the_csv_modules_default_limit_is_read(store):
    body = "<p>" + "long " * 40_000 + "</p>"
    import_now(store, f'Handle,Title,Body (HTML),Variant Price\na,A,"{body}",1\n')
    assert len(Product.objects.get().description_text) > 150_000


def test_bidi_controls_leave_titles_and_joiners_stay(store):
    import_now(store, "Handle,Title,Variant Price\na,\u202eevil\u202c می\u200cخواهم 👩\u200d🍳,1\n")
    assert Product.objects.get().title == "evil می\u200cخواهم 👩\u200d🍳"


def test_a_spreadsheets_damage_is_named(store):
    text = (
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Barcode,Variant Price\n"
        "a,A,Size,4-Mar,1.23457E+12,4.00638E+12,1\n"
        "b,B,Size,M,S,4006381333932,1\n"
        "c,C,Size,M,T,4006381333931,1\n"
    )
    run = import_now(store, text)
    assert {"scientific", "date_like", "gtin"} <= codes(run)
    assert Variant.objects.get(product__handle="a").gtin == ""
    assert Variant.objects.get(product__handle="c").gtin == "4006381333931"


def test_padded_and_repeated_headers_and_surplus_cells(store):
    run = import_now(store, " Handle , Title ,Variant Price,Note,Note\n a , A ,1, x , y \nb,B,2,,,extra\n")
    assert run.detected["headers"] == ["Handle", "Title", "Variant Price", "Note", "Note (2)"]
    assert "extra_cells" in codes(run)
    product = Product.objects.get(handle="a")
    assert product.title == "A"
    assert {k: v.strip() for k, v in product.metafields.items()} == {"Note": "x", "Note (2)": "y"}


def test_columns_that_a_file_lacks_leave_their_values_alone(store):
    import_now(store, "Handle,Title,Variant SKU,Variant Price,Variant Inventory Qty,Tags\na,A,S,9.90,7,red\n")
    run = import_now(store, "Handle,Title,Variant SKU\na,A better name,S\n")
    product = Product.objects.get()
    assert (product.title, product.price_min, product.stock_total, product.tags) == (
        "A better name",
        Decimal("9.9"),
        7,
        ["red"],
    )
    assert run.counts["changed"] == 1


def test_shopify_markets_and_metafields(store):
    import_now(
        store,
        "URL handle,Title,Price,Price / Switzerland,Compare-at price / Switzerland,Color (product.metafields.shopify.color-pattern)\n"
        "a,A,10,12.50,15,Sage\n",
    )
    assert {(p.market, p.amount) for p in Price.objects.all()} == {("", Decimal(10)), ("Switzerland", Decimal("12.5"))}
    assert Product.objects.get().attributes == {"Color": "Sage"}


WOO = (
    "\ufeffID,Type,SKU,Name,Published,Description,In stock?,Stock,Weight (kg),Sale price,Regular price,Categories,Tags,Images,"
    "Parent,Attribute 1 name,Attribute 1 value(s),Meta: note\n"
)


def test_woocommerce_types_parents_escapes_and_states(store):
    text = WOO + (
        '10,variable,SHIRT,Shirt,1,"Line\\nTwo",1,,,,,"Clothing > Shirts, Sale","summer, blue",https://x.example/a.jpg,,Size,"S, M",kept\n'
        "12,variation,SHIRT-M,Shirt - M,1,,1,4,0.25,,20,,,,id:10,Size,M,\n"
        "11,variation,SHIRT-S,Shirt - S,1,,1,,0.25,15,20,,,,SHIRT,Size,S,\n"
        '13,"simple, downloadable, virtual",SONG,Song,0,,1,,,,2,Music,"a\\, b",,,Key,"C, D",\n'
        "14,variation,LOST,Lost,1,,1,,,,5,,,,GONE,Size,S,\n"
    )
    run = import_now(store, text)
    shirt = Product.objects.get(handle="shirt")
    assert shirt.description_text == "Line\nTwo" and shirt.category.path == "Clothing > Shirts"
    assert [(v.sku, v.option_values, v.stock) for v in shirt.variants.all()] == [
        ("SHIRT-M", ["M"], 4),
        ("SHIRT-S", ["S"], None),
    ]
    small = Price.objects.get(variant__sku="SHIRT-S")
    assert (small.amount, small.compare_at) == (Decimal(15), Decimal(20))
    assert Variant.objects.get(sku="SHIRT-M").weight_grams == 250
    assert shirt.metafields["Meta: note"] == "kept"
    song = Product.objects.get(handle="song")
    assert (song.status, song.tags, song.attributes) == ("draft", ["a, b"], {"Key": "C, D"})
    assert run.issues.get(code="no_parent").value.lower() == "gone"


def test_woocommerce_ids_of_another_site_do_not_beat_skus(store):
    import_now(store, WOO + "10,simple,MUG,Mug,1,,1,3,,,5,,,,,,,\n11,simple,CUP,Cup,1,,1,3,,,6,,,,,,,\n")
    run = import_now(store, WOO + "11,simple,MUG,Mug,1,,1,3,,,7,,,,,,,\n")
    assert run.counts["changed"] == 1
    assert Price.objects.get(variant__sku="MUG").amount == 7
    assert Price.objects.get(variant__sku="CUP").amount == 6


FEED = """<?xml version="1.0"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>x</title>
<item><g:id>A1</g:id><title>Lamp</title><g:price>85.00 USD</g:price><g:sale_price>69.99 USD</g:sale_price>
<g:availability>out_of_stock</g:availability><g:image_link>https://x.example/l.jpg</g:image_link><g:brand>Lumo</g:brand></item>
<item><g:id>S-M</g:id><g:item_group_id>S</g:item_group_id><title>Shirt</title><g:size>M</g:size><g:price>10 EUR</g:price><g:availability>in stock</g:availability></item>
<item><g:id>S-L</g:id><g:item_group_id>S</g:item_group_id><title>Shirt</title><g:size>L</g:size><g:price>10 EUR</g:price><g:availability>preorder</g:availability></item>
</channel></rss>"""


def test_a_google_feed_in_xml(store):
    run = import_now(store, FEED, "feed.xml")
    assert (run.detected["format"], run.counts["created"]) == ("google", 2)
    lamp = Price.objects.get(variant__product__external_id="A1")
    assert (lamp.amount, lamp.compare_at, lamp.currency) == (Decimal("69.99"), Decimal(85), "USD")
    assert lamp.variant.stock == 0
    shirt = Product.objects.get(external_id="S")
    assert {v.external_id: (v.option_values, v.backorder) for v in shirt.variants.all()} == {
        "S-M": (["M"], "deny"), "S-L": (["L"], "continue"),
    }  # fmt: skip


def test_text_that_a_feed_marks_as_machine_made_is_unwrapped(store):
    text = 'id,structured_title,price,availability\nA,"trained_algorithmic_media:""A lamp""",5.00 EUR,in_stock\n'
    import_now(store, text)
    assert Product.objects.get().title == "A lamp"


@pytest.mark.parametrize(
    "content",
    [
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><rss><channel><item><id>&a;</id></item></channel></rss>',
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><item><id>&a;</id></item></rss>',
        '<?xml version="1.0"?><rss><channel><item><id>1</id></channel></rss>',
    ],
)
def test_hostile_or_broken_xml_is_refused(store, content):
    with pytest.raises(TableError):
        make_import(store, content, "feed.xml")


def test_a_zip_bomb_is_refused(store):
    import io
    import zipfile

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (120 * 1024 * 1024))
    with pytest.raises(TableError, match="unpacks"):
        make_import(store, data.getvalue(), "bomb.xlsx")


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02\x03" * 50])
def test_an_empty_file_and_a_binary_one_are_refused_and_nothing_is_kept(store, content):
    with pytest.raises(TableError):
        make_import(store, content)
    assert not Product.objects.exists()


def test_a_generic_table_gets_proposals_and_a_persons_mapping_wins(store):
    text = "Artikelnummer;Bezeichnung;Preis;Bestand;Marke;Farbe\nA-1;Tasse;4,20;7;Lindgaard;Blau\n"
    run = make_import(store, text)
    assert run.detected["format"] == "generic"
    proposed = {h: p[0] for h, p in run.detected["proposals"].items()}
    assert proposed["Bezeichnung"] == "title" and proposed["Preis"] == "price" and proposed["Bestand"] == "stock"
    import_now(
        store,
        text,
        mapping={
            "Artikelnummer": "sku",
            "Bezeichnung": "title",
            "Preis": "price",
            "Bestand": "stock",
            "Marke": "brand",
        },
    )
    product = Product.objects.get()
    assert (product.title, product.price_min, product.stock_total, product.brand.name) == (
        "Tasse",
        Decimal("4.2"),
        7,
        "Lindgaard",
    )
    assert product.metafields == {"Farbe": "Blau"}


def test_a_spreadsheet_keeps_long_codes_and_numbers(store):
    import io

    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["Handle", "Title", "Variant SKU", "Variant Barcode", "Variant Price", "Variant Inventory Qty"])
    book.active.append(["mug", "Mug", "00123", 4006381333931, 12.5, 7])
    data = io.BytesIO()
    book.save(data)
    import_now(store, data.getvalue(), "p.xlsx")
    variant = Variant.objects.get()
    assert (variant.sku, variant.gtin, variant.stock) == ("00123", "4006381333931", 7)
    assert Price.objects.get().amount == Decimal("12.5")
