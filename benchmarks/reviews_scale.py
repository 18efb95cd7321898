"""The dashboard of a store with 1,000,000 reviews: 2,000 products, 12 languages, 3 sources, 3 years, 2.5 opinions each.

The reviews are made in SQL from a fixed seed, the sums by `reviews.rebuild`; then the page is asked for through Django's
test client (all middleware, queries and templates, no network), each time with other filters. Products and languages
are as uneven as real ones: the first tenth of the products has a third of the reviews, English has half.
"""

import os
import statistics
import time
from datetime import UTC, datetime
from itertools import product as combinations

from django.core.management import call_command
from django.db import connection, transaction

REVIEWS = int(os.environ.get("BENCH_REVIEWS", 1_000_000))
PRODUCTS = 2_000
DAYS = 1_095
CHUNK = 50_000
ROUNDS = 96
LANGUAGES = ["en"] * 12 + ["de", "de", "fr", "fr", "es", "zh", "ja", "ko", "pt", "it", "nl", "pl", "tr"]


def _columns() -> dict[str, str]:
    """Every column of a review → SQL over `i`, `r` (uneven) and `u` (even) from 0 to 1; the model's default unless given."""
    from reviews.models import Review

    languages = "(ARRAY[" + ",".join(f"'{code}'" for code in LANGUAGES) + f"])[1 + floor(x * {len(LANGUAGES)})::int]"
    stars = "CASE WHEN v < .13 THEN 1 WHEN v < .2 THEN 2 WHEN v < .3 THEN 3 WHEN v < .5 THEN 4 ELSE 5 END"
    given = {
        "store_id": "%(store)s", "product_id": f"%(first)s + floor({PRODUCTS} * power(r, 2))::int", "source_id": "'bench-' || i",
        "source": "(ARRAY['judgeme', 'judgeme', 'shopify', 'api'])[1 + i %% 4]", "language": languages,
        "text_hash": "md5(i::text)", "words_hash": "md5('w' || i)", "title": "''", "rating": stars, "rating_given": f"({stars})::text",
        "text": "'Review ' || i || ': ' || CASE WHEN v < .25 THEN 'broke after a week and came late, the box was crushed.'"
                " ELSE 'well made, fast delivery, and it looks better than in the picture.' END",
        "stars": f"({stars})::float", "sentiment": "CASE WHEN v < .2 THEN -1 WHEN v < .3 THEN 0 ELSE 1 END",
        "written_at": f"%(today)s - make_interval(days => floor({DAYS} * u)::int, mins => i %% 700)", "verified": "i %% 3 = 0",
        "needs_scoring": "false", "status": "'published'", "created_at": "%(today)s",
    }  # fmt: skip
    columns = {}
    for field in Review._meta.concrete_fields:
        if field.primary_key:
            continue
        if field.column in given:
            columns[field.column] = given[field.column]
            continue
        value = field.get_default()
        if value is None:
            sql = "NULL"
        elif isinstance(value, bool):
            sql = str(value).lower()
        elif isinstance(value, (int, float)):
            sql = str(value)
        else:
            sql = "'{}'" if value in ([], {}) else f"'{value}'"
        columns[field.column] = sql
    return columns


def fill(store, reviews: int = REVIEWS) -> None:
    """Make the store's products, reviews and opinions; nothing is made twice."""
    from ml.aspects import ASPECTS
    from products.models import Category, Product
    from reviews.models import Review

    have = Review.objects.filter(store=store).count()
    if have >= reviews:
        return
    if not Product.objects.filter(store=store).exists():
        nodes = [Category.objects.create(store=store, name=f"Group {n}", path=f"Group {n}") for n in range(40)]
        Product.objects.bulk_create(
            Product(store=store, title=f"Product {n}", handle=f"product-{n}", status="active", category=nodes[n % 40])
            for n in range(PRODUCTS)
        )
    first = Product.objects.filter(store=store).order_by("pk").values_list("pk", flat=True)[0]
    columns = _columns()
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    aspects = "ARRAY[" + ",".join(f"'{a}'" for a in ASPECTS) + "]"
    for start in range(have, reviews, CHUNK):
        values = {
            "store": store.pk,
            "first": first,
            "today": today,
            "from": start,
            "to": min(start + CHUNK, reviews) - 1,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT setseed(%s)", [0.1 + start / reviews / 2])
            cursor.execute(
                f"INSERT INTO reviews_review ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM"
                " (SELECT i, random() AS r, random() AS u, random() AS v, random() AS x FROM"
                " generate_series(%(from)s, %(to)s) i) made",
                values,
            )
            # Two to three opinions a review, mostly of its own sentiment.
            cursor.execute(
                "INSERT INTO reviews_opinion (store_id, review_id, aspect, polarity, probability, by_person)"
                f" SELECT store_id, id, ({aspects})[1 + (id * 7 + k * 5) %% {len(ASPECTS)}],"
                " CASE WHEN random() < .8 THEN sentiment ELSE floor(random() * 3)::int - 1 END, .6 + random() * .4, false"
                " FROM reviews_review, generate_series(0, 2) k WHERE store_id = %(store)s AND source_id = ANY("
                " SELECT 'bench-' || i FROM generate_series(%(from)s, %(to)s) i) AND (k < 2 OR id %% 2 = 0)",
                values,
            )
        print(f"  {values['to'] + 1:,} reviews", flush=True)


def _queries(store) -> list[str]:
    """Query strings as people use them: periods, languages, sources, categories, products, aspects, rankings."""
    from products.models import Category, Product

    products = list(Product.objects.filter(store=store).order_by("pk").values_list("pk", flat=True))
    categories = list(Category.objects.filter(store=store).order_by("pk").values_list("pk", flat=True))
    scopes = ["", "language=en", "language=ko", "source=api", "language=de&source=judgeme", f"category={categories[3]}",
              f"category={categories[7]}&language=en", f"product={products[0]}", f"product={products[40]}",
              f"product={products[1500]}&language=en", "aspect=shipping", "rank=worst"]  # fmt: skip
    periods = ["", "period=7", "period=30", "period=90", "period=365", "period=all", "period=custom&from=2025-03-09&to=2025-09-21",
               "period=custom&from=2024-11-05&to=2026-05-14"]  # fmt: skip
    return ["&".join(part for part in pair if part) for pair in combinations(scopes, periods)]


def dashboard_figures(store) -> dict:
    """dashboard_p95_ms over at least 60 requests with different filters, each asked once after a warm-up of the process."""
    from django.conf import settings
    from django.test import Client, override_settings

    from ecomai.models import Membership, Role, User

    user = User.objects.filter(email="bench@example.com").first() or User.objects.create_user("bench@example.com", "x")
    Membership.objects.get_or_create(user=user, store=store, defaults={"role": Role.OWNER})
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    queries = _queries(store)[:ROUNDS]
    assert len(queries) >= 60
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # without a collectstatic before
    times = []
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        for query in queries[::9]:
            assert client.get(f"/s/{store.slug}/reviews/dashboard/?{query}").status_code == 200
        for query in queries:
            started = time.perf_counter()
            answer = client.get(f"/s/{store.slug}/reviews/dashboard/?{query}")
            times.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == 200
    slowest = sorted(zip(times, queries, strict=True), reverse=True)[:6]
    for taken, query in slowest:
        print(f"  {taken:.0f} ms ?{query}", flush=True)
    times.sort()
    return {
        "dashboard_p95_ms": round(times[int(len(times) * 0.95) - 1], 1),
        "dashboard_p50_ms": round(statistics.median(times), 1),
        "dashboard_requests": len(times),
        "dashboard_reviews": REVIEWS,
    }


def run() -> dict:
    """Fill, rebuild, measure."""
    from ecomai.models import Store
    from reviews import rebuild

    call_command("migrate", verbosity=0)
    store, _made = Store.objects.get_or_create(slug="reviews-bench", defaults={"name": "Bench", "currency": "EUR"})
    indexes = ("review_text_trgm", "review_title_trgm")
    with connection.cursor() as cursor:  # built in one go afterwards
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = ANY(%s)", [list(indexes)])
        definitions = [row[0] for row in cursor.fetchall()]
        for name in indexes:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
    try:
        fill(store)
    finally:
        with connection.cursor() as cursor:
            for definition in definitions:
                cursor.execute(definition)
    started = time.perf_counter()
    assert rebuild.rebuild(store) == REVIEWS
    seconds = time.perf_counter() - started
    print(f"  sums made in {seconds:.0f} s", flush=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM ANALYZE reviews_review, reviews_opinion, reviews_countedreview, reviews_storeday, reviews_productmonth"
        )
    return {**dashboard_figures(store), "dashboard_rebuild_seconds": round(seconds, 1)}
