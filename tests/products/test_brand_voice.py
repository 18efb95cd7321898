"""The shop's voice: measured from what people approved, and what it does to the ranking."""

from datetime import timedelta

import pytest
from django.utils import timezone

from products import brand_voice
from products.brand_voice import TooFew, differences, distance, features_of, learn
from products.briefs import Brief
from products.channels import HOUSE
from products.claims import FactBook
from products.copy_gates import Draft, Sifted, choose, sift
from products.copy_prompts import Facts
from products.models import AdAsset, BrandVoice, CopyRequest
from tests.factories import make_product

pytestmark = pytest.mark.django_db
HEADLINE, LONG = HOUSE["meta.headline"], HOUSE["meta.primary_text"]


@pytest.mark.parametrize(
    ("text", "locale", "wanted"),
    [
        ("Get your mug! 350 ml, now 😀", "en", {"exclamation": 1, "emoji": 1, "second_person": 1, "call": 1, "numbers": 1, "question": 0}),
        ("Wie viel Tee passt hinein?", "de", {"question": 1, "second_person": 0, "call": 0, "numbers": 0}),
        ("Entdecken Sie Ihren Becher", "de", {"second_person": 1, "call": 1}), ("Dein Becher", "de", {"second_person": 1}),
        ("立即选购您的马克杯！", "zh-Hans", {"call": 1, "second_person": 1, "exclamation": 1, "sentence": 4.5}),
        ("A Mug With Many Capitals Here", "en", {"title_case": 1, "sentence": 6}),
        ("One two. Three four five six.", "en", {"sentence": 3}),
    ],
)  # fmt: skip
def test_features_are_counted(text, locale, wanted):
    found = features_of(text, locale)
    assert {name: found[name] for name in wanted} == wanted


def test_the_length_is_a_share_of_what_the_field_aims_at():
    assert features_of("x" * 20, "en", HEADLINE)["fill"] == 0.5
    assert features_of("马" * 15, "zh-Hans", HOUSE["google_rsa.headline"])["fill"] == 1.0
    assert "fill" not in features_of("x", "en")


@pytest.fixture
def order(store):
    return CopyRequest.objects.create(
        store=store, product=make_product(store), channels=["meta"], locale="en", tone="neutral"
    )


def add(order, n: int, text: str = "Your mug, {i} ways! Get it now", *, start: int = 0, **fields) -> None:
    values = {"field": "meta.headline", "status": "approved", "origin": "machine", "locale": "en", **fields}
    AdAsset.objects.bulk_create(
        AdAsset(
            store=order.store, request=order, product=order.product, tone="neutral", angle="use", position=start + i + 1,
            text=text.format(i=i), machine_text="", model_label="m", inputs_hash="0", **values,
        )
        for i in range(n)
    )  # fmt: skip


def test_nineteen_texts_are_too_few_and_twenty_are_a_voice(order, store):
    add(order, 19)
    with pytest.raises(TooFew) as few:
        learn(store, "en")
    assert few.value.n == 19 and brand_voice.current(store, "en") == {}
    add(order, 1, start=19)
    voice = learn(store, "en")
    assert voice.texts == 20 and voice.features["all"]["exclamation"] == [1.0, 0.0]
    assert "short" in voice.features and "long" not in voice.features
    learn(store, "en")
    assert BrandVoice.objects.count() == 1


def test_only_what_people_stand_behind_counts(order, store, other_store):
    add(order, 12)
    add(order, 8, "Edited mug {i}", start=20, status="proposed", origin="human")
    add(order, 30, "Nobody looked at {i}", start=40, status="proposed")
    add(order, 30, "Rejected {i}", start=80, status="rejected", origin="human")
    add(order, 30, "Becher {i}", start=120, locale="de")
    assert learn(store, "en").texts == 20
    assert learn(store, "de").texts == 30
    with pytest.raises(TooFew):
        learn(other_store, "en")


def test_a_text_in_the_shops_voice_is_nearer_than_one_that_is_not(order, store):
    add(order, 30)
    voice = learn(store, "en").features
    near, far = "Your cup, 4 ways! Try it now", "Glazed Stoneware Of Quiet Simplicity"
    assert distance(voice, near, HEADLINE) < 1 < distance(voice, far, HEADLINE)
    off = differences(voice, far, HEADLINE)
    assert off["exclamation"] == -4.0 and off["second_person"] == -4.0 and off["title_case"] > 3
    assert distance({}, far, HEADLINE) == 0.0
    assert distance(voice, far) > distance(voice, near)


def test_no_difference_weighs_more_than_three_deviations():
    voice = {"locale": "en", "all": {"numbers": [0.0, 0.0]}}
    assert distance(voice, "1 2 3 4 5 6 7 8 9") == brand_voice.FURTHEST


def test_survivors_are_ranked_by_the_voice(order, store):
    add(order, 30, "Get your mug now, in {i} ways, and fill it with tea!", field="meta.primary_text")
    facts = Facts(title="Stoneware mug 350 ml", attributes={"Volume": "350 ml", "Material": "Stoneware"})
    texts = [
        ("Get your stoneware mug now and fill it with 350 ml of tea!", -0.5, "use"),
        ("A Vessel Made Of Glazed Stoneware For Quiet Mornings", -0.5, "use"),
    ]  # fmt: skip

    def best(voice) -> str:
        out = Sifted()
        sift(texts, LONG, "en", facts, FactBook(facts), out, wishes=Brief(voice=voice).wishes(facts))
        assert len(out.drafts) == 2
        return choose(out.drafts, 1)[0].text

    loud = learn(store, "en").features
    assert best(loud) == texts[0][0]
    AdAsset.objects.update(text="A Plate Made Of White Porcelain For Long Evenings")
    assert best(learn(store, "en").features) == texts[1][0]


def test_the_voice_is_learnt_again_when_texts_come_or_a_day_has_passed(order, store):
    add(order, 20)
    assert brand_voice.current(store, "en")["all"]["exclamation"][0] == 1.0
    add(order, 20, "A quiet mug {i}", start=30)
    assert brand_voice.current(store, "en")["all"]["exclamation"][0] == 0.5
    AdAsset.objects.update(text="A quiet mug")
    assert brand_voice.current(store, "en")["all"]["exclamation"][0] == 0.5
    BrandVoice.objects.update(learnt_at=timezone.now() - timedelta(days=1, minutes=1))
    assert brand_voice.current(store, "en")["all"]["exclamation"][0] == 0.0
    AdAsset.objects.filter(position__gt=10).delete()
    assert brand_voice.current(store, "en") == {} and not BrandVoice.objects.exists()


def test_the_page_shows_the_measures_and_what_is_still_missing(order, store, alice, bob, charlie, as_user):
    add(order, 12)
    page = as_user(alice).get("/s/alice/copy/voice/").content.decode()
    assert (
        "12 of 20 texts" in page
        and "German" in page
        and "Measure" not in page.split("12 of 20 texts")[0].split("</h2>")[-1]
    )
    as_user(bob).post("/s/alice/copy/voice/", {"locale": "en"})
    assert not BrandVoice.objects.exists()
    add(order, 10, start=20)
    as_user(bob).post("/s/alice/copy/voice/", {"locale": "en"})
    page = as_user(alice).get("/s/alice/copy/voice/").content.decode()
    assert BrandVoice.objects.get().texts == 22 and ">100 %</td>" in page, "a share needs no spread"
    assert as_user(charlie).get("/s/alice/copy/voice/").status_code == 404
    assert "100 %" not in as_user(charlie).get("/s/charlie/copy/voice/").content.decode()


def test_a_draft_without_a_voice_is_ranked_as_before():
    assert Brief().wishes(Facts(title="Mug")).taste is None
    assert Draft("a", "use", -1.0, [], 0.2).fit == 0.0
