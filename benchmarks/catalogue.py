"""Import of a generated 100,000-row Shopify CSV against django-import-export, peak memory, and the list page.

Baseline: a django-import-export ModelResource (one row a product) that brings the same file's product, cleaned
description, variant, price, former price and picture into the same tables, on the first BASELINE_ROWS rows in the same
run; the ratio compares rows a second, which extrapolates the slow side linearly (it only gets slower). Ours also writes
options, tags, search text, undo records and the run's report.
"""

import csv
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from django.core.files import File
from django.core.management import call_command

ROWS = 100_000
BASELINE_ROWS = 1_500
COLOURS = ["Black", "White", "Moss", "Sand", "Rust", "Navy"]
NOUNS = ["Mug", "Lamp", "Shirt", "Blanket", "Kettle", "Backpack", "Candle", "Notebook", "Towel", "Table"]
ROOT = Path(__file__).resolve().parent.parent


def write_csv(path: Path, rows: int) -> None:
    """A Shopify export: product, vendor, HTML body, tags, SKU, price, compare-at, stock, picture. Deterministic."""
    rng = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value",
             "Variant SKU", "Variant Grams", "Variant Inventory Qty", "Variant Price", "Variant Compare At Price",
             "Image Src", "Status"]
        )  # fmt: skip
        for i in range(rows):
            noun, colour = NOUNS[i % len(NOUNS)], COLOURS[(i // 10) % len(COLOURS)]
            price = Decimal(rng.randrange(500, 20000)) / 100
            writer.writerow(
                [f"{noun.lower()}-{i}", f"{colour} {noun} {i}", f"<p>A {colour.lower()} {noun.lower()} for <b>every day</b>, number {i}.</p>",
                 f"Brand {i % 40}", noun, f"{colour}, {noun}", "true", "Title", "Default Title", f"SKU-{i:06d}", i % 900,
                 i % 50, f"{price:.2f}", f"{price * 2:.2f}" if i % 3 == 0 else "", f"https://shop.example/{i}.jpg", "active"]
            )  # fmt: skip


def _import_here(path: str) -> None:
    """The child process: one import, start to end; prints seconds and peak memory in MB."""
    import django

    django.setup()
    from ecomai.models import Store
    from products import catalogue_import
    from products.models import Product

    store, _made = Store.objects.get_or_create(slug="bench", defaults={"name": "Bench", "currency": "EUR"})
    started = time.perf_counter()
    with open(path, "rb") as file:
        run = catalogue_import.open_run(store=store, file=File(file), filename="bench.csv", auto_apply=True)
    catalogue_import.process(run)
    seconds = time.perf_counter() - started
    assert Product.objects.filter(store=store).count() == run.counts["created"] > 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"RESULT {seconds:.2f} {peak:.1f} {run.counts['created']}")


def import_figures(folder: Path) -> dict:
    """import_ratio and import_peak_mb."""
    path = folder / "bench.csv"
    write_csv(path, ROWS)
    code = f"from benchmarks.catalogue import _import_here; _import_here({str(path)!r})"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "ecomai.settings", "DEBUG": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    seconds, peak, created = next(line for line in done.stdout.splitlines() if line.startswith("RESULT")).split()[1:]
    ours = ROWS / float(seconds)
    theirs = _baseline(folder)
    print(f"import: {ours:.0f} rows/s, django-import-export {theirs:.0f} rows/s", flush=True)
    return {
        "import_ratio": round(ours / theirs, 1),
        "import_rows": int(created),
        "import_seconds": float(seconds),
        "import_peak_mb": float(peak),
        "import_rows_per_second": round(ours),
        "import_baseline_rows_per_second": round(theirs, 1),
        "import_baseline": f"django-import-export, first {BASELINE_ROWS} rows, extrapolated linearly",
    }


def _baseline(folder: Path) -> float:
    """Rows a second of django-import-export on the same columns."""
    import tablib
    from import_export import fields, resources, widgets

    from ecomai.lib import html
    from ecomai.models import Store
    from products.models import Brand, Price, Product, ProductImage, Variant

    store, _made = Store.objects.get_or_create(slug="baseline", defaults={"name": "Baseline", "currency": "EUR"})

    class BrandWidget(widgets.ForeignKeyWidget):
        def clean(self, value, row=None, **kwargs):
            return Brand.objects.get_or_create(store=store, name=value)[0] if value else None

    class ProductResource(resources.ModelResource):
        handle = fields.Field(attribute="handle", column_name="Handle")
        title = fields.Field(attribute="title", column_name="Title")
        description_raw = fields.Field(attribute="description_raw", column_name="Body (HTML)")
        product_type = fields.Field(attribute="product_type", column_name="Type")
        status = fields.Field(attribute="status", column_name="Status")
        image_url = fields.Field(attribute="image_url", column_name="Image Src")
        brand = fields.Field(attribute="brand", column_name="Vendor", widget=BrandWidget(Brand, "name"))

        class Meta:
            model = Product
            import_id_fields = ("handle",)
            fields = ("handle", "title", "description_raw", "product_type", "status", "image_url", "brand")

        def get_queryset(self):
            return Product.objects.filter(store=store)

        def before_save_instance(self, instance, row, **kwargs):
            instance.store = store
            instance.description_html = html.clean(instance.description_raw)
            instance.description_text = html.plain(instance.description_raw)

        def after_save_instance(self, instance, row, **kwargs):
            variant, _new = Variant.objects.update_or_create(
                store=store,
                sku=row["Variant SKU"],
                defaults={"product": instance, "stock": int(row["Variant Inventory Qty"])},
            )
            compare_at = Decimal(row["Variant Compare At Price"]) if row["Variant Compare At Price"] else None
            Price.objects.update_or_create(
                variant=variant, market="", currency="EUR",
                defaults={"store": store, "amount": Decimal(row["Variant Price"]), "compare_at": compare_at},
            )  # fmt: skip
            ProductImage.objects.update_or_create(
                product=instance, url=row["Image Src"], defaults={"store": store, "position": 1}
            )

    path = folder / "slice.csv"
    write_csv(path, BASELINE_ROWS)
    started = time.perf_counter()
    data = tablib.Dataset().load(path.read_text(encoding="utf-8"), format="csv")
    result = ProductResource().import_data(data, dry_run=False, raise_errors=True)
    seconds = time.perf_counter() - started
    assert result.totals["new"] == BASELINE_ROWS
    return BASELINE_ROWS / seconds


def list_figures() -> dict:
    """product_list_p95_ms: the page with 100,000 products, over HTTP from a real server, sorts, filters and deep pages."""
    import re

    import httpx

    from devstack.servers import free_port
    from ecomai.models import Membership, Role, Store, User

    store = Store.objects.get(slug="bench")
    user = User.objects.filter(email="bench@example.com").first() or User.objects.create_user(
        "bench@example.com", "bench-password"
    )
    Membership.objects.get_or_create(user=user, store=store, defaults={"role": Role.OWNER})
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    port = free_port()
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "ecomai.settings", "DEBUG": "0", "LOG_LEVEL": "ERROR",
           "STATICFILES_STORAGE": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "ecomai.asgi:application", "--port", str(port), "--lifespan", "off", "--log-level", "error"],
        env=env, cwd=ROOT,
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True, timeout=30) as client:
            for _ in range(100):
                try:
                    client.get("/healthz")
                    break
                except httpx.ConnectError:
                    time.sleep(0.2)
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)', client.get("/sign-in/").text)[1]
            page = client.post(
                "/sign-in/",
                data={"username": "bench@example.com", "password": "bench-password", "csrfmiddlewaretoken": token},
            )
            assert "/s/bench/" in str(page.url), page.url
            paths = [
                "", "?sort=title", "?sort=price&dir=desc", "?sort=stock", "?q=Moss+Lamp", "?q=SKU-012345", "?status=active&sort=title",
                "?stock=out", "?price_from=50&price_to=60&sort=price", "?missing=picture", "?q=kettle&sort=price&dir=desc", "?tag=Navy",
            ]  # fmt: skip
            deep = re.search(r'rel="next" href="([^"]+)"', client.get("/s/bench/products/?sort=title").text)[1].replace(
                "&amp;", "&"
            )
            paths.append(deep)
            times = []
            for path in paths:
                client.get(f"/s/bench/products/{path}")
                for _ in range(5):
                    started = time.perf_counter()
                    answer = client.get(f"/s/bench/products/{path}")
                    times.append((time.perf_counter() - started) * 1000)
                    assert answer.status_code == 200
                print(f"  {path or '/'}: {statistics.median(times[-5:]):.0f} ms", flush=True)
    finally:
        server.terminate()
        server.wait()
    times.sort()
    return {
        "product_list_p95_ms": round(times[int(len(times) * 0.95) - 1], 1),
        "product_list_p50_ms": round(statistics.median(times), 1),
        "product_list_requests": len(times),
    }


def run() -> dict:
    """All figures of the catalogue."""
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        figures = import_figures(Path(folder))
    figures |= list_figures()
    return figures
