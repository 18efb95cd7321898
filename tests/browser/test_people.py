"""People: invite and accept in two browsers, the look that stays, and everything without JavaScript."""

import os
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from ecomai.models import Membership, Store
from tests.conftest import PASSWORD

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
pytestmark = pytest.mark.browser


def sign_in(page: Page, web, email: str) -> None:
    page.goto(f"{web.url}/sign-in/")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alice's shop")


def test_an_owner_invites_and_the_guest_joins_and_is_removed(web, alice, browser: Browser, page: Page, quiet):
    sign_in(page, web, "alice@example.com")
    page.get_by_role("link", name="Members").click()
    page.get_by_label("Email address").fill("nia@example.com")
    page.locator("#id_role").select_option("manager")
    page.get_by_role("button", name="Send the invitation").click()
    link = page.locator("#invitation-link").inner_text()

    guest_browser = browser.new_context()
    guest = guest_browser.new_page()
    guest.goto(link)
    expect(guest.get_by_role("heading", level=1)).to_have_text("Join Alice's shop")
    guest.get_by_label("First name").fill("Nia")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Accept the invitation").click()
    expect(guest.get_by_role("heading", level=1)).to_have_text("Alice's shop")
    guest_browser.close()

    page.goto(f"{web.url}/s/alice/members/")
    row = page.locator(".row", has_text="nia@example.com")
    expect(row.get_by_label("Role of Nia")).to_have_value("manager")
    row.get_by_label("Role of Nia").select_option("analyst")
    row.get_by_role("button", name="Save").click()
    expect(row.get_by_label("Role of Nia")).to_have_value("analyst")
    page.once("dialog", lambda dialog: dialog.dismiss())
    row.get_by_role("button", name="Remove").click()
    expect(row).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    assert Membership.objects.count() == 1


def test_theme_and_language_stay_over_pages_and_the_system_decides_first(web, alice, browser: Browser):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    sign_in(page, web, "alice@example.com")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Light or dark").click()
    page.goto(f"{web.url}/s/alice/members/")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_label("Language", exact=True).select_option("zh-hans")
    expect(page.get_by_role("heading", level=1)).to_have_text("成员")
    page.goto(f"{web.url}/profile/")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    context.close()


def test_a_new_key_is_copied_and_the_api_reference_opens(web, alice, page: Page, quiet):
    sign_in(page, web, "alice@example.com")
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill("storefront")
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#new-key")).to_have_text(re.compile(r"^pk_[\w-]{40,}$"))
    page.get_by_role("link", name="API reference").click()
    expect(page.get_by_text("/api/v1/products/", exact=True)).to_be_visible(timeout=20_000)


def test_without_javascript_everything_can_still_be_done(web, alice, browser: Browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, web, "alice@example.com")
    page.goto(f"{web.url}/stores/new/")
    page.get_by_label("Name", exact=True).fill("Second shop")
    page.get_by_label("Short name in addresses").fill("second")
    page.get_by_role("button", name="Create the store").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second shop")
    page.goto(f"{web.url}/s/second/settings/")
    page.get_by_label("Currency").fill("usd")
    page.get_by_role("button", name="Save").click()
    assert Store.objects.get(slug="second").currency == "USD"
    page.goto(f"{web.url}/s/second/jobs/")
    expect(page.get_by_text("nothing has run yet")).to_be_visible()
    page.get_by_label("Language", exact=True).select_option("zh-hans")
    page.get_by_role("button", name="OK").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    context.close()
