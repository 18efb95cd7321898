"""Copies of one text are found, told with a reason, and never chained; strangers' short praise is none."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from reviews import intake, near_duplicates
from reviews.models import CountedReview, Flag, Review
from reviews.reading import RawReview

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
LONG = "The handle came off after two weeks and the shop sent a new one without asking."


def bring(store, *texts, source="csv", **fields) -> list[int]:
    """Reviews by different authors, an hour apart."""
    there = Review.objects.count()
    items = [
        RawReview(
            text=text, rating="5", author_name=f"Person {there + i}", source_id=f"n{there + i}",
            written_at=START + timedelta(hours=there + i), **fields,
        )
        for i, text in enumerate(texts)
    ]  # fmt: skip
    outcome = intake.receive(store=store, items=items, source=source)
    assert not outcome.issues, outcome.issues[:3]
    return outcome.ids


def copies() -> dict[int, int]:
    return dict(Review.objects.exclude(duplicate_of=None).values_list("pk", "duplicate_of"))


@pytest.fixture(params=["in the database", "in memory"])
def path(request, monkeypatch):
    """Both ways of finding what is near."""
    if request.param == "in memory":
        monkeypatch.setattr(near_duplicates, "FEW", 0)
    return request.param


def test_the_same_words_are_copies_of_the_oldest(store, path):
    ids = bring(store, "Nice product, fast delivery", "Nice product, fast delivery", "nice product fast delivery!!")
    assert near_duplicates.group(store, ids) == 2
    assert copies() == {ids[1]: ids[0], ids[2]: ids[0]}
    flag = Flag.objects.get(review=ids[2])
    assert (flag.kind, flag.reason) == (Flag.Kind.DUPLICATE, near_duplicates.EXACT)
    assert flag.evidence == {"review": ids[0], "similarity": 100.0}


def test_nearly_the_same_words_are_copies_and_others_are_not(store, path):
    ids = bring(
        store, LONG, LONG.replace("weeks", "weks") + " :)", LONG.replace("two", "three"),
        "The handle is fine but two weeks of waiting is long.", "质量很好，物流很快，包装也很仔细，下次还会再来买的",
        "质量很好，物流很快，包装也很仔细，下次还会再来买", "质量很好",
    )  # fmt: skip
    near_duplicates.group(store, ids)
    assert copies() == {ids[1]: ids[0], ids[2]: ids[0], ids[5]: ids[4]}
    flag = Flag.objects.get(review=ids[1])
    assert flag.reason == near_duplicates.NEAR and 92 <= flag.evidence["similarity"] < 100


def test_twice_the_same_changes_nothing(store, path):
    ids = bring(store, LONG, LONG, LONG + "!", LONG.replace("two", "three"), "Something else entirely, and long.")
    assert near_duplicates.group(store, ids) == 3
    before = list(Flag.objects.order_by("id").values())
    assert near_duplicates.group(store, ids) == 0 == near_duplicates.group(store)
    assert list(Flag.objects.order_by("id").values()) == before


def test_short_praise_of_strangers_is_no_copy_but_one_author_twice_is(store, path):
    ids = bring(store, "Good", "Good", "Love it!", "love it", "很好", "很好")
    ids += [
        intake.receive(
            store=store, source=source,
            items=[RawReview(text="Top!", rating="5", author_ids=("kim@example.com",), product_ref="mug",
                             written_at=START, source_id="k")],
        ).ids[0]
        for source in ("csv", "syndicated")
    ]  # fmt: skip
    near_duplicates.group(store, ids)
    assert copies() == {ids[-1]: ids[-2]}
    assert not CountedReview.objects.filter(review=ids[-1]).exists()  # a copy from elsewhere counts once


def test_an_older_original_that_comes_later_takes_the_copies_over(store, path):
    ids = bring(store, LONG, LONG + " Really.")
    near_duplicates.group(store, ids)
    older = intake.receive(
        store=store, source="csv",
        items=[RawReview(text=LONG, rating="5", source_id="old", written_at=START - timedelta(days=9))],
    ).ids  # fmt: skip
    near_duplicates.group(store, older)
    assert copies() == {ids[0]: older[0], ids[1]: older[0]}


def test_an_edit_ends_a_copy_and_gives_the_others_a_new_original(store, path):
    ids = bring(store, LONG, LONG, LONG + " Really.")
    near_duplicates.group(store, ids)
    edit = RawReview(text="Now in quite other words than before, since I changed my mind.", source_id="n0")
    assert intake.receive(store=store, source="csv", items=[edit]).updated == 1
    near_duplicates.group(store, ids[:1])
    assert copies() == {ids[2]: ids[1]}
    assert set(Flag.objects.filter(kind=Flag.Kind.DUPLICATE).values_list("review", flat=True)) == {ids[2]}


def test_an_edit_to_stars_alone_ends_a_copy(store, path):
    ids = bring(store, LONG, LONG)
    near_duplicates.group(store, ids)
    intake.receive(store=store, source="csv", items=[RawReview(text="", rating="2", source_id="n1")])
    near_duplicates.group(store, ids[1:])
    assert copies() == {} and not Flag.objects.exists()


def test_a_persons_no_stands(store, path):
    ids = bring(store, LONG, LONG)
    near_duplicates.group(store, ids)
    Flag.objects.update(upheld=False)
    near_duplicates.group(store, ids)
    assert copies() == {} and Flag.objects.get().upheld is False


def test_another_stores_words_are_no_original(store, other_store, path):
    bring(other_store, LONG)
    ids = bring(store, LONG)
    assert near_duplicates.group(store, ids) == 0 == near_duplicates.group(other_store, ids)


def test_platform_words_are_nobodys_copy(store, path):
    ids = bring(store, "此用户没有填写评价", "此用户没有填写评价")
    assert near_duplicates.group(store, ids) == 0


def test_many_reviews_with_planted_copies(store):
    words = "mug lid tea hot cup blue box late gift size soft warm loud dark gold thin tall wool felt cork".split()
    draw = random.Random(7)
    texts = [" ".join(draw.choices(words, k=10)) + f" number {i * 7919 % 100_003}" for i in range(600)]
    planted = [texts[i * 5].replace(" number", ", numbr") + "!" for i in range(40)]
    ids = bring(store, *texts, *planted)
    near_duplicates.group(store, ids)
    found = copies()
    assert {ids[600 + i]: ids[i * 5] for i in range(40)}.items() <= found.items()
    assert len(found) == 40
