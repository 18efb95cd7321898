"""Briefs: their pages, and what they do to the texts."""

import pytest

from products import briefs, claims, copy_gates, copywriting
from products.briefs import Brief
from products.channels import HOUSE
from products.copy_gates import Sifted, holds, sift
from products.copy_prompts import Facts, prefix
from products.models import AdAsset, CopyBrief, CopyRequest
from products.praise import Contradicted, Praise, Praised
from products.tasks import write_copy
from tests.factories import make_product
from tests.products.copy.writer import writer  # noqa: F401

MUG = Facts(
    title="Stoneware mug 350 ml", description="A sturdy mug in glazed stoneware.",
    attributes={"Material": "Stoneware", "Volume": "350 ml", "Care": "Dishwasher-safe"},
)  # fmt: skip
FORM = {
    "name": "Spring", "audience": "tea drinkers", "angles": ["benefit", "question"], "must_include": "mug | cup\n", "banned": "cheap, bargain",
    "channels": ["seo"], "locale": "en", "tone": "neutral", "variants": "2", "use_reviews": "on",
}  # fmt: skip


def sifted(
    brief: Brief,
    *texts: str,
    angle: str = "feature",
    facts: Facts = MUG,
    locale: str = "en",
    key: str = "meta.primary_text",
) -> Sifted:
    out, known = Sifted(), brief.known(facts)
    sift([(text, -0.5, angle) for text in texts], HOUSE[key], locale, known, claims.FactBook(known), out,
         wishes=brief.wishes(facts))  # fmt: skip
    return out


# --- what a brief asks of every text
@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("A CHEAP mug", "cheap", True), ("Cheaper than others", "cheap", False), ("Un café, s'il vous plaît", "CAFE", True),
        ("Straße und Weg", "strasse", True), ("free  shipping today", "free shipping", True), ("a carefree day", "free", False),
        ("支持USB充电", "usb", True), ("这款马克杯很便宜", "便宜", True), ("コーヒーカップ", "カップ", True), ("がっこう", "かっこう", False),
        ("100 % cotton", "100 %", True), ("머그컵은 튼튼합니다", "머그컵", True), ("a mug", "", False),
    ],
)  # fmt: skip
def test_a_phrase_is_found_as_whole_words_and_anywhere_without_spaces(text, phrase, there):
    assert holds(text, phrase) is there


def test_banned_and_missing_words_throw_a_text_away():
    brief = Brief(must_include=("mug|cup", "tea"), banned=("sturdy",))
    out = sifted(brief, "A stoneware mug for your tea, 350 ml", "A sturdy stoneware mug for tea", "A stoneware mug of 350 ml",
                 "Tea goes into this dishwasher-safe cup")  # fmt: skip
    assert {d.text for d in out.drafts} == {
        "A stoneware mug for your tea, 350 ml",
        "Tea goes into this dishwasher-safe cup",
    }
    assert {rule: (e["count"], e["examples"][0]["what"]) for rule, e in out.thrown.items()} == {
        "banned_word": (1, "sturdy"), "missing_word": (1, "tea"),
    }  # fmt: skip


def test_a_demanded_word_that_no_fact_holds_stays_a_lie():
    out = sifted(Brief(must_include=("waterproof",)), "Waterproof stoneware mug of 350 ml")
    assert not out.drafts and "claim_proof" in out.thrown


def test_audience_and_words_are_shown_to_the_model_but_hold_nothing_true():
    brief = Brief(audience="organic food lovers", must_include=("mug|cup",))
    shown = prefix(brief.shown(MUG))
    assert "Audience: organic food lovers" in shown and "Keywords: mug" in shown
    assert not claims.check("Organic stoneware mug", claims.FactBook(brief.known(MUG))).ok
    assert prefix(Brief().shown(MUG)) == prefix(MUG)


def test_angles_need_a_fact_that_carries_them():
    brief = Brief(angles=("benefit", "offer", "urgency", "proof"))
    bare = Facts(title="Mug", attributes={"Volume": "350 ml"})
    assert brief.lacking(bare) == ["offer", "urgency", "proof"]
    assert [label for label, _angle in brief.orders(bare)] == ["benefit"] * 3
    rich = Facts(
        title="Mug", price="12.00 EUR", compare_at_price="16.00 EUR",
        attributes={"Care": "Dishwasher-safe", "Edition": "Limited edition of 300"},
    )  # fmt: skip
    assert brief.lacking(rich) == []
    orders = brief.orders(rich)
    assert orders[:4] == [("benefit", "benefit"), ("offer", "offer"), ("urgency", "offer"), ("proof", "detail")]
    assert Brief(angles=("urgency",)).orders(bare) == Brief().orders(bare)


def test_haste_is_written_only_in_the_words_of_the_fact():
    facts = Facts(
        title="Stoneware mug 350 ml",
        attributes={"Edition": "Limited-time edition until 30 November", "Material": "Stoneware"},
    )
    brief = Brief(angles=("urgency",))
    out = sifted(brief, "Stoneware mug: limited-time edition until 30 November", "Hurry, the stoneware mug is selling fast",
                 angle="urgency", facts=facts)  # fmt: skip
    assert [(d.text[:14], d.angle) for d in out.drafts] == [("Stoneware mug:", "urgency")]
    assert list(out.thrown) == ["claim_urgency"]
    assert not sifted(brief, "Limited-time stoneware mug, 350 ml", angle="urgency").drafts


def test_a_text_that_is_not_of_its_angle_ranks_lower_and_says_so():
    brief = Brief(angles=("question",))
    out = sifted(
        brief,
        "Tea at your desk, in a stoneware mug of 350 ml",
        "A dishwasher-safe mug, or one to wash by hand?",
        angle="question",
    )
    assert {d.angle for d in out.drafts} == {"question", "detail"}
    assert copy_gates.choose(out.drafts, 1)[0].angle == "question"


# --- what customers say
PRAISE = Praise((Praised("quality", 0.9, 20), Praised("design", 0.8, 10)), (Contradicted("size_fit", 4, 10),))


def test_praise_is_a_fact_and_without_it_nobody_speaks_for_customers():
    brief = Brief(praise=PRAISE, angles=("proof",))
    assert brief.known(MUG).attributes["Customers praise"] == "quality, design"
    text = "Customers praise the quality of this stoneware mug"
    out = sifted(brief, text, "Loved by customers: a stoneware mug of 350 ml", angle="proof")
    assert [(d.text, d.angle) for d in out.drafts] == [(text, "proof")]
    assert out.thrown["claim_customers"]["examples"][0]["what"] == "Loved by"
    assert {s.fact for s in out.drafts[0].spans} >= {"Customers praise"}
    assert not sifted(Brief(praise=PRAISE, use_reviews=False), text).drafts
    assert Brief(praise=PRAISE, locale="de").known(MUG).attributes["Kunden loben"] == "Qualität, Design"


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("A stoneware mug, true to size", "en"),
        ("Becher aus Steinzeug, größengerecht", "de"),
        ("炻器马克杯，尺码标准", "zh-Hans"),
    ],
)
def test_what_reviews_contradict_is_barred_even_where_a_fact_says_it(text, locale):
    facts = Facts(title="Stoneware mug", description=text, attributes={"Material": "Stoneware"})
    out = sifted(Brief(praise=PRAISE, use_reviews=False), text, facts=facts, locale=locale, key="seo.title")
    assert not out.drafts and list(out.thrown) == ["contradicted"]
    assert sifted(Brief(), text, facts=facts, locale=locale, key="seo.title").drafts


# --- pages
@pytest.mark.django_db
def test_a_brief_is_made_changed_and_deleted(store, alice, as_user):
    client = as_user(alice)
    assert "No briefs yet" in client.get("/s/alice/copy/briefs/").content.decode()
    assert client.post("/s/alice/copy/briefs/new/", FORM)["Location"] == "/s/alice/copy/briefs/"
    brief = CopyBrief.objects.get()
    assert (brief.must_include, brief.banned, brief.angles) == (
        ["mug | cup"],
        ["cheap", "bargain"],
        ["benefit", "question"],
    )
    assert (brief.use_voice, brief.use_reviews, brief.variants, brief.created_by) == (False, True, 2, alice)
    page = client.get(f"/s/alice/copy/briefs/{brief.pk}/").content.decode()
    assert "cheap\nbargain" in page and "tea drinkers" in page
    client.post(f"/s/alice/copy/briefs/{brief.pk}/", {**FORM, "name": "Summer"})
    brief.refresh_from_db()
    assert brief.name == "Summer"
    client.post(f"/s/alice/copy/briefs/{brief.pk}/delete/")
    assert not CopyBrief.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": ""}, "required"), ({"channels": []}, "required"), ({"variants": "11"}, "less than or equal to 10"),
        ({"banned": "CUP"}, "both demanded and banned"), ({"angles": ["shouting"]}, "Select a valid choice"),
        ({"must_include": "\n".join(f"w{i}" for i in range(21))}, "At most 20"),
    ],
)  # fmt: skip
def test_a_brief_that_makes_no_sense_is_refused_with_the_reason(store, alice, as_user, change, told):
    page = as_user(alice).post("/s/alice/copy/briefs/new/", {**FORM, **change})
    assert page.status_code == 422 and told in page.content.decode() and not CopyBrief.objects.exists()


@pytest.mark.django_db
def test_two_briefs_of_one_name_and_words_that_fit_nowhere_are_told(store, alice, as_user):
    client = as_user(alice)
    long = {**FORM, "channels": ["google_rsa"], "must_include": "a stoneware mug for every day\nwith glaze"}
    page = client.post("/s/alice/copy/briefs/new/", long, follow=True).content.decode()
    assert "don&#x27;t fit into: Google responsive search ad: Headline" in page
    page = client.post("/s/alice/copy/briefs/new/", FORM)
    assert page.status_code == 422 and "of that name already" in page.content.decode()
    assert client.post("/s/alice/copy/briefs/new/?next=//evil.example/", {**FORM, "name": "B"})["Location"].startswith(
        "/s/alice/"
    )


@pytest.mark.django_db
def test_an_analyst_reads_briefs_and_nobody_sees_another_stores(store, alice, charlie, as_user):
    brief = CopyBrief.objects.create(store=store, name="Secret brief", locale="en", channels=["seo"])
    from ecomai.models import Membership, User

    ann = User.objects.create_user("ann@example.com", "x" * 12)
    Membership.objects.create(user=ann, store=store, role="analyst")
    assert "Secret brief" in as_user(ann).get("/s/alice/copy/briefs/").content.decode()
    assert as_user(ann).get("/s/alice/copy/briefs/new/").status_code == 403
    assert as_user(ann).post(f"/s/alice/copy/briefs/{brief.pk}/delete/").status_code == 403
    stranger = as_user(charlie)
    assert stranger.get("/s/alice/copy/briefs/").status_code == 404
    assert stranger.get(f"/s/charlie/copy/briefs/{brief.pk}/").status_code == 404
    assert stranger.post(f"/s/charlie/copy/briefs/{brief.pk}/delete/").status_code == 404
    assert "Secret brief" not in stranger.get("/s/charlie/copy/briefs/").content.decode()
    product = make_product(charlie.memberships.get().store)
    stranger.post(f"/s/charlie/products/{product.pk}/copy/", {**FORM, "brief": brief.pk})
    assert CopyRequest.objects.get().brief == {}


@pytest.mark.django_db(transaction=True)
def test_a_request_from_a_brief_keeps_it_and_writes_by_it(store, alice, as_user, writer):  # noqa: F811
    mug = make_product(
        store, "Stoneware mug 350 ml", attributes={"Material": "Stoneware", "Volume": "350 ml", "Care": "Dishwasher-safe"},
        description_text="A sturdy mug in glazed stoneware.",
    )  # fmt: skip
    client = as_user(alice)
    client.post(
        "/s/alice/copy/briefs/new/", {**FORM, "must_include": "", "banned": "sturdy", "angles": ["question", "offer"]}
    )
    brief = CopyBrief.objects.get()
    page = client.get(f"/s/alice/products/{mug.pk}/copy/?brief={brief.pk}").content.decode()
    assert "No fact carries: Offer" in page
    client.post(f"/s/alice/products/{mug.pk}/copy/", {**FORM, "brief": brief.pk, "variants": "1"})
    order = CopyRequest.objects.get()
    brief.delete()
    write_copy(order.job_id)
    order.refresh_from_db()
    assert order.brief["audience"] == "tea drinkers" and order.brief["banned"] == ["sturdy"]
    assert all("Audience: tea drinkers" in prompt.prefix for prompt in writer.prompts)
    assert {prompt.suffix.split(" | ")[3] for prompt in writer.prompts} == {"question"}
    texts = {a.text: a.angle for a in AdAsset.objects.filter(field="seo.title")}
    assert texts == {"Is 350 ml of tea enough? Stoneware mug": "question"}
    assert order.thrown_away["seo.title"]["banned_word"]["examples"][0]["what"] == "sturdy"
    shown = client.get(f"/s/alice/copy/{order.pk}/").content.decode()
    assert "Spring" in shown and "a word that the brief bans" in shown
    asset = AdAsset.objects.get(field="seo.title")
    told = client.post(
        f"/s/alice/copy/assets/{asset.pk}/check/", {"text": "Sturdy mug loved by customers"}
    ).content.decode()
    assert "“sturdy” is banned by the brief" in told and "no reviews support" in told


def test_without_a_brief_the_orders_are_those_of_the_training():
    assert copywriting.angles_for(MUG) == list(briefs.PLAIN)
    assert copywriting.angles_for(Facts("Mug", price="1.00 EUR", compare_at_price="2.00 EUR"))[2] == "offer"
