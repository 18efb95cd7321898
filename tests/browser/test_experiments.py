"""An experiment from approved variants to a published winner and back, with 2,000 shoppers through the real API."""

import os
import random
import re
import time
import uuid

import httpx
import pytest
from playwright.sync_api import Page, expect

from ecomai import api_keys
from ecomai.models import ApiKey
from products import experiment_results
from products.models import AdAsset, CopyRequest, Event, Experiment, ExperimentSettings, Product
from tests.browser.test_shop import sign_in
from tests.factories import make_product
from tests.products.experiment_factories import arm, draft, running, visitors
from tests.products.storefront_factories import BROWSER

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
pytestmark = pytest.mark.browser
SHOPPERS = 2000
RATES = {"Stoneware mug": 0.08, "Stoneware mug by hand": 0.08, "A mug that keeps your coffee warm": 0.26}
FINGERPRINT = "0123456789abcdef"  # fixed salts: each run splits the shoppers in the same way


@pytest.fixture
def unhurried(monkeypatch):
    """No limit of requests stands in the way of 2,000 shoppers in a minute."""
    monkeypatch.setenv("API_RATE", "1000000/min")
    monkeypatch.setenv("API_VISITOR_RATE", "1000000/min")


def _shop(store, url: str) -> httpx.Client:
    _key, secret = api_keys.create(store=store, kind=ApiKey.Kind.SECRET, name="shop")
    headers = {"authorization": f"Bearer {secret}", "X-Buyer-User-Agent": BROWSER}
    return httpx.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=20)


def _seen(shop: httpx.Client, visitor: str) -> dict:
    answer = shop.get("products/stoneware-mug/", params={"visitor": visitor, "locale": "en"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _walk_by(shop: httpx.Client, count: int) -> dict[str, int]:
    """Shoppers look at the product, and some click, by the true rate of the title that they see. Returns title → shoppers."""
    luck, batch, seen = random.Random(20261127), [], dict.fromkeys(RATES, 0)
    for number in range(count):
        visitor = f"shopper-{number}"
        product = _seen(shop, visitor)
        seen[product["title"]] += 1
        token = {"exposure_token": product["experiments"][0]["exposure_token"]}
        kinds = ["view"] + (["click"] if luck.random() < RATES[product["title"]] else [])
        batch += [
            {"id": str(uuid.uuid4()), "visitor": visitor, "kind": kind, "product": "stoneware-mug", **token}
            for kind in kinds
        ]
        if len(batch) >= 98 or number == count - 1:
            receipt = shop.post("events/", json={"events": batch})
            assert receipt.status_code == 200 and receipt.json()["accepted"] == len(batch), receipt.text
            batch = []
    return seen


def _until(true, seconds: float = 12) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.3)


@pytest.mark.timeout(600)
def test_from_approved_variants_to_a_published_winner_and_back(unhurried, web, store, alice, page: Page, quiet):
    mug = make_product(store)
    order = CopyRequest.objects.create(
        store=store, product=mug, channels=["google_merchant"], locale="en", tone="neutral", created_by=alice,
        asked={"google_merchant.title": 2}, finished_at="2026-11-20T10:00Z",
    )  # fmt: skip
    for position, text in enumerate([t for t in RATES if t != mug.title], 1):
        AdAsset.objects.create(
            store=store, request=order, product=mug, field="google_merchant.title", locale="en", tone="neutral",
            angle="feature", position=position, text=text, machine_text=text, model_label="house-copy", inputs_hash="0",
        )  # fmt: skip
    sign_in(page, web)
    page.goto(f"{web.url}/s/alice/copy/{order.pk}/")
    for left in (2, 1):
        page.get_by_role("button", name="Approve").first.click()
        expect(page.locator(".asset[data-status=approved]")).to_have_count(3 - left)

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Experiments").click()
    page.get_by_role("link", name="New experiment").first.click()
    page.get_by_label("Name").fill("Mug titles")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mug titles")
    page.get_by_role("button", name="One more variant").click()
    page.get_by_label("Find products").fill("stone")
    page.get_by_role("checkbox", name="Stoneware mug").check()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#written input.input")).to_have_count(2)
    texts = [page.locator("#written input.input").nth(n).input_value() for n in (0, 1)]
    assert set(texts) == set(RATES) - {"Stoneware mug"}
    page.get_by_text("Who takes part, and fine print").click()
    page.get_by_label("Least days").fill("0")
    page.get_by_label("Main metric").select_option("click")
    # The form keeps itself, each change by a request of its own.
    _until(lambda: Experiment.objects.filter(metric="click", min_days=0).exists())
    Experiment.objects.update(salt=FINGERPRINT)
    ExperimentSettings.objects.update_or_create(store=store, defaults={"salt": FINGERPRINT})
    page.reload()
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".verdict-text")).to_have_text("Not yet: no visitor has seen it.")

    shop = _shop(store, web.url)
    _until(lambda: _seen(shop, "early bird")["experiments"])
    seen = _walk_by(shop, SHOPPERS)
    assert min(seen.values()) > 580 and Event.objects.filter(kind="view").count() == SHOPPERS
    page.get_by_role("button", name="Look now").click()
    best = "BC"[texts.index("A mug that keeps your coffee warm")]
    expect(page.locator(".verdict-text")).to_contain_text(f"“{best}” wins against “As it is”")
    expect(page.locator("article.card")).to_have_count(3)
    expect(page.locator("svg.x-interval")).to_have_count(2)
    expect(page.locator("#winner option:checked")).to_have_text(best)
    page.get_by_role("button", name="Finish only").click()
    page.get_by_role("button", name=f"Publish “{best}”").click()
    expect(page.get_by_text("1 text published")).to_be_visible()
    for visitor in ("shopper-1", "shopper-2", "shopper-3", "newcomer"):
        _until(lambda visitor=visitor: _seen(shop, visitor)["title"] == "A mug that keeps your coffee warm")
        assert _seen(shop, visitor)["experiments"] == []
    assert Product.objects.get().title == "A mug that keeps your coffee warm"
    page.get_by_role("button", name="Take the published texts back").click()
    expect(page.get_by_text("1 text is back.")).to_be_visible()
    assert _seen(shop, "newcomer")["title"] == "Stoneware mug"
    expect(page.get_by_text("took the texts back")).to_be_visible()


def test_on_a_phone_by_keyboard_and_in_the_dark(web, store, alice, page: Page, quiet):
    experiment = running(store, mode="bandit", window_hours=1, guardrails=[{"metric": "click", "margin": 0.02}])
    for letter, n in (("A", 20), ("B", 60)):
        visitors(arm(experiment, letter), 400, n, segment={"device": "mobile"})
        visitors(arm(experiment, letter), 100, n // 4, segment={"device": "desktop"})
    experiment_results.look(experiment)
    other = draft(store, product=make_product(store, "Bowl"), name="Draft")
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, web)
    page.get_by_role("button", name="Light or dark").click()
    for path in ("", "new/", "method/", "reports/", f"{experiment.pk}/", f"{experiment.pk}/edit/", f"{other.pk}/edit/"):
        page.goto(f"{web.url}/s/alice/experiments/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.locator("main").count() == 1 and page.locator("h1").count() == 1
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], svg[role=img]')]
            .filter(e => (e.offsetParent || e.getClientRects().length) && !e.labels?.length && !e.getAttribute('aria-label')
                && !e.textContent.trim() && !e.getAttribute('aria-labelledby')).map(e => e.outerHTML)"""
        )
        assert nameless == [], path
    page.locator("#plan").get_by_label("Name", exact=True).focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("Bowls of autumn")
    page.keyboard.press("Tab")
    expect(page.locator("#planner")).to_be_visible()
    _until(lambda: Experiment.objects.get(pk=other.pk).name == "Bowls of autumn")
    product = page.get_by_role("radio", name=re.compile("Products in a feed"))
    product.focus()
    page.keyboard.press("Space")
    expect(page.get_by_label("Days of a period")).to_be_visible()
    expect(page.get_by_text("Guardrails")).to_be_hidden()
    _until(lambda: Experiment.objects.get(pk=other.pk).unit == "product")
