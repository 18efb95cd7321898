"""Reviews about other goods than the store sells are flagged with the reason, by the real encoder; fitting ones aren't."""

import pytest
from django.core.cache import cache
from django.utils import timezone

from ml import loading, registry
from products.models import Category, Product
from reviews import effective, off_topic, rebuild, review_dataset, scoring
from reviews.models import Flag, Review, StoreDay
from tests.factories import make_product
from tests.reviews.factories import make_review
from tests.reviews.messy import expectations

pytestmark = pytest.mark.django_db
SHOES = ["Leather ankle boots", "Running shoes Air 4", "Suede sandals", "Canvas sneakers, white"]
HOTELS = ["Hotel at the lake, double room with breakfast", "Beach resort, family room", "City hotel, single room"]
NOISY = "The hotel room was noisy"


@pytest.fixture
def live(db):
    loading.forget()
    return next(v for v in registry.register_house() if v.capability == "reviews")


@pytest.fixture
def shoes(store):
    for title in SHOES:
        make_product(store, title)
    return store


def found(store, *texts: str, **fields) -> list[str | None]:
    """The kind that each text is flagged for, or None."""
    reviews = [make_review(store, text, **fields) for text in texts]
    flags = off_topic.find(store, reviews)
    return [flags[r.pk].evidence["seen"] if r.pk in flags else None for r in reviews]


def flag_rows() -> list[tuple]:
    return list(
        Flag.objects.order_by("pk").values_list("pk", "review", "kind", "reason", "evidence", "upheld", "made_at")
    )


def test_another_shops_review_gets_its_flag_with_the_reason_and_a_fitting_one_none(live, shoes):
    case = next((c for c in expectations() if c["id"] == "wrong_product"), {"text": NOISY, "stars": 1})
    wrong = make_review(shoes, case["text"], rating=str(case["stars"]))
    make_review(shoes, "Comfortable boots, but they run half a size small.", rating="4")
    assert scoring.score_pending(shoes) == 2
    flag = Flag.objects.get()
    assert (flag.kind, flag.review, flag.upheld) == ("off_topic", wrong, None)
    assert flag.reason == "Speaks of hotels and holiday flats; the store sells shoes."
    assert flag.evidence["seen"] == "hotels and holiday flats" and flag.evidence["sold"] == ["shoes"]
    assert flag.evidence["margin"] >= off_topic.MARGIN

    before = flag_rows()
    Review.objects.update(needs_scoring=True)
    assert scoring.score_pending(shoes) == 2
    assert flag_rows() == before


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The hotel was wonderful, quiet rooms and a great breakfast!", "hotels and holiday flats"),
        ("酒店房间很小，隔音很差，早餐一般。", "hotels and holiday flats"),
        ("Das Hotelzimmer war sauber, das Frühstück reichlich.", "hotels and holiday flats"),
        ("The waiter was rude and my steak was cold.", "restaurants and food delivery"),
        ("La pizza estaba fría y el camarero tardó una hora.", "restaurants and food delivery"),
        ("The novel is gripping from the first chapter, I love this author.", "books"),
        ("手机信号不好，通话声音小，电池不耐用", "phones"),
    ],
)
def test_other_goods_are_seen_in_several_languages_praised_or_blamed(shoes, text, kind):
    assert found(shoes, text) == [kind]


def test_fitting_words_and_words_that_name_no_goods_are_never_flagged(shoes):
    texts = [
        "Arrived late, great service", "物流很快，服务很好", "Entrega rápida, recomendo", "Bagus, sesuai pesanan", "ok", "👍👍",
        "My daughter loves them, a birthday present", "鞋底很软，走路不磨脚", "Der Schuh drückt an der Ferse",
        "The sole came off after two weeks", "I wore these sandals to dinner at our hotel and got compliments",
        "Fits with every dress and the heel is not too high", "Zapatillas muy cómodas para correr",
    ]  # fmt: skip
    assert found(shoes, *texts) == [None] * len(texts)


def test_a_store_without_products_or_whose_products_do_not_say_what_they_are_never_flags(store):
    assert found(store, NOISY) == [None]
    for title in ("Luna", "Stella", "Aurora 3000"):
        make_product(store, title)
    assert off_topic.sold(store) is None
    assert found(store, NOISY) == [None]


def test_category_and_description_say_what_a_name_does_not(store):
    category = Category.objects.create(store=store, name="Boots", path="Shoes > Boots")
    make_product(store, "Luna", category=category)
    make_product(store, "Stella", description_text="Suede sandals with a soft sole and a low heel.")
    names = off_topic.kinds().names
    assert [names[k] for k in off_topic.sold(store).kinds] == ["shoes"]


def test_what_the_reviews_own_product_is_fits_even_where_the_store_hardly_sells_it(shoes, monkeypatch):
    stay = make_product(shoes, HOTELS[0])
    monkeypatch.setattr(off_topic, "RARE", 0.5)
    assert found(shoes, NOISY) == ["hotels and holiday flats"]
    assert found(shoes, NOISY, product=stay) == [None]


def test_when_the_catalogue_changes_an_undecided_flag_goes_and_a_persons_decision_stays(live, shoes, alice):
    first = make_review(shoes, NOISY)
    make_review(shoes, "The hotel's breakfast was poor and our room dirty.")
    scoring.score_pending(shoes)
    off = Flag.objects.filter(kind=Flag.Kind.OFF_TOPIC)
    assert off.count() == 2
    off.filter(review=first).update(upheld=True, decided_by=alice)
    for title in HOTELS:
        make_product(shoes, title)
    Review.objects.update(needs_scoring=True)
    assert scoring.score_pending(shoes) == 2
    flag = off.get()
    assert (flag.review, flag.upheld, flag.decided_by) == (first, True, alice)
    Product.objects.filter(store=shoes).delete()
    assert off_topic.sold(shoes) is None


def test_what_one_store_sells_is_never_taken_for_anothers(shoes, other_store):
    for title in [*HOTELS, "Mountain hostel, a bed in a shared room"]:
        make_product(other_store, title)
    Product.objects.update(updated_at=timezone.now())  # as many, changed at the same moment
    for _twice in range(2):  # once made, once from the cache
        assert found(shoes, NOISY) == ["hotels and holiday flats"]
        assert found(other_store, NOISY, "These boots hurt my heel, the sole is hard") == [None, "shoes"]
    theirs = other_store.products.first()
    assert found(shoes, NOISY, product=theirs) == ["hotels and holiday flats"], "another store's product was looked at"


def test_products_are_embedded_once(shoes, monkeypatch):
    texts: list[str] = []
    real = off_topic.encoder.embed
    monkeypatch.setattr(off_topic.encoder, "embed", lambda these, **k: texts.extend(these) or real(these, **k))
    off_topic.kinds()
    texts.clear()
    off_topic.sold(shoes)
    assert sorted(texts) == sorted(SHOES)
    make_product(shoes, "Rain boots for children")
    off_topic.sold(shoes)
    off_topic.sold(shoes)
    assert texts[len(SHOES) :] == ["Rain boots for children"]
    cache.clear()
    off_topic.sold(shoes)
    assert len(texts) == 2 * len(SHOES) + 2


def test_a_flagged_review_counts_until_a_person_confirms_and_never_trains(live, shoes):
    make_review(shoes, "Comfortable boots, soft leather, worth the price.", rating="5")
    wrong = make_review(shoes, NOISY, rating="1")
    scoring.score_pending(shoes)

    def counted() -> tuple[int, int, int]:
        day = StoreDay.objects.get(store=shoes)
        return day.n, day.flagged, day.star1

    assert counted() == (2, 1, 1)
    data = review_dataset.build(shoes)
    assert str(wrong.pk) not in {row["id"] for part in data.values() for row in part}
    Flag.objects.filter(review=wrong).update(upheld=True)
    effective.refresh([wrong.pk])
    assert counted() == (1, 0, 0)
    assert rebuild.rebuild(shoes) == 1 and counted() == (1, 0, 0)
    Flag.objects.filter(review=wrong).update(upheld=False)
    effective.refresh([wrong.pk])
    assert counted() == (2, 0, 1)


def test_without_a_prepared_encoder_reviews_are_not_judged(shoes, settings):
    settings.ENCODER = "not-there"
    off_topic.encoder._load.cache_clear()
    assert found(shoes, NOISY) == [None]
