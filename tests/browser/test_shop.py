"""The merchant's first hour: sign in, import, look, write copy, approve; then on a phone, in Chinese, by keyboard."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from products.models import AdAsset, Product
from tests.conftest import PASSWORD

# The test's own database calls run beside playwright's event loop.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
pytestmark = pytest.mark.browser
DEMO = Path(__file__).resolve().parents[2] / "ecomai" / "demo" / "catalogue.csv"


def sign_in(page: Page, stack) -> None:
    page.goto(stack.url)
    page.get_by_label("Email address").fill("alice@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice's shop")


def test_from_a_file_to_approved_copy(stack, alice, page: Page, quiet):
    sign_in(page, stack)
    page.get_by_role("link", name="Import products").first.click()
    page.locator("#file").set_input_files(DEMO)
    page.get_by_role("button", name="Upload and look at it").click()
    expect(page.get_by_text("shopify", exact=True)).to_be_visible()
    page.get_by_role("button", name="Show the preview").click()
    page.get_by_role("button", name="Import now").click(timeout=60_000)
    expect(page.get_by_role("button", name="Undo this import").or_(page.get_by_text("Undo this import"))).to_be_visible(
        timeout=60_000
    )
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Products").click()
    expect(page.get_by_role("status").first).to_have_text(re.compile("28 products"))
    page.get_by_label("Search", exact=True).fill("candle")
    expect(page.locator("#products tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Scented candle cedar & fig").click()
    page.get_by_role("link", name="Write ad copy").click()
    page.get_by_label("Meta ad").uncheck()
    page.get_by_label("Variants of each text").fill("2")
    page.get_by_role("button", name="Write ad copy").click()
    card = page.locator(".asset").first
    expect(card).to_be_visible(timeout=150_000)
    expect(card).to_contain_text("house-copy")
    card.get_by_role("button", name="Approve").click()
    expect(page.locator(".asset[data-status=approved]")).to_have_count(1)
    assert AdAsset.objects.filter(status="approved").count() == 1
    second = page.locator(".asset").nth(1)
    second.get_by_role("link", name="Edit").click()
    page.locator("textarea[name=text]").fill("Cedar and fig, 45 hours")
    expect(page.locator(".counter").filter(has_text="23 /")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Edited by")).to_be_visible()
    assert Product.objects.count() == 28


def test_on_a_phone_in_the_dark_and_in_chinese(stack, alice, page: Page, quiet):
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, stack)
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", re.compile("dark|light"))
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Products").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Products")
    for path in ("", "products/", "imports/", "copy/", "channels/", "members/", "keys/", "settings/", "export/"):
        page.goto(f"{stack.url}/s/alice/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    page.get_by_label("Language", exact=True).select_option("zh-hans")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.get_by_role("heading", level=1)).to_have_text("导出")


def test_by_keyboard_and_for_a_screen_reader(stack, alice, page: Page, quiet):
    sign_in(page, stack)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.get_by_role("button", name="Jobs").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Jobs")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary", name="Jobs")).to_be_hidden()
    for path in ("", "products/", "products/new/", "imports/", "settings/", "members/", "keys/", "channels/"):
        page.goto(f"{stack.url}/s/alice/{path}")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href]')]
            .filter(e => e.offsetParent && !e.labels?.length && !e.getAttribute('aria-label') && !e.textContent.trim()
                && !e.getAttribute('aria-labelledby')).map(e => e.outerHTML)"""
        )
        assert nameless == [], path
        assert page.locator("main").count() == 1 and page.locator("h1").count() == 1
