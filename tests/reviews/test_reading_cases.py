"""Reviews as shoppers and exports really write them, each with what reading must make of it."""

import json
from pathlib import Path

import pytest

from reviews.reading import RawReview, ReadingContext, Unreadable, read

LINES = (Path(__file__).parent / "fixtures" / "reading_cases.jsonl").read_text(encoding="utf-8").splitlines()
CASES = {case["id"]: case for case in map(json.loads, LINES)}
CONTEXT = ReadingContext(1, ("en", "zh", "de", "fr", "es", "id", "ja", "ko"), "en", "US")


def seen(name: str):
    case = CASES[name]
    return read(RawReview(title=case["title"], text=case["text"], rating=case["stars"]), CONTEXT)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "error" not in case["expect"]])
def test_a_review_is_read_as_it_should_be(name):
    review, expect = seen(name), CASES[name]["expect"]
    kinds = {str(flag.kind.value) for flag in review.flags}
    for column in ("rating_only", "language", "text", "rating"):
        if column in expect:
            assert getattr(review, column) == expect[column], column
    assert review.language != expect.get("not_language")
    if expect.get("low_confidence"):
        assert review.language == CONTEXT.default_language and review.language_confidence < 0.5
    assert expect.get("contains", "") in review.text
    assert expect.get("without", "\0") not in review.text
    if "masked" in expect:
        assert list(review.masked) == expect["masked"]
    assert set(expect.get("flags", ())) <= kinds and not set(expect.get("no_flags", ())) & kinds
    assert "\0" not in review.raw_text and all(ord(sign) not in range(0x202A, 0x202F) for sign in review.text)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "error" in case["expect"]])
def test_a_rating_that_is_none_is_an_error_that_names_it(name):
    with pytest.raises(Unreadable) as caught:
        seen(name)
    assert caught.value.code == CASES[name]["expect"]["error"]
    assert str(CASES[name]["stars"]) in caught.value.message


def test_copies_share_their_words_and_others_dont():
    copies = [name for name, case in CASES.items() if case["expect"].get("same") == "lamp"]
    assert len(copies) == 3 and len({seen(name).words_hash for name in copies}) == 1
    others = {seen(name).words_hash for name in ("shouting", "stretched", "advert", "copy_a")}
    assert len(others) == 4
