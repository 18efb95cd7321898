"""What counts about a review, and that the sums follow it exactly."""

import random
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from ml.aspects import ASPECTS
from reviews import effective, rebuild
from reviews.models import CountedReview, Flag, Judgement, Label, Opinion, ProductMonth, Review, StoreDay
from tests.factories import make_product
from tests.reviews.factories import make_review

pytestmark = pytest.mark.django_db


def judge(review: Review, *, sentiment: int = 1, expected: float = 4.6, **aspects: int) -> Judgement:
    """The machine's reading, as scoring would write it."""
    judgement, _new = Judgement.objects.update_or_create(
        review=review,
        defaults={
            "store": review.store, "model_label": "test 1", "inputs_hash": review.words_hash, "stars": [0, 0, 0, 0.4, 0.6],
            "expected": expected, "sentiment": sentiment, "confidence": 0.9, "uncertainty": 0.1,
            "aspects": {a: {"polarity": p, "probability": 0.8, "spans": []} for a, p in aspects.items()},
        },
    )  # fmt: skip
    return judgement


def say(review: Review, field: str, value, aspect: str = "", **fields) -> Label:
    return Label.objects.create(store=review.store, review=review, field=field, aspect=aspect, value=value, **fields)


def counts(review: Review) -> tuple:
    effective.refresh([review.pk])
    review.refresh_from_db()
    return review.sentiment, review.stars


def tallies(store) -> dict:
    """Every cell that isn't empty, by its key."""
    found = {}
    for model in (StoreDay, ProductMonth):
        for row in model.objects.filter(store=store).values():
            row.pop("id")
            if row["n"] or any(row["aspects"]):
                key = tuple(
                    row.pop(k) for k in ("store_id", "day", "month", "product_id", "language", "source") if k in row
                )
                found[model.__name__, *key] = row
            else:
                assert not any(v for k, v in row.items() if k in effective.SUMS and k != "aspects"), row
    for row in CountedReview.objects.filter(store=store).values():
        found["counted", row["review_id"]] = row
    return found


def test_a_persons_word_goes_before_the_machines_and_the_machines_before_the_rating(store):
    review = make_review(store, rating="2")
    assert counts(review) == (-1, 2.0)
    judge(review, sentiment=1, expected=4.6)
    assert counts(review) == (1, 4.6)
    say(review, "stars", 3)
    assert counts(review) == (0, 3.0)
    judge(review, sentiment=1, expected=4.9)
    assert counts(review) == (0, 3.0)
    say(review, "stars", 5, blind=True)
    assert counts(review) == (0, 3.0)
    say(review, "stars", 1)
    assert counts(review) == (-1, 1.0)


def test_a_review_without_rating_and_judgement_has_no_sentiment_and_still_counts(store):
    review = make_review(store, rating=None)
    assert counts(review) == (None, None)
    row = StoreDay.objects.get()
    assert (row.n, row.rated, row.positive, row.read) == (1, 0, 0, 0)


def test_opinions_are_the_machines_with_the_persons_in_their_place(store):
    review = make_review(store)
    judge(review, quality=1, price=-1, shipping=0)
    say(review, "aspect", "absent", "price")
    say(review, "aspect", "negative", "service")
    say(review, "aspect", "positive", "shipping", blind=True)
    effective.refresh([review.pk])
    assert {(o.aspect, o.polarity, o.by_person) for o in Opinion.objects.all()} == {
        ("quality", 1, False), ("shipping", 0, False), ("service", -1, True),
    }  # fmt: skip
    judge(review, price=1, design=1)
    effective.refresh([review.pk])
    assert {(o.aspect, o.polarity) for o in Opinion.objects.all()} == {("design", 1), ("service", -1)}
    cells = StoreDay.objects.get().aspects
    assert sum(cells) == 2 and cells[3 * ASPECTS.index("service")] == 1 and cells[3 * ASPECTS.index("design") + 2] == 1


def test_hidden_spam_and_syndicated_reviews_count_nowhere_and_come_back(store):
    product = make_product(store)
    review = make_review(store, product=product, rating="4.5")
    effective.refresh([review.pk])
    before = tallies(store)
    assert StoreDay.objects.get().star5 == 1

    def gone() -> bool:
        effective.refresh([review.pk])
        return tallies(store) == {}

    Review.objects.update(status="hidden")
    assert gone()
    Review.objects.update(status="published")
    label = say(review, "spam", True)
    assert gone()
    say(review, "spam", False, made_at=label.made_at + timedelta(seconds=1))
    effective.refresh([review.pk])
    assert tallies(store) == before
    Label.objects.all().delete()
    flag = Flag.objects.create(store=store, review=review, kind=Flag.Kind.LINK, reason="a link", upheld=True)
    assert gone()
    flag.upheld = False
    flag.save()
    effective.refresh([review.pk])
    assert tallies(store) == before
    original = make_review(store, "Nice mug", source="judgeme", product=product)
    Review.objects.filter(pk=review.pk).update(duplicate_of=original)
    assert gone()


def test_a_copy_in_the_same_source_and_a_confirmed_danger_still_count(store):
    original = make_review(store)
    copy = make_review(store, duplicate_of=original)
    Flag.objects.create(store=store, review=copy, kind=Flag.Kind.SAFETY, reason="exploded", upheld=True)
    effective.refresh([original.pk, copy.pk])
    row = StoreDay.objects.get()
    assert (row.n, row.safety, row.flagged) == (2, 1, 1)


def test_deleted_reviews_are_taken_away(store):
    first, second = make_review(store, product=make_product(store)), make_review(store, rating="1")
    effective.refresh([first.pk, second.pk])
    gone = first.pk
    first.delete()
    assert effective.refresh([gone]) == 1 and effective.refresh([gone]) == 0
    assert StoreDay.objects.get().n == 1 and not ProductMonth.objects.exclude(n=0).exists()


def test_refreshing_twice_changes_nothing(store):
    review = make_review(store, product=make_product(store))
    judge(review, quality=1)
    assert effective.refresh([review.pk]) == 1
    before = tallies(store)
    assert effective.refresh([review.pk, review.pk]) == 0
    assert tallies(store) == before


@pytest.mark.parametrize("seed", range(6))
def test_sums_by_differences_equal_sums_made_anew_over_random_histories(store, other_store, seed):
    rng = random.Random(seed)
    products = [make_product(store, f"Product {i}") for i in range(3)]
    reviews: list[int] = []
    for step in range(60):
        touched: list[int] = []
        for _ in range(rng.randint(1, 4)):
            review = Review.objects.get(pk=rng.choice(reviews)) if reviews and rng.random() < 0.6 else None
            if review is None:
                review = make_review(
                    rng.choice([store, store, other_store]), f"text {step} {rng.random()}", product=rng.choice([*products, None]),
                    rating=rng.choice(["1", "2.5", "3", "4.5", "5", None]), language=rng.choice(["en", "de", "und"]),
                    source=rng.choice(["csv", "api", "syndicated"]), verified=rng.choice([True, False, None]),
                    written_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=rng.randrange(2000)),
                )  # fmt: skip
                reviews.append(review.pk)
            touched.append(review.pk)
            match rng.randrange(11):
                case 0 | 1:
                    judge(review, sentiment=rng.choice([-1, 0, 1]), expected=rng.uniform(1, 5),
                          **{a: rng.choice([-1, 0, 1]) for a in rng.sample(ASPECTS, rng.randrange(4))})  # fmt: skip
                case 2:
                    say(review, "stars", rng.randint(1, 5), blind=rng.random() < 0.3)
                case 3:
                    say(
                        review, "aspect", rng.choice(["absent", "negative", "neutral", "positive"]), rng.choice(ASPECTS)
                    )
                case 4:
                    say(review, "spam", rng.random() < 0.5)
                case 5:
                    kind = rng.choice(Flag.Kind.values)
                    Flag.objects.update_or_create(
                        store=review.store, review=review, kind=kind, defaults={"reason": "r", "upheld": rng.choice([True, False, None])}
                    )  # fmt: skip
                case 6:
                    review.status = rng.choice(Review.Status.values)
                case 7:
                    review.language, review.product = rng.choice(["en", "ja"]), rng.choice([*products, None])
                case 8:
                    review.written_at += timedelta(days=rng.randrange(40))
                case 9:
                    review.rating = rng.choice([None, Decimal("3.5"), Decimal(1)])
                case 10:
                    review.duplicate_of_id = rng.choice([None, *(r for r in reviews if r != review.pk)])
            review.save()
            if rng.random() < 0.05 and len(reviews) > 5:
                reviews.remove(review.pk)
                touched += Review.objects.filter(duplicate_of=review).values_list("pk", flat=True)
                review.delete()
        effective.refresh(touched)
    kept = tallies(store), tallies(other_store)
    sources = Review.objects.filter(store=store).count()
    assert 0 < len(CountedReview.objects.filter(store=store)) <= sources
    call_command("rebuild_review_statistics", "alice", "charlie", verbosity=0)
    assert (tallies(store), tallies(other_store)) == kept
    rebuild.recompute(store)
    assert tallies(store) == kept[0]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_end_with_what_one_after_the_other_would(store):
    products = [make_product(store, f"P {i}") for i in range(3)]
    reviews = [make_review(store, f"text {i}", product=products[i % 3]) for i in range(9)]
    ids = [review.pk for review in reviews]
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for round_ in range(5):
                with transaction.atomic():
                    for review in reviews:
                        say(review, "stars", (number + round_) % 5 + 1)
                    effective.refresh(ids)
        except BaseException as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert problems == []
    kept = tallies(store)
    rebuild.rebuild(store)
    assert tallies(store) == kept and sum(row.n for row in StoreDay.objects.all()) == 9
