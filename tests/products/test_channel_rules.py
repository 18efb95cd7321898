"""Channel rules are data: the initial ones, an administrator's, a store's own."""

from datetime import date

import pytest
from django.test import Client

from ecomai.models import User
from products import channel_rules
from products.channels import CHANNELS, HOUSE, HOUSE_LIMITS, limits, rules, set_limit
from products.copy_prompts import Facts
from products.editorial import problems
from products.models import ChannelField, ChannelRule

pytestmark = pytest.mark.django_db
RULE = {"key": "google_rsa.headline", "unit": "width", "limit": 25, "minimum": 5, "most": 12, "least": 4, "banned": "&",
        "source": "https://example.com/rules", "checked_on": "2026-11-02"}  # fmt: skip


@pytest.fixture
def root(as_user) -> Client:
    return as_user(User.objects.create_superuser("root@example.com", "x"))


def test_every_initial_rule_says_where_it_is_from_and_when_it_was_looked_up():
    for rule in channel_rules.INITIAL.values():
        assert rule.source and rule.checked and rule.channel in CHANNELS
        channel_rules.check(unit=rule.unit, limit=rule.limit, minimum=rule.minimum, most=rule.most, least=rule.least)
    assert channel_rules.INITIAL["amazon.search_terms"].count("größe") == 7


def test_the_fields_and_aims_of_the_training_prompts_stay():
    assert HOUSE_LIMITS == {
        "google_rsa.headline": 30, "google_rsa.description": 90, "google_merchant.title": 150,
        "google_merchant.description": 700, "meta.primary_text": 125, "meta.headline": 40, "amazon.title": 75,
        "amazon.bullet": 255, "seo.title": 60, "seo.description": 155,
    }  # fmt: skip


def test_the_model_is_asked_for_no_field_that_it_never_learnt(store):
    assert set(limits(store)) == set(HOUSE)
    assert set(rules(store)) - set(HOUSE) >= {"google_rsa.path", "amazon.search_terms", "amazon.description"}


def test_an_administrators_rule_holds_for_all_stores_and_a_stores_own_goes_before_it(root, store, other_store):
    page = root.post("/admin/products/channelrule/add/", RULE)
    assert page.status_code == 302, page.context["errors"]
    for shop in (store, other_store):
        rule = limits(shop)["google_rsa.headline"]
        assert (rule.limit, rule.most, rule.least, rule.banned) == (25, 12, 4, "&")
        assert (rule.source, rule.checked) == ("https://example.com/rules", date(2026, 11, 2))
    set_limit(store, "google_rsa.headline", unit="width", limit=28, minimum=8, most=3)
    mine, theirs = limits(store)["google_rsa.headline"], limits(other_store)["google_rsa.headline"]
    assert (mine.limit, mine.least, mine.banned, theirs.limit) == (28, 3, "&", 25)
    set_limit(store, "google_rsa.headline", unit="width", limit=25, minimum=5, most=12)
    assert not ChannelField.objects.exists(), "what holds for all stores needs no row of the store's"
    assert HOUSE_LIMITS["google_rsa.headline"] == 30


def test_a_banned_character_that_an_administrator_adds_keeps_texts_out(root, store):
    facts = Facts(title="Salt & pepper mill", attributes={"Material": "Oak"})
    assert "characters" not in problems("Salt & pepper, oak", limits(store)["google_rsa.headline"], "en", facts)
    root.post("/admin/products/channelrule/add/", RULE)
    assert "characters" in problems("Salt & pepper, oak", limits(store)["google_rsa.headline"], "en", facts)


def test_the_administrator_sees_the_initial_rules_changes_one_and_resets_it(root):
    page = root.get("/admin/products/channelrule/").content.decode()
    assert page.count('<th scope="row">') == len(channel_rules.INITIAL) and "2026-11-27" in page
    assert "not confirmed by the channel" in page
    form = root.get("/admin/products/channelrule/add/?key=amazon.title").context["adminform"].form
    assert form.initial["limit"] == 75 and form.initial["source"].startswith("sellercentral")
    root.post("/admin/products/channelrule/add/", RULE)
    row = ChannelRule.objects.get()
    assert f"/channelrule/{row.pk}/delete/" in root.get("/admin/products/channelrule/").content.decode()
    root.post("/admin/products/channelrule/", {"action": "reset", "_selected_action": [row.pk]})
    assert not ChannelRule.objects.exists()
    assert channel_rules.effective() == channel_rules.INITIAL


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 4}, {"least": 13}, {"unit": "words"}, {"key": "google_rsa.nothing"}, {"limit": 200_000}, {"source": ""}],
)
def test_numbers_that_make_no_sense_are_refused(root, wrong):
    page = root.post("/admin/products/channelrule/add/", RULE | wrong)
    assert page.status_code == 200 and page.context["errors"] and not ChannelRule.objects.exists()


def test_an_owner_of_a_store_changes_no_rule_of_all_stores(alice, as_user):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    client = as_user(alice)
    assert client.post("/admin/products/channelrule/add/", RULE).status_code == 403
    assert client.get("/admin/products/channelrule/").status_code == 403
    assert not ChannelRule.objects.exists()
