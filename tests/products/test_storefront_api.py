"""The storefront's addresses: a product in a language and currency with its experiments, lists with facets, texts."""

import threading
import time

import pytest
from django.db import connection, transaction

from ecomai.models import ApiKey
from products import assignment, exposure_tokens, live_experiments, publishing
from products.models import (
    AdAsset,
    Assignment,
    Brand,
    Category,
    CopyRequest,
    Experiment,
    ExperimentSettings,
    Exposure,
    Price,
)
from tests.factories import make_product
from tests.products.storefront_factories import BROWSER, ROBOT, api_client, make_experiment

pytestmark = pytest.mark.django_db
URL = "/api/v1/products/"
EXISTING = {
    "id", "handle", "title", "status", "brand", "category", "tags", "description_html", "attributes", "options",
    "seo_title", "seo_description", "images", "variants", "updated_at",
}  # fmt: skip


@pytest.fixture
def mug(store):
    return make_product(
        store, "Stoneware mug", description_html="<p>Glazed.</p>", tags=["stoneware", "blue"], sku="MUG"
    )


@pytest.fixture
def shop(store):
    return api_client(store)


def get(client, ref="stoneware-mug", headers=None, **asked):
    return client.get(f"{URL}{ref}/", asked, headers=headers or {})


# --- One product


@pytest.mark.parametrize("by", ["handle", "pk"])
def test_a_visitor_gets_the_text_of_its_arm_with_a_token_and_nobody_may_share_the_answer(store, mug, shop, by):
    made = make_experiment(
        store, {mug: {"title": "A mug that stays warm", "description": "<p>B</p><script>x</script>"}}
    )
    seen = {}
    for n in range(40):
        answer = get(shop, getattr(mug, by), visitor=f"v{n}")
        assert answer["Cache-Control"] == "private, no-store" and "ETag" not in answer
        assert {"Authorization", "Origin"} <= set(answer["Vary"].replace(",", "").split())
        (shown,) = answer.json()["experiments"]
        assert shown["id"] == made.pk and set(shown) == {"id", "variant", "variant_id", "is_control", "exposure_token"}
        seen[shown["variant"]] = answer.json()
        token = exposure_tokens.read(shown["exposure_token"])
        assert (token.arm_id, token.product_id, token.store_id) == (shown["variant_id"], mug.pk, store.pk)
    assert EXISTING < seen["A"].keys()
    assert (seen["A"]["title"], seen["A"]["description_html"]) == ("Stoneware mug", "<p>Glazed.</p>")
    assert (seen["B"]["title"], seen["B"]["description_html"]) == ("A mug that stays warm", "<p>B</p>")
    assert Assignment.objects.count() == Exposure.objects.count() == 40
    mug.refresh_from_db()
    assert mug.title == "Stoneware mug"


def test_by_number_the_product_its_arm_and_what_is_written_are_one_statement(
    store, mug, shop, django_assert_num_queries
):
    made = make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    get(shop, mug.pk, visitor="v1")  # what is kept: the key, the store, the experiments, their texts
    with django_assert_num_queries(1):
        assert get(shop, mug.pk, visitor="v2").json()["title"] == "B"
    assert Exposure.objects.filter(experiment=made, product=mug).count() == Assignment.objects.count() == 2


@pytest.mark.parametrize("kind, rows", [(ApiKey.Kind.PUBLISHABLE, 0), (ApiKey.Kind.SECRET, 1)])
def test_a_product_that_is_not_shown_is_not_written_as_seen(store, kind, rows):
    draft = make_product(store, "Draft", status="draft")
    make_experiment(store, {draft: {"title": "B"}}, weights=(0, 1))
    asked = get(api_client(store, kind), draft.pk, visitor="v1", headers={"x-buyer-user-agent": BROWSER})
    assert asked.status_code == (200 if rows else 404)
    assert Assignment.objects.count() == Exposure.objects.count() == rows


@pytest.mark.parametrize("fields", [{"title": "B"}, {"title": "B", "seo_title": "S"}])
@pytest.mark.parametrize("by", ["handle", "pk"])
def test_an_experiment_that_was_just_deleted_shows_the_listing(transactional_db, store, mug, shop, by, fields):
    made = [make_experiment(store, {mug: {name: text}}, name, weights=(0, 1)) for name, text in fields.items()]
    assert get(shop, getattr(mug, by), visitor="v1").json()["title"] == "B"
    Experiment.objects.filter(pk__in=[e.pk for e in made]).delete()
    answer = get(shop, getattr(mug, by), visitor="v2")
    assert (answer.status_code, answer.json()["title"], answer.json()["experiments"]) == (200, "Stoneware mug", [])
    assert Assignment.objects.count() == Exposure.objects.count() == 0


@pytest.mark.parametrize("by", ["handle", "pk"])
def test_of_two_requests_at_once_the_faster_ones_arm_is_what_both_show(transactional_db, store, mug, shop, by):
    made = make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    get(shop, getattr(mug, by), visitor="v0")
    visitor, first = assignment.visitor_id(store, "v1"), made.arms.get(is_control=True)
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"
    wrote, waited = threading.Event(), threading.Event()

    def faster():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                Assignment.objects.create(store=store, experiment=made, visitor=visitor, arm=first)
                wrote.set()
                for _ in range(300):
                    cursor.execute(waiting)
                    if cursor.fetchone():
                        waited.set()
                        return
                    time.sleep(0.1)
        finally:
            connection.close()

    other = threading.Thread(target=faster)
    other.start()
    assert wrote.wait(30)
    (shown,) = get(shop, getattr(mug, by), visitor="v1").json()["experiments"]
    other.join()
    assert waited.is_set() and shown["variant_id"] == first.pk
    assert Exposure.objects.get(visitor=visitor).arm == Assignment.objects.get(visitor=visitor).arm == first


def test_the_same_visitor_sees_the_same_by_number_and_by_handle(store, mug, shop):
    make_experiment(store, {mug: {"title": "B"}})
    one, two = (get(shop, ref, visitor="v1").json()["experiments"][0]["variant_id"] for ref in (mug.handle, mug.pk))
    assert one == two and Assignment.objects.count() == 1


def test_without_an_experiment_there_is_an_etag_that_follows_every_change(store, mug, shop):
    first = get(shop, visitor="v1", locale="de")
    assert (first.json()["experiments"], first["Cache-Control"]) == ([], "private, no-cache")
    have = {"if-none-match": f'"other", {first["ETag"]}'}
    again = get(shop, headers=have, locale="de")
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert (
        get(shop, headers=have).status_code == get(shop, headers=have, locale="de", currency="USD").status_code == 200
    )
    publishing.publish(store=store, product=mug, field="title", locale="de", text="Steinguttasse", by=None)
    changed = get(shop, headers=have, locale="de")
    assert (changed.status_code, changed.json()["title"]) == (200, "Steinguttasse")
    make_experiment(store, {mug: {"title": "B"}})
    assert get(shop, headers={"if-none-match": get(shop)["ETag"]}, visitor="v1").status_code == 200


def test_robots_and_visitors_without_an_id_see_the_listing_and_leave_nothing(store, mug):
    make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    for client, asked in ((api_client(store), {}), (api_client(store, agent=ROBOT), {"visitor": "v1"}),
                          (api_client(store, agent=""), {"visitor": "v1"})):  # fmt: skip
        body = get(client, **asked).json()
        assert (body["title"], body["experiments"]) == ("Stoneware mug", [])
    assert Assignment.objects.count() == 0


def test_a_server_says_which_browser_it_asks_for(store, mug):
    make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    server = api_client(store, ApiKey.Kind.SECRET, agent="python-httpx/0.28")
    assert get(server, visitor="v1").json()["title"] == "B"
    assert get(server, visitor="v2", headers={"x-buyer-user-agent": ROBOT}).json()["title"] == "Stoneware mug"


def test_texts_come_in_the_language_or_its_parent_or_else_the_stores_first(store, mug, shop):
    for field, locale, text in (
        ("title", "de", "Tasse"),
        ("seo.title", "de", "Tasse kaufen"),
        ("title", "de-AT", "Häferl"),
    ):
        publishing.publish(store=store, product=mug, field=field, locale=locale, text=text, by=None)
    store.locales = ["en", "de", "de-AT"]
    store.save()
    made = {code: get(shop, locale=code).json() for code in ("", "de", "de-at", "de-CH", "fr")}
    assert {code: (b["locale"], b["title"], b["texts"]) for code, b in made.items()} == {
        "": ("en", "Stoneware mug", {}),
        "de": ("de", "Tasse", {"seo.title": "Tasse kaufen"}),
        "de-at": ("de-AT", "Häferl", {"seo.title": "Tasse kaufen"}),
        "de-CH": ("de", "Tasse", {"seo.title": "Tasse kaufen"}),
        "fr": ("fr", "Stoneware mug", {}),
    }


def test_a_text_that_was_taken_back_or_replaced_is_shown_no_more(store, mug, shop):
    publish = lambda text: publishing.publish(
        store=store, product=mug, field="meta.headline", locale="en", text=text, by=None
    )
    publish("One")
    second = publish("Two")
    assert get(shop).json()["texts"] == {"meta.headline": "Two"}
    publishing.undo(published=second, by=None)
    assert get(shop).json()["texts"] == {"meta.headline": "One"}
    listed = publishing.publish(store=store, product=mug, field="title", locale="en", text="New title", by=None)
    assert get(shop).json()["title"] == "New title"
    publishing.undo(published=listed, by=None)
    assert get(shop).json()["title"] == "Stoneware mug"


def test_an_arm_stands_over_what_is_published_and_only_in_its_language(store, mug, shop):
    publishing.publish(store=store, product=mug, field="title", locale="de", text="Tasse", by=None)
    make_experiment(store, {mug: {"title": "Warme Tasse", "seo.title": "S"}}, weights=(0, 1), locale="de")
    german, english = get(shop, visitor="v", locale="de").json(), get(shop, visitor="v").json()
    assert (german["title"], german["texts"]) == ("Warme Tasse", {"seo.title": "S"})
    assert (english["title"], english["experiments"]) == ("Stoneware mug", [])


def test_prices_come_in_the_currency(store, mug, shop):
    variant = mug.variants.get()
    Price.objects.create(store=store, variant=variant, currency="USD", amount="18.5", compare_at="25")
    Price.objects.create(store=store, variant=variant, currency="USD", amount="9", market="us")
    euro, dollar, none = (get(shop, currency=c).json() for c in ("", "usd", "JPY"))
    assert euro["price"] == {"currency": "EUR", "from": "16.9", "to": "16.9", "compare_at": None}
    assert len(euro["variants"][0]["prices"]) == 3
    assert dollar["price"] == {"currency": "USD", "from": "18.5", "to": "18.5", "compare_at": "25"}
    assert [p["currency"] for p in dollar["variants"][0]["prices"]] == ["USD", "USD"]
    assert none["price"] is None and none["variants"][0]["prices"] == []


def test_a_segment_decides_and_is_kept_with_the_assignment(store, mug, shop):
    make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1), segments={"device": ["mobile"]})
    assert get(shop, visitor="v1", **{"segment[device]": "desktop"}).json()["experiments"] == []
    assert get(shop, visitor="v1", **{"segment[device]": "mobile", "segment[login]": "no"}).json()["title"] == "B"
    assert Assignment.objects.get().segment == {"device": "mobile", "login": "no"}


@pytest.mark.parametrize(
    "asked",
    [{"visitor": "x" * 201}, {"locale": "english please"}, {"locale": "../de"}, {"currency": "EURO"}, {"segment[x y]": "1"},
     {"segment[a]": ""}, {"segment[a]": "x" * 61}, {"segment": "a"}, {"visitor": "a\0b"}],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_named(mug, shop, asked):
    answer = get(shop, **asked)
    assert answer.status_code == 400 and [e["attr"] for e in answer.json()["errors"]] == list(asked)


@pytest.mark.parametrize("ref", ["nothing", "999999", "99999999999999999999", "%00", "a%00b", "²", "x" * 300])
def test_what_is_not_there_is_404_in_the_one_shape(mug, shop, ref):
    answer = shop.get(f"{URL}{ref}/")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "not_found")


def test_an_unknown_address_is_404_in_the_one_shape(shop):
    answer = shop.get("/api/v1/nothing/here/")
    assert (answer.status_code, answer.json()["type"]) == (404, "client_error")
    assert shop.get("/nothing/").status_code == 404 and b"<html" in shop.get("/nothing/").content


def test_a_handle_of_digits_is_found_where_no_product_has_the_number(store, shop):
    made = make_product(store, "Number", handle="99887766")
    assert get(shop, "99887766").json()["id"] == made.pk


def test_a_draft_is_seen_by_servers_only(store, shop):
    make_product(store, "Draft", status="draft")
    assert get(shop, "draft").status_code == 404
    assert get(api_client(store, ApiKey.Kind.SECRET), "draft").json()["variants"][0]["stock"] == 5


def test_another_stores_key_product_and_experiment_are_apart(store, other_store, mug, shop):
    theirs = make_product(other_store, "Stoneware mug")
    make_experiment(other_store, {theirs: {"title": "Theirs"}}, weights=(0, 1))
    assert get(shop, theirs.pk, visitor="v").status_code == 404
    assert get(shop, visitor="v").json()["title"] == "Stoneware mug" and Assignment.objects.count() == 0
    their_shop = api_client(other_store)
    assert get(their_shop, visitor="v").json()["title"] == "Theirs" and get(their_shop, mug.pk).status_code == 404
    assert set(Assignment.objects.values_list("store", flat=True)) == {other_store.pk}


def test_the_holdout_sees_the_listing(store, mug, shop):
    make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    ExperimentSettings.objects.filter(store=store).update(holdout=1)
    live_experiments.forget(store.pk)
    ExperimentSettings.objects.update_or_create(store=store, defaults={"holdout": 1})
    assert get(shop, visitor="v").json()["title"] == "Stoneware mug" and Assignment.objects.count() == 0


def test_a_finished_experiment_is_gone_for_all(store, mug, shop):
    made = make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    assert get(shop, visitor="v").json()["title"] == "B"
    Experiment.objects.filter(pk=made.pk).update(status="finished")
    live_experiments.forget(store.pk)
    assert get(shop, visitor="v").json()["title"] == "Stoneware mug"


# --- Keys, origins, throttles, bodies


def test_a_browser_may_ask_before_it_sends_a_key_and_gets_what_it_may_read(store, mug):
    client = api_client(store, origins=["https://shop.example"])
    before = client.options(f"{URL}stoneware-mug/", headers={
        "authorization": "", "origin": "https://shop.example", "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,if-none-match",
    })  # fmt: skip
    allowed = before["Access-Control-Allow-Headers"]
    assert before.status_code == 200 and "authorization" in allowed and "if-none-match" in allowed
    answer = get(client, headers={"origin": "https://shop.example"})
    assert answer["Access-Control-Allow-Origin"] == "*" and "etag" in answer["Access-Control-Expose-Headers"]
    assert get(client, headers={"origin": "https://evil.example"}).status_code == 401


def test_each_visitor_and_each_key_has_a_limit(store, mug, settings, monkeypatch):
    from ecomai.api_auth import ApiThrottle

    monkeypatch.setattr(ApiThrottle, "timer", lambda self: 1_800_000_030.0)
    monkeypatch.setattr(ApiThrottle, "THROTTLE_RATES", {"key": "5/min", "visitor": "2/min"})
    shop = api_client(store)
    codes = [get(shop).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    late = get(shop)
    assert late.json()["errors"][0]["code"] == "throttled" and late["Retry-After"] == "30"
    server = api_client(store, ApiKey.Kind.SECRET)
    by_buyer = [get(server, headers={"x-buyer-id": who}).status_code for who in ("a", "a", "a", "b", "b", "c")]
    assert by_buyer == [200, 200, 429, 200, 200, 429]  # the sixth is over the key's own


def test_a_body_of_megabytes_is_413_and_other_than_json_415(store, mug):
    server = api_client(store, ApiKey.Kind.SECRET)
    big = server.patch(f"{URL}{mug.pk}/", b'{"title": "' + b"x" * 2**20 + b'"}', content_type="application/json")
    assert (big.status_code, big.json()["errors"][0]["code"]) == (413, "too_large")
    assert server.patch(f"{URL}{mug.pk}/", "title=x", content_type="text/plain").status_code == 415
    deep = server.patch(f"{URL}{mug.pk}/", "[" * 100_000, content_type="application/json")
    assert deep.status_code == 400


# --- Lists


@pytest.fixture
def catalogue(store):
    kiln, loom = (Brand.objects.create(store=store, name=name) for name in ("Kiln & Co", "Loom"))
    home = Category.objects.create(store=store, name="Home", path="Home")
    mugs = Category.objects.create(store=store, name="Mugs", path="Home > Mugs", parent=home)
    linen = Category.objects.create(store=store, name="Linen", path="Linen")
    rows = [
        ("Blue mug", "9", kiln, mugs, ["blue", "gift"], {"Material": "Stoneware"}, 5),
        ("White mug", "12", kiln, mugs, ["white"], {"Material": "Stoneware"}, 0),
        ("Glass mug", "19.5", None, home, ["gift"], {"Material": "Glass"}, None),
        ("Linen towel", "25", loom, linen, ["blue"], {"Material": "Linen"}, 2),
    ]
    made = {
        title: make_product(store, title, price=price, brand=brand, category=category, tags=tags, attributes=attributes, stock=stock,
                            options=[{"name": "Size", "values": ["S", title[0]]}])
        for title, price, brand, category, tags, attributes, stock in rows
    }  # fmt: skip
    make_product(store, "Hidden mug", status="draft", brand=kiln)
    return made | {"kiln": kiln, "home": home}


def titles(client, **asked) -> list[str]:
    answer = client.get(URL, asked)
    assert answer.status_code == 200, answer.content
    return sorted(item["title"].split()[0] for item in answer.json()["items"])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "MUG blu"}, ["Blue"]), ({"brand": "kiln & co"}, ["Blue", "White"]), ({"brand": "nobody"}, []),
        ({"brand": ["Loom", "Kiln & Co"]}, ["Blue", "Linen", "White"]), ({"category": "home"}, ["Blue", "Glass", "White"]),
        ({"category": "Home > Mugs"}, ["Blue", "White"]), ({"category": "Nowhere"}, []), ({"tag": ["blue", "gift"]}, ["Blue"]),
        ({"price_from": "12", "price_to": "20"}, ["Glass", "White"]), ({"in_stock": "true"}, ["Blue", "Glass", "Linen"]),
        ({"in_stock": "false"}, ["White"]), ({"attr[Material]": ["Glass", "Linen"]}, ["Glass", "Linen"]),
        ({"attr[Material]": "Stoneware", "attr[Size]": "W"}, ["White"]), ({"attr[Colour]": "Red"}, []),
        ({"price_from": "1", "currency": "USD"}, ["Linen"]),
    ],
)  # fmt: skip
def test_filters(store, shop, catalogue, asked, found):
    variant = catalogue["Linen towel"].variants.get()
    Price.objects.create(store=store, variant=variant, currency="USD", amount="30")
    assert titles(shop, **asked) == found


def test_brands_and_categories_go_by_number_too(shop, catalogue):
    assert titles(shop, brand=catalogue["kiln"].pk) == ["Blue", "White"]
    assert titles(shop, category=catalogue["home"].pk) == ["Blue", "Glass", "White"]


def test_facets_count_the_whole_result_and_not_the_page(shop, catalogue):
    body = shop.get(URL, {"facets": "brand,category,tags,price", "limit": 1, "q": "mug"}).json()
    assert (body["total"], len(body["items"])) == (3, 1)
    facets = body["facets"]
    assert facets["brand"] == [{"value": "Kiln & Co", "count": 2, "id": catalogue["kiln"].pk}]
    assert [(f["value"], f["count"]) for f in facets["category"]] == [("Home > Mugs", 2), ("Home", 1)]
    assert facets["tags"] == [
        {"value": "gift", "count": 2}, {"value": "blue", "count": 1}, {"value": "white", "count": 1},
    ]  # fmt: skip
    assert facets["price"] == {
        "currency": "EUR", "min": "9", "max": "19.5",
        "ranges": [{"from": "8", "to": "10", "count": 1}, {"from": "12", "to": "14", "count": 1}, {"from": "18", "to": "20", "count": 1}],
    }  # fmt: skip


def test_facets_of_nothing_are_empty(shop, catalogue):
    body = shop.get(URL, {"facets": "brand,price,tags", "q": "nothing"}).json()
    assert (body["total"], body["facets"]["brand"], body["facets"]["price"]["ranges"]) == (0, [], [])


@pytest.mark.parametrize("sort", ["changed", "-changed", "title", "-title", "price", "-price", "stock", "-stock"])
def test_pages_go_through_all_once_in_order_and_back(shop, catalogue, sort):
    seen, cursor, back = [], "", []
    while cursor is not None:
        page = shop.get(URL, {"limit": 1, "sort": sort, "cursor": cursor}).json()
        seen += [item["title"] for item in page["items"]]
        back.append(page["previous"])
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 4 and back[0] is None
    previous = shop.get(URL, {"limit": 1, "sort": sort, "cursor": back[-1]}).json()
    assert [item["title"] for item in previous["items"]] == [seen[-2]]
    if sort.endswith("price"):
        assert seen == sorted(seen, key=lambda t: catalogue[t].price_min, reverse=sort.startswith("-"))


@pytest.mark.parametrize(
    "asked",
    [{"limit": "0"}, {"limit": "101"}, {"limit": "²"}, {"cursor": "nonsense"}, {"cursor": "WzEsMTIzNDU2Nzg5MDEyMzQ1Njc4OTAsMF0"},
     {"sort": "beauty"}, {"facets": "brand,smell"}, {"price_from": "cheap"}, {"price_to": "NaN"}, {"in_stock": "maybe"},
     {"attr[]": "x"}, {"status": "gone"}, {"tag": "x" * 256}, {"q": "a\0"}],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_named(shop, asked):
    answer = shop.get(URL, asked)
    assert answer.status_code == 400 and [e["attr"] for e in answer.json()["errors"]] == list(asked)


def test_a_list_is_in_the_language_and_currency(store, shop, catalogue):
    publishing.publish(
        store=store, product=catalogue["Blue mug"], field="title", locale="de", text="Blaue Tasse", by=None
    )
    items = shop.get(URL, {"locale": "de", "currency": "USD", "sort": "price"}).json()["items"]
    assert [(i["title"], i["price"]) for i in items][:2] == [("Blaue Tasse", None), ("White mug", None)]


def test_a_list_of_another_store_holds_nothing_of_this_one(other_store, catalogue):
    body = api_client(other_store).get(URL, {"facets": "brand,tags", "category": catalogue["home"].pk}).json()
    assert (body["items"], body["total"], body["facets"]) == ([], 0, {"brand": [], "tags": []})


# --- Texts with provenance


@pytest.fixture
def asset(store, mug):
    order = CopyRequest.objects.create(store=store, product=mug, channels=["seo"], locale="de", tone="neutral")
    return AdAsset.objects.create(
        store=store, request=order, product=mug, field="seo.title", locale="de", tone="neutral", angle="feature", position=1,
        text="Tasse kaufen", machine_text="Tasse kaufen", model_label="house copy v1", inputs_hash="0", status="approved",
        facts=[{"start": 0, "end": 5, "name": "Title", "value": "Tasse"}],
    )  # fmt: skip


def texts(client, ref="stoneware-mug", **asked):
    return [
        (i["field"], i["status"], i["origin"], i["model"])
        for i in client.get(f"{URL}{ref}/copy/", asked).json()["items"]
    ]


def test_copy_is_told_with_its_provenance_and_what_waits_to_servers_only(store, mug, shop, asset):
    server = api_client(store, ApiKey.Kind.SECRET)
    assert texts(shop) == [] and texts(server) == [("seo.title", "approved", "machine", "house copy v1")]
    publishing.publish(store=store, product=mug, field="seo.title", locale="de", text=asset.text, by=None, asset=asset)
    publishing.publish(store=store, product=mug, field="title", locale="de", text="Tasse", by=None)
    ours = [("seo.title", "published", "machine", "house copy v1"), ("title", "published", "human", "")]
    assert texts(shop) == texts(server) == ours
    assert texts(shop, channel="seo") == ours[:1] and texts(shop, channel="listing") == ours[1:]
    assert texts(shop, locale="de") == ours and texts(shop, locale="en") == texts(shop, channel="meta") == []
    (item,) = shop.get(f"{URL}{mug.pk}/copy/", {"channel": "seo"}).json()["items"]
    assert (item["text"], item["locale"], item["facts"][0]["name"]) == ("Tasse kaufen", "de", "Title")
    AdAsset.objects.filter(pk=asset.pk).update(status="rejected")
    assert texts(server) == ours


def test_copy_of_another_store_and_of_no_channel(other_store, mug, shop, asset):
    assert api_client(other_store).get(f"{URL}{mug.pk}/copy/").status_code == 404
    assert shop.get(f"{URL}{mug.pk}/copy/", {"channel": "radio"}).status_code == 400
    assert shop.post(f"{URL}{mug.pk}/copy/", {}, content_type="application/json").status_code == 403
