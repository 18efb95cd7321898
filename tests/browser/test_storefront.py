"""shop.js in a real browser, in a shop on another origin: consent, texts, events, no network, signals that refuse."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ecomai import api_keys
from ecomai.models import Store
from products.models import Assignment, Event, Exposure
from tests.factories import make_product
from tests.products.storefront_factories import BROWSER, make_experiment

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = """<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
<script src="{url}/static/js/shop.js" data-key="{key}" data-locale="en" data-currency="EUR" defer></script>
<article data-ecomai-product="stoneware-mug"><h1 data-ecomai-text="title">Mug</h1>
<div data-ecomai-text="description_html">Old</div><p data-ecomai-text="meta.headline">Stays</p>
<button data-ecomai-event="add_to_cart" data-sku="MUG" data-value="16.90" data-quantity="1"><b>Buy</b></button></article>"""


@pytest.fixture
def shop(web):
    """(address of a shop's page, store): another origin than EcomAI's, which the key allows."""
    store = Store.objects.create(name="Alice", slug="alice", currency="EUR", locales=["en"])
    mug = make_product(store, "Stoneware mug", sku="MUG", description_html="<p>Glazed.</p>")
    make_experiment(store, {mug: {"title": "A mug that stays warm"}}, weights=(0, 1))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(Handler.page.encode())

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://localhost:{server.server_port}"
    _key, secret = api_keys.create(store=store, kind="publishable", name="web", origins=[address])
    Handler.page = PAGE.format(url=web.url, key=secret)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address, store
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser):
    """A page of a browser that doesn't call itself headless."""
    contexts = []

    def open_page(script: str = ""):
        context = browser.new_context(user_agent=BROWSER)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()


def until(page, count: int) -> None:
    for _ in range(100):
        if Event.objects.count() >= count:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{Event.objects.count()} events")


def test_nothing_happens_before_consent_then_the_variant_is_shown_and_events_arrive(shop, visit):
    address, store = shop
    page = visit()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    page.goto(address)
    page.click("button")
    page.wait_for_timeout(300)
    assert asked == [] and page.evaluate("localStorage.length") == 0 and page.evaluate("EcomAI.visitor()") is None
    assert page.inner_text("h1") == "Mug"

    page.evaluate("EcomAI.consent(true)")
    page.wait_for_function("document.querySelector('h1').textContent === 'A mug that stays warm'")
    assert (page.inner_text("div p"), page.inner_text("[data-ecomai-text='meta.headline']")) == ("Glazed.", "Stays")
    page.click("button b")
    page.evaluate("EcomAI.track('purchase', {sku: 'MUG', value: '16.90', currency: 'EUR'})")
    until(page, 3)
    rows = {row.kind: row for row in Event.objects.select_related("product", "arm")}
    assert set(rows) == {"view", "add_to_cart", "purchase"} and not any(row.is_bot for row in rows.values())
    assert len({row.visitor for row in rows.values()} | {Assignment.objects.get().visitor}) == 1
    assert rows["view"].arm.name == rows["add_to_cart"].arm.name == "B" and Exposure.objects.count() == 1
    assert (str(rows["add_to_cart"].value), rows["add_to_cart"].product.handle) == ("16.9000", "stoneware-mug")
    page.wait_for_function("localStorage['ecomai.events'] === '[]'")

    visitor = page.evaluate("EcomAI.visitor()")
    page.reload()
    page.evaluate("EcomAI.consent(true)")
    assert page.evaluate("EcomAI.visitor()") == visitor
    page.evaluate("EcomAI.consent(false)")
    assert page.evaluate("localStorage.length") == 0 and page.errors == []


def test_without_a_network_events_wait_and_are_sent_once_when_it_is_back(shop, visit):
    address, _store = shop
    page = visit()
    page.goto(address)
    page.evaluate("EcomAI.consent(true)")
    until(page, 1)
    page.context.set_offline(True)
    for _ in range(3):
        page.click("button")
    page.wait_for_timeout(1500)
    assert page.evaluate("JSON.parse(localStorage['ecomai.events']).length") == 3 and Event.objects.count() == 1
    page.context.set_offline(False)
    page.evaluate("dispatchEvent(new Event('online'))")
    until(page, 4)
    page.wait_for_function("localStorage['ecomai.events'] === '[]'")
    assert Event.objects.count() == 4 and page.errors == []


def test_an_answer_that_got_lost_counts_nothing_twice(shop, visit):
    address, _store = shop
    page = visit()
    page.goto(address)
    lost = []

    def lose(route):
        route.fetch()
        lost.append(1)
        route.abort()

    page.route("**/events/", lose)
    page.evaluate("EcomAI.consent(true)")
    until(page, 1)
    page.wait_for_timeout(300)
    page.unroute("**/events/")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_function("localStorage['ecomai.events'] === '[]'")
    assert lost and Event.objects.count() == 1


@pytest.mark.parametrize("signal", ["globalPrivacyControl: {value: true}", "doNotTrack: {value: '1'}"])
def test_a_browser_that_refuses_is_left_alone(shop, visit, signal):
    address, _store = shop
    page = visit(f"Object.defineProperties(Navigator.prototype, {{{signal}}})")
    page.goto(address)
    page.evaluate("EcomAI.consent(true)")
    page.click("button")
    page.wait_for_timeout(300)
    assert page.evaluate("localStorage.length") == 0 and page.evaluate("EcomAI.visitor()") is None
    assert page.inner_text("h1") == "Mug" and Event.objects.count() == Assignment.objects.count() == 0


def test_consent_that_comes_before_the_script_is_heard(shop, visit):
    address, _store = shop
    page = visit("window.EcomAI = [['consent', true], ['track', 'custom', {name: 'banner'}]]")
    page.goto(address)
    until(page, 2)
    assert sorted(Event.objects.values_list("kind", "name")) == [("custom", "banner"), ("view", "")]
