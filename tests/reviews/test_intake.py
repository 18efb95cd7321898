"""What becomes of reviews that come in: new, edited, the same, twice, unreadable; flags, products, unmasked words."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from products.models import Variant
from reviews import effective, intake, labelling, product_matching, raw_store
from reviews.models import CountedReview, Flag, Judgement, Review, ReviewSettings, StoreDay
from reviews.reading import RawReview
from tests.factories import make_product

pytestmark = pytest.mark.django_db
WHEN = datetime(2026, 10, 5, 9, tzinfo=UTC)


def raw(text="The lid fits and the tea stays hot.", rating="5", **fields) -> RawReview:
    fields.setdefault("written_at", WHEN)
    return RawReview(text=text, rating=rating, **fields)


def take(store, *items, source="csv", **more) -> intake.Outcome:
    return intake.receive(store=store, items=items, source=source, **more)


def tally(outcome) -> dict[str, int]:
    names = ("imported", "updated", "unchanged", "skipped", "rejected")
    return {name: n for name in names if (n := getattr(outcome, name))}


def test_a_review_comes_in_read_flagged_and_counted(store):
    item = raw("It burned my hand, mail me at jo@example.com", "★☆☆☆☆", author_ids=("jo@example.com",), source_id="7")
    outcome = take(store, item)
    review = Review.objects.get()
    assert (tally(outcome), outcome.ids) == ({"imported": 1}, [review.pk])
    assert "jo@example.com" not in review.text and review.masked == ["EMAIL"] and review.raw is None
    assert (review.rating, review.language, review.needs_scoring, review.sentiment) == (Decimal(1), "en", True, -1)
    assert Flag.Kind.SAFETY in review.flags.values_list("kind", flat=True)
    assert StoreDay.objects.get().n == CountedReview.objects.count() == 1


def test_the_same_again_changes_nothing(store):
    items = [raw(), raw("Too small for me", "2", source_id="a1"), raw("", "4", author_ids=("c-9",))]
    take(store, *items)
    before = list(Review.objects.order_by("id").values())
    again = take(store, *items)
    assert tally(again) == {"unchanged": 3}
    assert list(Review.objects.order_by("id").values()) == before


def test_an_edit_updates_the_row_and_waits_for_scoring(store):
    take(store, raw("Broke after a week, see www.bad-shop.example/x", "1", source_id="7"))
    review = Review.objects.get()
    Judgement.objects.create(store=store, review=review, model_label="m", inputs_hash="x", stars=[1, 0, 0, 0, 0],
                             expected=1.0, sentiment=-1, confidence=1.0, aspects={}, uncertainty=0)  # fmt: skip
    Review.objects.update(needs_scoring=False)
    outcome = take(store, raw("EDIT: the seller replaced it, all good now.", "5", source_id="7"))
    edited = Review.objects.get()
    assert (tally(outcome), outcome.ids) == ({"updated": 1}, [review.pk])
    assert (edited.rating, edited.revision, edited.needs_scoring) == (Decimal(5), 2, True)
    assert edited.edited_at and edited.text.startswith("EDIT") and edited.text_hash != review.text_hash
    assert Judgement.objects.exists()  # what was read stays until it is read again
    assert not edited.flags.exists()


def test_an_edit_leaves_what_people_decided(store, alice):
    take(store, raw("Look at www.bad-shop.example/x", "1", source_id="7"))
    review = Review.objects.get()
    review.flags.update(upheld=True)
    labelling.label(review=review, by=alice, field="language", value="de")
    take(store, raw("A lovely mug without a link in it.", "5", source_id="7"))
    review.refresh_from_db()
    assert review.flags.get().upheld is True and review.language == "de"


def test_an_edit_to_stars_alone_leaves_nothing_of_the_old_reading(store):
    take(store, raw("Broke after a week", "1", source_id="7"))
    review = Review.objects.get()
    Judgement.objects.create(store=store, review=review, model_label="m", inputs_hash="x", stars=[1, 0, 0, 0, 0],
                             expected=1.0, sentiment=-1, confidence=1.0, aspects={}, uncertainty=0)  # fmt: skip
    take(store, raw("", "5", source_id="7"))
    review.refresh_from_db()
    assert (review.rating_only, review.needs_scoring, review.sentiment, review.stars) == (True, False, 1, 5.0)


def test_twins_in_one_call_are_skipped_and_the_later_one_counts(store):
    outcome = take(store, raw("First words", "1", source_id="7"), raw("Last words", "5", source_id="7"), raw(), raw())
    assert tally(outcome) == {"imported": 2, "skipped": 2}
    assert Review.objects.get(source_id="7").text == "Last words"
    assert outcome.ids[0] == outcome.ids[1] and outcome.ids[2] == outcome.ids[3]
    assert outcome.became == ["skipped", "imported", "skipped", "imported"]
    assert [(issue.line, issue.code, issue.rejected) for issue in outcome.issues] == [
        (1, "twice", False), (3, "twice", False),
    ]  # fmt: skip


def test_what_cannot_be_read_is_told_and_the_rest_comes_in(store):
    items = [raw(rating="eleven"), raw(), raw("", None), raw("x" * 60_000), raw(source_id="s" * 201)]
    outcome = take(store, *items, lines=[2, 3, 5, 8, 9])
    assert tally(outcome) == {"imported": 1, "rejected": 4}
    assert [(i.line, i.column, i.code) for i in outcome.issues] == [
        (2, "rating", "bad_rating"), (5, "text", "nothing"), (8, "text", "too_long"), (9, "source_id", "too_long"),
    ]  # fmt: skip
    assert outcome.issues[0].value == "eleven" and outcome.ids[1] and outcome.ids[0] is None


def test_a_rating_without_words_needs_no_model(store):
    take(store, raw("", "4"), raw("默认好评", "5"))
    assert not Review.objects.filter(needs_scoring=True).exists()
    assert set(Review.objects.values_list("sentiment", flat=True)) == {1}


def test_woocommerce_says_zero_for_no_rating_and_others_dont(store):
    assert tally(take(store, raw("Nice", "0"), source="woocommerce")) == {"imported": 1}
    assert Review.objects.get().rating is None
    assert tally(take(store, raw("Nice", "0"), source="csv")) == {"rejected": 1}


def test_strangers_who_write_alike_are_two_reviews(store):
    one = raw("Good", author_name="Ann Lee")
    outcome = take(store, one, raw("Good", author_name="Bo Ray"), raw("Good", written_at=WHEN + timedelta(days=1)))
    assert tally(outcome) == {"imported": 3}


def test_what_is_not_given_takes_nothing_away_and_consent_is_never_given_back(store):
    full = raw(source_id="7", author_name="Ann Lee", author_ids=("ann@example.com",), country="DE", verified=True,
               consent=False, product_ref="mug")  # fmt: skip
    take(store, full)
    before = Review.objects.values().get()
    assert tally(take(store, raw(source_id="7", rating=None, written_at=None))) == {"unchanged": 1}
    assert Review.objects.values().get() == before


def test_a_person_who_was_erased_does_not_come_back_with_the_next_import(store):
    item = raw(source_id="7", author_name="Ann Lee", author_ids=("ann@example.com",), country="DE")
    take(store, item)
    Review.objects.update(author_name="", author_hashes=[], country="", consent=False)
    assert tally(take(store, item)) == {"unchanged": 1}
    assert Review.objects.get().author_hashes == []


def test_products_are_found_by_id_then_handle_then_sku_then_gtin_in_the_own_store_only(store, other_store):
    mug = make_product(store, "Mug", external_id="501", sku="MUG-1")
    cup = make_product(store, "Cup", handle="501", sku="77")
    pot = make_product(store, "Pot", handle="77")
    Variant.objects.filter(product=pot).update(gtin="04006381333931")
    theirs = make_product(other_store, "Their lamp", external_id="900", handle="their-lamp", sku="LAMP")
    shop = "https://shop.example/products/"
    refs = ["501", "77", "MUG-1", "4006381333931", "gid://shopify/Product/501", shop + "pot?a=1", shop + "77", "900",
            "their-lamp", "LAMP", "nothing", "Cup"]  # fmt: skip
    found = product_matching.resolve(store, refs)
    assert found == {
        "501": mug.pk, "77": pot.pk, "MUG-1": mug.pk, "4006381333931": pot.pk, "gid://shopify/Product/501": mug.pk,
        shop + "77": pot.pk,
    }  # fmt: skip
    assert cup.pk not in found.values() and theirs.pk not in found.values()


def test_a_product_that_comes_later_is_found_then(store, other_store):
    take(store, raw(product_ref="mug"), raw("Other", product_ref="gone"))
    make_product(other_store, "Mug")
    assert product_matching.resolve_products(store) == 0
    mug = make_product(store, "Mug")
    assert product_matching.resolve_everywhere() == 1 and product_matching.resolve_products(store) == 0
    assert Review.objects.get(product_ref="gone").product is None
    assert Review.objects.get(product_ref="mug").product == mug
    assert CountedReview.objects.filter(product_id=mug.pk).count() == 1


def test_unmasked_words_are_kept_sealed_and_only_where_the_store_wants_them(store):
    ReviewSettings.objects.create(store=store, keep_raw=True, retention_days=30)
    take(store, raw("Ring me: +49 30 901820", source_id="7"))
    review = Review.objects.get()
    assert "901820" not in review.text and b"901820" not in bytes(review.raw)
    assert "901820" in raw_store.unseal(bytes(review.raw))
    assert timedelta(days=29) < review.raw_expires_at - timezone.now() < timedelta(days=31)
    ReviewSettings.objects.update(keep_raw=False)
    take(store, raw("Ring me no more", source_id="7"))
    review.refresh_from_db()
    assert review.raw is None and review.raw_expires_at is None


def test_another_stores_review_is_another_review(store, other_store):
    take(store, raw(source_id="7"))
    assert tally(take(other_store, raw(source_id="7"))) == {"imported": 1}


@pytest.mark.django_db(transaction=True)
def test_the_same_items_twice_at_once_are_stored_once(store):
    items = [raw(f"Review number {i} of this mug", source_id=str(i) if i % 2 else "") for i in range(60)]
    context, start = intake.context_of(store), threading.Barrier(3)
    outcomes, errors = [], []

    def work():
        try:
            batch = intake.read_items(items, source="csv", context=context)
            start.wait(timeout=30)
            outcomes.append(intake.write(store=store, batch=batch, source="csv"))
        except Exception as error:  # told below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(tally(o).get("imported", 0) for o in outcomes) == [0, 0, 60]
    assert Review.objects.count() == 60 == sum(StoreDay.objects.values_list("n", flat=True))


def test_the_numbers_are_those_of_a_rebuild(store):
    from reviews import rebuild

    take(store, raw(source_id="1"), raw("Bad", "1", source_id="2"))
    take(store, raw("Bad, then good", "4", source_id="2"))
    before = list(StoreDay.objects.order_by("id").values_list("day", "language", "n", "rating_sum", "negative"))
    rebuild.rebuild(store)
    assert sorted(before) == sorted(StoreDay.objects.values_list("day", "language", "n", "rating_sum", "negative"))
    assert effective.refresh(Review.objects.values_list("pk", flat=True)) == 0


def test_unmasked_words_go_when_their_days_are_over(store):
    ReviewSettings.objects.create(store=store, keep_raw=True, retention_days=30)
    take(store, raw(source_id="1"), raw(source_id="2"))
    Review.objects.filter(source_id="1").update(raw_expires_at=timezone.now() - timedelta(minutes=1))
    assert intake.delete_expired_raw() == 1 and intake.delete_expired_raw() == 0
    assert Review.objects.get(source_id="1").raw is None and Review.objects.get(source_id="2").raw is not None


@pytest.mark.parametrize("year", [1, 9999])
def test_a_date_that_no_calendar_of_ours_holds_is_refused_and_not_kept(store, year):
    at = datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, 23, 59, tzinfo=UTC)
    outcome = intake.receive(store=store, items=[RawReview(text="Fine", rating="5", written_at=at)], source="api")
    assert outcome.rejected == 1 and outcome.issues[0].column == "written_at"
    assert not Review.objects.filter(store=store).exists()
