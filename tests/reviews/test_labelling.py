"""People's labels: they win, nothing is overwritten, two people look apart, gold never trains."""

import math
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from reviews import effective, labelling, review_dataset
from reviews.models import Flag, Judgement, Label, LabelClaim, Opinion, Review, StoreDay
from tests.reviews.factories import make_review

pytestmark = pytest.mark.django_db


def judge(review: Review, *, stars=(0.1, 0.1, 0.1, 0.3, 0.4), uncertainty=0.5, **aspects: int) -> Judgement:
    """The machine's reading, as scoring writes it."""
    expected = sum(k * p for k, p in enumerate(stars, 1))
    found = Judgement.objects.create(
        store=review.store, review=review, model_label="house 1", inputs_hash="0", stars=list(stars), expected=expected,
        sentiment=1 if expected >= 3.5 else -1, confidence=0.7, uncertainty=uncertainty,
        aspects={a: {"polarity": p, "probability": 0.8, "spans": [[0, 4]]} for a, p in aspects.items()},
    )  # fmt: skip
    effective.refresh([review.pk])
    return found


def test_a_label_wins_over_the_machine_and_keeps_the_old_value(store, alice):
    review = make_review(store)
    judge(review, quality=1)
    labelling.label(review=review, by=alice, field="stars", value="2")
    labelling.label(review=review, by=alice, field="aspect", aspect="quality", value="negative")
    review.refresh_from_db()
    assert (review.stars, review.sentiment) == (2.0, -1)
    assert Opinion.objects.get().polarity == -1
    assert StoreDay.objects.get().negative == 1
    assert list(Label.objects.order_by("id").values_list("value", "old_value")) == [(2, 4), ("negative", "positive")]


def test_taking_a_label_back_is_a_new_row_and_the_machine_counts_again(store, alice):
    review = make_review(store)
    judge(review)
    labelling.label(review=review, by=alice, field="stars", value=1)
    row = labelling.clear(review=review, by=alice, field="stars")
    review.refresh_from_db()
    assert review.stars == pytest.approx(3.8) and row.old_value == 1
    assert [label.value for label in Label.objects.order_by("id")] == [1, None]
    with pytest.raises(labelling.BadLabel):
        labelling.clear(review=review, by=alice, field="aspect", aspect="price")


def test_undo_goes_back_to_what_was_there_before(store, alice, bob):
    review = make_review(store)
    labelling.label(review=review, by=bob, field="stars", value=2)
    labelling.label(review=review, by=alice, field="stars", value=4)
    assert labelling.undo(review=review, by=alice).value == 2
    assert Label.objects.count() == 3


def test_saying_the_same_twice_adds_no_row(store, alice):
    review = make_review(store)
    for _time in range(2):
        labelling.label(review=review, by=alice, field="spam", value=True)
    assert Label.objects.count() == 1


@pytest.mark.parametrize(
    "field, aspect, value",
    [("stars", "", 6), ("stars", "", True), ("stars", "quality", 3), ("aspect", "", "negative"), ("aspect", "x", "negative"),
     ("aspect", "price", "bad"), ("language", "", ""), ("language", "", "<b>"), ("spam", "", "maybe"), ("mood", "", 1)],
)  # fmt: skip
def test_what_no_label_can_be_is_refused(store, alice, field, aspect, value):
    with pytest.raises(labelling.BadLabel):
        labelling.label(review=make_review(store), by=alice, field=field, aspect=aspect, value=value)
    assert not Label.objects.exists()


def test_spam_takes_a_review_out_of_the_numbers_and_undo_brings_it_back(store, alice):
    review = make_review(store)
    labelling.label(review=review, by=alice, field="spam", value=True)
    assert not StoreDay.objects.filter(n__gt=0).exists()
    labelling.undo(review=review, by=alice)
    assert StoreDay.objects.get().n == 1


def test_the_queue_shows_the_least_sure_first_and_nothing_twice(store, other_store, alice, bob):
    sure, unsure = make_review(store, "sure"), make_review(store, "unsure")
    judge(sure, uncertainty=0.1)
    judge(unsure, uncertainty=0.9)
    judge(make_review(other_store, "theirs"), uncertainty=1)
    assert list(labelling.queue(store)) == [unsure, sure]
    assert labelling.claim(store, alice, order="uncertain") == unsure
    assert labelling.claim(store, alice, order="uncertain") == unsure
    assert labelling.claim(store, bob, order="uncertain") == sure
    assert labelling.claim(store, bob, order="uncertain", skip=[sure.pk]) is None
    LabelClaim.objects.filter(review=unsure).update(until=timezone.now() - timedelta(seconds=1))
    assert labelling.claim(store, bob, order="uncertain", skip=[sure.pk]) == unsure
    labelling.label(review=unsure, by=alice, field="stars", value=1)
    assert list(labelling.queue(store, by=bob)) == [sure]


def test_what_is_called_spam_leaves_the_queue_until_that_is_undone(store, bob, as_user):
    spam, other = make_review(store, "buy followers"), make_review(store, "a real one")
    judge(spam, uncertainty=0.9)
    judge(other, uncertainty=0.2)
    client = as_user(bob)
    say = {"order": "uncertain", "review": spam.pk}
    page = client.post("/s/alice/reviews/labels/", {**say, "what": "spam", "value": "true"}, follow=True)
    assert "a real one" in page.content.decode() and list(labelling.queue(store, by=bob)) == [other]
    client.post("/s/alice/reviews/labels/", {**say, "step": "undo"})
    assert list(labelling.queue(store, by=bob)) == [spam, other]


def test_two_people_at_once_never_get_the_same_review(transactional_db, store, alice, bob):
    for n in range(6):
        judge(make_review(store, f"text {n}"), uncertainty=n / 10)
    got: dict[int, set[int]] = {}

    def work(person):
        try:
            got[person.pk] = {labelling.claim(store, person, order="uncertain").pk for _ in range(3)}
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(person,)) for person in (alice, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(ids) for ids in got.values()] == [1, 1] and not set.intersection(*got.values())


def test_a_task_that_holds_the_reviews_does_not_empty_the_queue(transactional_db, store, alice, as_user):
    judge(make_review(store, "a mug that leaks"))
    held, seen = threading.Event(), threading.Event()

    def work():
        try:
            with transaction.atomic():
                list(Review.objects.select_for_update(no_key=True))
                held.set()
                seen.wait(30)
        finally:
            connection.close()

    task = threading.Thread(target=work)
    task.start()
    try:
        assert held.wait(30)
        page = as_user(alice).get("/s/alice/reviews/labels/").content.decode()
    finally:
        seen.set()
        task.join()
    assert "a mug that leaks" in page and "Nothing waits" not in page


def test_a_second_look_is_another_persons_changes_nothing_and_is_measured(store, alice, bob):
    for n, (one, two) in enumerate([(5, 5), (1, 1), (1, 1), (5, 1)]):
        review = make_review(store, f"mug {n}", rating=None)
        labelling.label(review=review, by=alice, field="stars", value=one)
        assert review in labelling.queue(store, order="blind", by=bob)
        assert review not in labelling.queue(store, order="blind", by=alice)
        labelling.label(review=review, by=bob, field="stars", value=two, blind=True)
        review.refresh_from_db()
        assert review.stars == one
    (found,) = labelling.agreement(store)
    # po = 3/4; pe = (2·1 + 2·3)/16 = 1/2.
    assert (found.field, found.n, found.observed, found.expected, found.kappa) == ("stars", 4, 0.75, 0.5, 0.5)
    assert -1 <= found.low < 0.5 < found.high <= 1
    assert len(labelling.disagreements(store)) == 1


def test_kappa_and_its_interval_agree_with_a_worked_example():
    # Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (3rd ed.), table 18.1: kappa .676, s.e. .088.
    cells = [("p", "p", 75), ("p", "n", 1), ("p", "o", 4), ("n", "p", 5), ("n", "n", 4), ("n", "o", 1), ("o", "o", 10)]
    pairs = [(a, b) for a, b, n in cells for _ in range(n)]
    _po, _pe, kappa, low, high = labelling.kappa(pairs)
    assert kappa == pytest.approx(0.676, abs=0.001)
    assert (high - low) / 2 / labelling.Z95 == pytest.approx(0.088, abs=0.001)
    assert labelling.kappa([("a", "a")])[2] is None and not math.isnan(kappa)


def test_gold_never_trains_nor_does_a_copy_of_it(store, alice):
    for n in range(60):
        review = make_review(store, f"Mug number {n} is fine")
        labelling.label(review=review, by=alice, field="stars", value=4)
    counts = labelling.freeze_gold(store, share=0.3, most=100)
    gold = set(Review.objects.filter(gold=True).values_list("pk", flat=True))
    assert 5 < len(gold) < 35 and counts == {"en": len(gold)}
    assert labelling.freeze_gold(store, share=0.3, most=100) == counts
    chosen = Review.objects.filter(gold=True).first()
    copy = make_review(store, chosen.text, words_hash=chosen.words_hash)
    data = review_dataset.build(store)
    trains = {int(r["id"]) for r in data.train + data.valid}
    assert not trains & (gold | {copy.pk}) and {int(r["id"]) for r in data.gold} == gold
    assert len(trains) == 60 - len(gold) and dict(data)["test"] == data.gold


def test_the_data_set_has_masked_words_consent_and_peoples_newest_labels(store, alice):
    kept = make_review(store, "Call [phone], lovely mug", title="Lovely", raw=b"Call 030 1234567")
    make_review(store, "No consent", consent=False)
    make_review(store, "", rating_only=True)
    flagged = make_review(store, "Five stars, it broke", rating="5")
    Flag.objects.create(store=store, review=flagged, kind="star_text_mismatch", reason="x")
    spam = make_review(store, "Buy at my shop")
    labelling.label(review=spam, by=alice, field="spam", value=True)
    labelling.label(review=kept, by=alice, field="stars", value=2)
    labelling.label(review=kept, by=alice, field="stars", value=4)
    labelling.label(review=kept, by=alice, field="aspect", aspect="price", value="absent")
    data = review_dataset.build(store.pk)
    assert data.train + data.valid == [
        {"id": str(kept.pk), "text": "Lovely\nCall [phone], lovely mug", "language": "en", "stars": 4, "polarity": None,
         "aspects": {"price": "absent"}}
    ]  # fmt: skip
    assert review_dataset.build(store).hash == data.hash
    labelling.label(review=flagged, by=alice, field="stars", value=1)
    again = review_dataset.build(store)
    assert again.hash != data.hash and len(again.train + again.valid) == 2
    assert review_dataset.new_labels(store) == 5


def test_copies_lie_on_one_side(store):
    for n in range(40):
        for _copy in range(2):
            make_review(store, f"Text {n}")
    data = review_dataset.build(store)
    assert len(data.train) + len(data.valid) == 40 and data.valid
    assert not {r["text"] for r in data.train} & {r["text"] for r in data.valid}


# --- pages
def test_the_page_of_a_review_shows_evidence_and_escapes_it(store, alice, as_user):
    review = make_review(store, "<script>alert(1)</script> nice")
    judge(review, quality=1)
    page = as_user(alice).get(f"/s/alice/reviews/{review.pk}/").content.decode()
    assert "<script>alert" not in page and "&lt;scr" in page and 'data-aspects="quality"' in page and "house 1" in page


def test_a_correction_from_the_page_counts_and_stands_in_the_history(store, bob, as_user):
    review = make_review(store)
    judge(review)
    client = as_user(bob)
    url = f"/s/alice/reviews/{review.pk}/label/"
    assert client.post(url, {"field": "stars", "value": "1"}).status_code == 302
    assert client.post(url, {"field": "stars", "value": "9"}).status_code == 422
    part = client.post(
        url,
        {"field": "aspect", "aspect": "price", "value": "negative"},
        headers={"hx-request": "true", "hx-target": "review"},
    )
    assert part.content.decode().lstrip().startswith('<div id="review"')
    review.refresh_from_db()
    assert review.stars == 1 and Opinion.objects.get().by_person
    assert "bob@example.com" in client.get(f"/s/alice/reviews/{review.pk}/").content.decode()


def test_a_review_is_hidden_only_for_a_reason_and_comes_back(store, alice, bob, as_user):
    review = make_review(store)
    effective.refresh([review.pk])
    url = f"/s/alice/reviews/{review.pk}/visibility/"
    assert as_user(bob).post(url, {"reason": "spam"}).status_code == 403
    client = as_user(alice)
    assert client.post(url, {"reason": "negative"}).status_code == 422
    assert client.post(url, {"reason": "fraud", "note": "bought"}).status_code == 302
    assert not StoreDay.objects.filter(n__gt=0).exists()
    assert client.post(url, {"show": "1"}).status_code == 302
    assert StoreDay.objects.get().n == 1
    assert [a.kind for a in review.actions.order_by("id")] == ["hide", "show"]


def test_a_flag_is_confirmed_dismissed_and_reopened(store, bob, as_user):
    review = make_review(store)
    flag = Flag.objects.create(store=store, review=review, kind=Flag.Kind.LINK, reason="a link")
    client = as_user(bob)
    for step, upheld in (("uphold", True), ("reopen", None), ("dismiss", False)):
        assert client.post(f"/s/alice/reviews/flags/{flag.pk}/", {"step": step}).status_code == 302
        flag.refresh_from_db()
        assert flag.upheld is upheld
    assert review.actions.count() == 3 and StoreDay.objects.get().n == 1


def test_the_queue_works_without_javascript(store, bob, as_user):
    first, second = make_review(store, "first text"), make_review(store, "second text")
    judge(first, uncertainty=0.9)
    judge(second, uncertainty=0.2)
    client = as_user(bob)
    assert "first text" in client.get("/s/alice/reviews/labels/").content.decode()
    say = {"order": "uncertain", "review": first.pk}
    page = client.post("/s/alice/reviews/labels/", {**say, "what": "aspect:price", "value": "negative"}, follow=True)
    assert "first text" in page.content.decode()
    page = client.post("/s/alice/reviews/labels/", {**say, "what": "stars", "value": "2"}, follow=True)
    assert "second text" in page.content.decode()
    page = client.post("/s/alice/reviews/labels/", {**say, "review": second.pk, "step": "undo"}, follow=True)
    assert "first text" in page.content.decode()
    page = client.post("/s/alice/reviews/labels/", {**say, "review": second.pk, "step": "skip"}, follow=True)
    assert "second text" not in page.content.decode()
    assert [row.value for row in Label.objects.order_by("id")] == ["negative", 2, None]


def test_a_second_look_shows_neither_the_first_nor_the_machine(store, alice, bob, as_user):
    review = make_review(store, "blind text")
    judge(review, quality=1)
    labelling.label(review=review, by=alice, field="stars", value=2)
    client = as_user(bob)
    page = client.get("/s/alice/reviews/labels/?order=blind").content.decode()
    assert "blind text" in page and "data-aspects" not in page and '<svg class="w-full h-6' not in page
    client.post("/s/alice/reviews/labels/", {"order": "blind", "review": review.pk, "what": "stars", "value": "2"})
    assert labelling.agreement(store)[0].n == 1
    assert client.get("/s/alice/reviews/agreement/").status_code == 200
    assert client.post("/s/alice/reviews/agreement/", {"share": "50"}).status_code == 403
    assert as_user(alice).post("/s/alice/reviews/agreement/", {"share": "x"}).status_code == 422
    assert as_user(alice).post("/s/alice/reviews/agreement/", {"share": "100"}).status_code == 302
    assert Review.objects.filter(gold=True).count() == 1
