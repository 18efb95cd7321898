"""The storefront API from a real server: uvicorn as the Procfile starts it, asked over TCP by a client of its own.

100,000 products, 10 running experiments that share them out, so that every product asked for is in one; half of the
visitors are new. Latency is measured open loop: requests leave at random moments, 100 a second on average, whether or not
earlier ones are answered, and count from when they should have left. Throughput is measured closed loop with 16 connections,
turn about with the experiments running and paused. Events go in batches of 100 by a client that sends each batch twice, and
hangs up on every tenth before the answer.
"""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.core.management import call_command
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
PRODUCTS = int(os.environ.get("BENCH_PRODUCTS", 100_000))
EXPERIMENTS = 10
RATE = int(os.environ.get("BENCH_RATE", 100))
SECONDS = int(os.environ.get("BENCH_SECONDS", 60))
ROUND_SECONDS = int(os.environ.get("BENCH_ROUND_SECONDS", 10))
ROUNDS = 3
CONNECTIONS = 16
EVENTS = int(os.environ.get("BENCH_EVENTS", 60_000))
BATCH = 100
SENDERS = 4
KEPT = 6.0  # seconds until every process has looked at the experiments again
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def fill(products: int = PRODUCTS):
    """The store with products, variants, prices, pictures and running experiments, made in SQL; nothing is made twice."""
    from ecomai.models import Store
    from products.models import Arm, Experiment, Product

    store, _made = Store.objects.get_or_create(
        slug="api-bench", defaults={"name": "Bench", "currency": "EUR", "locales": ["en"]}
    )
    values = {"store": store.pk, "n": products}
    with connection.cursor() as cursor:
        if Product.objects.filter(store=store).count() < products:
            Experiment.objects.filter(store=store).delete()
            Product.objects.filter(store=store).delete()
            run = lambda sql: cursor.execute(sql, values)
            run(
                "INSERT INTO products_product (store_id, external_id, handle, title, status, product_type, google_category,"
                " condition, tags, description_raw, description_html, description_text, attributes, metafields, seo_title,"
                " seo_description, link, options, currency, price_min, price_max, variant_count, image_url, search_text,"
                " embedding_model, is_dirty, created_at, updated_at) SELECT %(store)s, '', 'mug-' || i, 'Stoneware mug ' || i,"
                " 'active', 'Mug', '', 'new', ARRAY['mug', 'tag' || i %% 50], '', '<p>' || repeat('Glazed by hand. ', 30) ||"
                " '</p>', '', '{\"Material\": \"Stoneware\"}', '{}', '', '', '', '[{\"name\": \"Color\", \"values\": [\"Blue\","
                " \"White\", \"Moss\"]}]', 'EUR', 9.9, 19.9, 3, '', 'stoneware mug ' || i, '', false, now(), now()"
                " FROM generate_series(1, %(n)s) i"
            )
            run(
                "INSERT INTO products_variant (store_id, product_id, position, external_id, sku, gtin, mpn, option_values, stock,"
                " backorder, weight_unit, requires_shipping, taxable, image_url, attributes, metafields)"
                " SELECT store_id, id, k, '', 'SKU-' || id || '-' || k, '', '', ARRAY[(ARRAY['Blue', 'White', 'Moss'])[k]], 5,"
                " 'deny', '', true, true, '', '{}', '{}' FROM products_product, generate_series(1, 3) k WHERE store_id = %(store)s"
            )
            run(
                "INSERT INTO products_price (store_id, variant_id, market, currency, amount)"
                " SELECT store_id, id, '', 'EUR', 9.9 + position FROM products_variant WHERE store_id = %(store)s"
            )
            run(
                "INSERT INTO products_productimage (store_id, product_id, url, position, alt)"
                " SELECT store_id, id, 'https://shop.example/' || id || '-' || k || '.jpg', k, '' FROM products_product,"
                " generate_series(1, 2) k WHERE store_id = %(store)s"
            )
        if not Experiment.objects.filter(store=store).exists():
            for number in range(EXPERIMENTS):
                made = Experiment.objects.create(store=store, name=f"Titles {number}", status="running")
                Arm.objects.create(store=store, experiment=made, position=0, name="A", is_control=True)
                arm = Arm.objects.create(store=store, experiment=made, position=1, name="B")
                cursor.execute(
                    "INSERT INTO products_armtext (store_id, arm_id, product_id, field, locale, text)"
                    " SELECT store_id, %s, id, 'title', 'en', 'A mug that keeps tea warm, number ' || id FROM products_product"
                    " WHERE store_id = %s AND id %% %s = %s",
                    [arm.pk, store.pk, EXPERIMENTS, number],
                )
        cursor.execute("VACUUM ANALYZE")
    return store


@contextmanager
def server():
    """The Procfile's web process on a free port; yields the port."""
    from devstack.servers import free_port
    from devstack.supervisor import procfile

    port = free_port()
    env = {
        **os.environ, "PORT": str(port), "HOST": "127.0.0.1", "DEBUG": "0", "API_RATE": "100000000/min",
        "API_VISITOR_RATE": "100000000/min", "DJANGO_SETTINGS_MODULE": "ecomai.settings", "LOG_FORMAT": "json",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    command = procfile(ROOT / "Procfile")["web"]
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command}"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


class Client:
    """HTTP/1.1 over kept connections, as little as it takes: the machine's cores are for the server."""

    def __init__(self, port: int, secret: str):
        self.port = port
        self.head = f"Host: localhost\r\nAuthorization: Bearer {secret}\r\nUser-Agent: {AGENT}\r\n"
        self.idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def send(self, path: str, body: bytes = b"", *, hang_up: bool = False) -> tuple[int, bytes]:
        """Status and body; (0, b"") after hanging up."""
        while self.idle:
            # Turn about: visitors have connections of their own, and those spread over the server's processes.
            reader, writer = self.idle.popleft()
            if not reader.at_eof():
                break
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\n{self.head}{more}\r\n".encode() + body)
        if hang_up:
            await writer.drain()
            await asyncio.sleep(random.random() * 0.02)
            writer.close()
            return 0, b""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = await reader.readexactly(length)
        self.idle.append((reader, writer))
        return int(head[9:12]), answer


def path_of(rng: random.Random, ids: list[int]) -> str:
    """A product, some much more often than others, for a visitor that is new half the time."""
    product = ids[int(len(ids) * rng.random() ** 3)]
    visitor = rng.randrange(20_000) if rng.random() < 0.5 else rng.getrandbits(60)
    return f"/api/v1/products/{product}/?visitor=v{visitor}&locale=en&currency=EUR&segment%5Bdevice%5D=mobile"


async def open_loop(client: Client, ids: list[int], rate: int, seconds: float, seed: int) -> tuple[list[float], int]:
    """Milliseconds of each request from when it was due, and how many failed."""
    rng, times, failed, tasks = random.Random(seed), [], 0, []
    started = time.perf_counter()

    async def one(due: float, path: str) -> None:
        nonlocal failed
        try:
            status, body = await client.send(path)
            if status != 200 or b"exposure_token" not in body:
                failed += 1
        except (OSError, asyncio.IncompleteReadError):
            failed += 1
        times.append((time.perf_counter() - started - due) * 1000)

    due = 0.0
    while (due := due + rng.expovariate(rate)) < seconds:
        await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due, path_of(rng, ids))))
    await asyncio.gather(*tasks)
    return times, failed


async def closed_loop(client: Client, ids: list[int], seconds: float, seed: int) -> float:
    """Requests a second with CONNECTIONS at a time."""
    done, end = 0, time.perf_counter() + seconds

    async def one(number: int) -> None:
        nonlocal done
        rng = random.Random(seed * 100 + number)
        while time.perf_counter() < end:
            status, _body = await client.send(path_of(rng, ids))
            assert status == 200, status
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(one(n) for n in range(CONNECTIONS)))
    return done / (time.perf_counter() - started)


def make_events(count: int, ids: list[int]) -> list[bytes]:
    """Bodies of BATCH events each, as browsers send them; one in fifty has an unknown SKU."""
    rng, at = random.Random(11), datetime.now(UTC).isoformat()
    kinds = ["view"] * 7 + ["click", "add_to_cart", "purchase"]
    made = []
    for number in range(count):
        kind, product = rng.choice(kinds), rng.choice(ids)
        event = {
            "id": str(UUID(int=rng.getrandbits(128), version=4)), "visitor": f"v{rng.randrange(20_000)}", "kind": kind,
            "sku": f"SKU-{product}-{1 + number % 3}" if number % 50 else f"GONE-{number % 500}", "locale": "en", "at": at,
        }  # fmt: skip
        if kind == "purchase":
            event |= {"value": "12.90", "currency": "EUR", "quantity": 1}
        made.append(event)
    return [json.dumps({"events": made[n : n + BATCH]}).encode() for n in range(0, count, BATCH)]


async def send_events(client: Client, batches: list[bytes]) -> tuple[float, int]:
    """Each batch twice, every tenth first without waiting for the answer. Returns seconds and how many were accepted by
    the answers that came."""
    queue, accepted = list(enumerate(batches)), 0

    async def sender() -> None:
        nonlocal accepted
        while queue:
            number, body = queue.pop()
            for turn in range(2):
                hang_up = turn == 0 and number % 10 == 0
                status, answer = await client.send("/api/v1/events/", body, hang_up=hang_up)
                assert status == 200 or hang_up, answer
                accepted += json.loads(answer)["accepted"] if answer else 0

    started = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return time.perf_counter() - started, accepted


def _percentile(times: list[float], share: float) -> float:
    times = sorted(times)
    return round(times[min(len(times) - 1, int(len(times) * share))], 1)


async def measure(port: int, secret: str, store, ids: list[int]) -> dict:
    """All figures, from one event loop."""
    from asgiref.sync import sync_to_async

    from products.models import Event, Experiment

    client = Client(port, secret)
    for _ in range(200):
        try:
            await client.send("/healthz")
            break
        except OSError:
            await asyncio.sleep(0.2)
    await closed_loop(
        client, ids, min(4, SECONDS), seed=1
    )  # opens the connections, and both workers load what they load once
    await open_loop(client, ids, RATE, min(4, SECONDS), seed=1)
    times, failed = await open_loop(client, ids, RATE, SECONDS, seed=2)
    figures: dict = {
        "product_p99_ms": _percentile(times, 0.99), "product_p50_ms": _percentile(times, 0.5), "product_requests": len(times),
        "product_rate": RATE, "product_failed": failed, "products": len(ids), "experiments": EXPERIMENTS,
    }  # fmt: skip
    print(f"  p50 {figures['product_p50_ms']} ms, p99 {figures['product_p99_ms']} ms, {failed} failed", flush=True)

    rates: dict[str, list[float]] = {"running": [], "paused": []}
    change = sync_to_async(lambda status: Experiment.objects.filter(store=store).update(status=status))
    for turn in range(ROUNDS):
        for status in ("paused", "running") if turn % 2 else ("running", "paused"):
            await change(status)
            await asyncio.sleep(KEPT)
            rates[status].append(await closed_loop(client, ids, ROUND_SECONDS, seed=3 + turn))
            print(f"  {status}: {rates[status][-1]:.0f} requests/s", flush=True)
    await change("running")
    running, paused = (statistics.median(rates[status]) for status in ("running", "paused"))
    figures |= {
        "experiment_throughput_ratio": round(running / paused, 3), "requests_per_s_with_experiments": round(running),
        "requests_per_s_without": round(paused),
    }  # fmt: skip

    count = sync_to_async(lambda: Event.objects.filter(store=store).count())
    before, sent = await count(), EVENTS // BATCH * BATCH
    batches = make_events(sent, ids)
    seconds, accepted = await send_events(client, batches)
    await asyncio.sleep(1)  # what was hung up on may still be written
    kept = await count() - before
    wanted = [event["id"] for body in batches for event in json.loads(body)["events"]]
    found = await sync_to_async(
        lambda: Event.objects.filter(store=store, client_id__in=wanted).values("client_id").distinct().count()
    )()
    figures |= {
        "events_per_s": round(sent / seconds), "events": sent, "events_lost": sent - found, "events_doubled": kept - found,
        "events_accepted_twice": max(0, accepted - sent),
    }  # fmt: skip
    print(
        f"  {figures['events_per_s']} new events/s, {figures['events_lost']} lost, {figures['events_doubled']} doubled",
        flush=True,
    )
    return figures


def run() -> dict:
    """Fill, start, measure."""
    from ecomai import api_keys
    from ecomai.models import ApiKey
    from products.models import Assignment, Event, Exposure, Product

    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    store = fill()
    print(f"  filled in {time.perf_counter() - started:.0f} s", flush=True)
    for rows in (Event, Exposure, Assignment):
        rows.objects.filter(store=store).delete()
    ids = list(Product.objects.filter(store=store).order_by("pk").values_list("pk", flat=True))
    random.Random(5).shuffle(ids)
    _key, secret = api_keys.create(store=store, kind=ApiKey.Kind.PUBLISHABLE, name="bench")
    with server() as port:
        return asyncio.run(measure(port, secret, store, ids))
