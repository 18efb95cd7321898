"""The life of an import: shared sample files, twice the same, undo, round trip, kill, tenancy."""

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from products import catalogue, catalogue_export, catalogue_import, import_undo
from products.models import CatalogueImport, ImportChange, Price, Product, ProductChange, Variant
from tests.factories import apply_import, import_now, make_import, make_product

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "catalogue"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the sample catalogues are not beside this clone")
DEMO = ROOT / "ecomai" / "demo" / "catalogue.csv"


@needs_shared
def test_the_shopify_sample(store):
    run = import_now(store, (SHARED / "shopify_packt_products.csv").read_bytes())
    assert run.detected["format"] == "shopify"
    assert {k: run.counts[k] for k in ("rows", "created", "changed", "rejected")} == {
        "rows": 21, "created": 20, "changed": 0, "rejected": 0,
    }  # fmt: skip
    lamp = Product.objects.get(handle="floor-lamp")
    assert (lamp.title, lamp.brand.name, lamp.tags, lamp.status) == (
        "Floor Lamp",
        "Company 123",
        ["Black", "Lamp"],
        "active",
    )
    assert (lamp.price_min, lamp.compare_at_max, lamp.stock_total) == (Decimal("69.99"), Decimal(85), 1)
    assert lamp.description_text == "Black floor lamp"
    gloves = Product.objects.get(handle="gardening-gloves")
    assert [(v.option_values, v.stock) for v in gloves.variants.all()] == [(["Green"], 1), (["Yellow"], 3)]
    assert (gloves.price_min, gloves.price_max) == (Decimal("9.99"), Decimal("15.99"))
    assert gloves.images.count() == 2
    chairs = Product.objects.get(handle="black-armchairs")
    assert chairs.description_text.startswith("Description\nLorem ipsum")


@needs_shared
def test_the_google_sample_and_the_shopify_sample_are_the_same_products(store):
    import_now(store, (SHARED / "shopify_packt_products.csv").read_bytes())
    run = make_import(store, (SHARED / "google_feed_derived.tsv").read_bytes(), "feed.tsv")
    assert run.detected["format"] == "google" and run.detected["delimiter"] == "\t"
    assert (run.counts["rows"], run.counts["created"]) == (21, 0)
    assert not run.rows.filter(changes__has_key="price").exists()


@needs_shared
def test_the_google_sample_alone(store):
    run = import_now(store, (SHARED / "google_feed_derived.tsv").read_bytes(), "feed.tsv")
    assert run.counts["created"] == 20
    price = Price.objects.get(variant__product__external_id="floor-lamp")
    assert (price.amount, price.compare_at, price.currency) == (Decimal("69.99"), Decimal(85), "USD")


@needs_shared
def test_the_medusa_template(store):
    run = import_now(store, (SHARED / "medusa_product_import_template.csv").read_bytes())
    assert (run.detected["format"], run.counts["rows"], run.counts["created"]) == ("medusa", 5, 2)
    pants = Product.objects.get(handle="sweatpants-v2")
    assert [v.option_values for v in pants.variants.all()] == [["S"], ["M"], ["L"], ["XL"]]
    small = pants.variants.first()
    assert {(p.currency, p.amount) for p in small.prices.all()} == {("EUR", Decimal("29.5")), ("USD", Decimal("33.5"))}
    assert small.backorder == "deny" and pants.status == "active" and pants.images.count() == 2


def test_a_second_run_changes_nothing_and_touches_no_timestamp(store):
    import_now(store, DEMO.read_bytes())
    before = dict(Product.objects.values_list("pk", "updated_at"))
    run = import_now(store, DEMO.read_bytes())
    assert (run.counts["created"], run.counts["changed"], run.counts["unchanged"]) == (0, 0, 28)
    assert dict(Product.objects.values_list("pk", "updated_at")) == before


@pytest.mark.parametrize("form", list(catalogue_export.FORMATS))
def test_an_export_imports_again_with_zero_changes(store, form):
    store.url = "https://alice.example"
    store.save()
    import_now(store, DEMO.read_bytes())
    data = b"".join(catalogue_export.export(store, form, bom=form == "shopify"))
    run = make_import(store, data, f"export.{catalogue_export.FORMATS[form][1]}")
    changed = {r.record["handle"]: r.changes for r in run.rows.exclude(outcome="same")}
    assert changed == {}
    assert run.counts["unchanged"] >= 27


def test_the_preview_shows_each_field_and_writes_nothing(store):
    import_now(store, "Handle,Title,Variant SKU,Variant Price\na,Old,S,1.00\n")
    run = make_import(store, "Handle,Title,Variant SKU,Variant Price\na,New,S,2.00\nb,Second,T,3\n")
    assert (run.status, run.counts["created"], run.counts["changed"]) == ("ready", 1, 1)
    row = run.rows.get(outcome="change")
    assert row.changes == {"title": ["Old", "New"], "variants/S/price": ["1 EUR", "2 EUR"]}
    assert Product.objects.get().title == "Old"
    apply_import(run)
    assert Product.objects.get(handle="a").title == "New"
    change = ProductChange.objects.get(product__handle="a", source="import")
    assert change.changes["title"] == ["Old", "New"] and change.import_id == run.pk


def test_undo_takes_back_a_whole_import_but_not_what_people_did_since(store, alice):
    import_now(store, "Handle,Title,Variant SKU,Variant Price,Variant Inventory Qty\na,A,S,1,5\nb,B,T,1,5\n")
    run = import_now(
        store, "Handle,Title,Variant SKU,Variant Price,Variant Inventory Qty\na,A2,S,2,9\nb,B2,T,2,9\nc,C,U,3,1\n"
    )
    catalogue.update_product(Product.objects.get(handle="b"), {"title": "By hand"}, alice)
    assert import_undo.claim(run) and not import_undo.claim(run)
    run.refresh_from_db()
    import_undo.undo(run)
    run.refresh_from_db()
    a = Product.objects.get(handle="a")
    assert (a.title, a.price_min, a.stock_total) == ("A", 1, 5)
    assert Product.objects.get(handle="b").title == "By hand"
    assert not Product.objects.filter(handle="c").exists()
    assert (run.status, run.counts["undone"], run.counts["kept"]) == ("undone", 2, 1)
    assert not ImportChange.objects.filter(run=run).exists()


def test_an_import_of_one_store_leaves_another_alone(store, other_store):
    make_product(other_store, "Mug", sku="SKU-1", handle="mug", external_id="")
    import_now(store, "Handle,Title,Variant SKU,Variant Price\nmug,Mine,SKU-1,3\n")
    assert Product.objects.get(store=other_store).title == "Mug"
    assert Product.objects.get(store=store).title == "Mine"


def test_a_run_that_stopped_after_a_chunk_goes_on_and_ends_with_each_row_once(store, monkeypatch):
    monkeypatch.setattr(catalogue_import, "CHUNK", 3)
    rows = "".join(f"p{i},Product {i},S{i},{i}.00\n" for i in range(1, 11))
    run = make_import(store, "Handle,Title,Variant SKU,Variant Price\n" + rows)
    catalogue_import.confirm(run)
    run.refresh_from_db()

    class Stop(Exception):
        pass

    def stop_after_two(done, **_more):
        if done >= 6:
            raise Stop

    with pytest.raises(Stop):
        catalogue_import.process(run, stop_after_two)
    run = CatalogueImport.objects.get(pk=run.pk)
    assert (run.cursor, Product.objects.count()) == (6, 6)
    catalogue_import.process(run)
    run.refresh_from_db()
    assert (run.status, run.counts["created"], Product.objects.count(), Variant.objects.count()) == ("done", 10, 10, 10)


@pytest.mark.django_db(transaction=True)
def test_kill_9_in_the_middle_leaves_whole_chunks_and_a_second_worker_ends_the_run(store):
    rows = "".join(f"p{i},Product {i},S{i},{i}.00\n" for i in range(1, 6001))
    run = make_import(store, "Handle,Title,Variant SKU,Variant Price\n" + rows)
    catalogue_import.confirm(run)
    script = (
        "import django; django.setup()\n"
        "from products import catalogue_import as c; from products.models import CatalogueImport as C\n"
        "c.CHUNK = 200\n"
        f"c.process(C.objects.get(pk={run.pk}))\n"
    )
    from django.db import connection

    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
    parts = connection.settings_dict
    env["DATABASE_URL"] = (
        f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT']}/{parts['NAME']}"
    )
    process = subprocess.Popen([sys.executable, "-c", script], env=env, cwd=ROOT)
    limit = time.monotonic() + 60
    while time.monotonic() < limit and Product.objects.count() < 600:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.3)
    run = CatalogueImport.objects.get(pk=run.pk)
    assert 600 <= Product.objects.count() < 6000
    assert Product.objects.count() == run.cursor == Variant.objects.count() == Price.objects.count()
    catalogue_import.process(run)
    run.refresh_from_db()
    assert (run.status, run.counts["created"]) == ("done", 6000)
    assert Product.objects.count() == Variant.objects.count() == Price.objects.count() == 6000


cell = st.text(
    alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs", "Cf"], blacklist_characters=">"),
    min_size=1,
    max_size=25,
).filter(lambda t: t.strip())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.one_of(cell, st.sampled_from(["=1+1", "-x", "+49 30", "@me", "'quoted", "'=a", "a,b", 'q"q'])), note=cell
)
def test_any_text_survives_the_round_trip(store, title, note):
    Product.objects.all().delete()
    make_product(store, title, handle="p", description_raw=note, description_text=note)
    data = b"".join(catalogue_export.export(store, "shopify"))
    run = make_import(store, data)
    assert {r.outcome for r in run.rows.all()} == {"same"}, [r.changes for r in run.rows.all()]


def test_an_export_is_safe_to_open_in_a_spreadsheet(store):
    make_product(store, "=HYPERLINK(1)", handle="p", tags=["@x"])
    text = b"".join(catalogue_export.export(store, "shopify")).decode()
    assert "'=HYPERLINK(1)" in text and ",=HYPERLINK" not in text and "'@x" in text
