"""Every messy input gives what reading alone can decide of its expectations."""

import pytest

from ecomai.lib import formulas
from reviews.reading import RawReview, ReadingContext, Unreadable, read
from tests.reviews.messy import expectations

CASES = {case["id"]: case for case in expectations()}
CONTEXT = ReadingContext(1, ("en", "zh", "de", "fr", "es", "id", "ja", "ko"), "en", "US", None)
FLAGS = {
    "spam_link", "incentivised_or_contact", "template_like", "platform_default_text", "question", "gibberish",
    "safety_urgent",
}  # fmt: skip
pytestmark = pytest.mark.skipif(not CASES, reason="the messy inputs aren't beside the repository")


def seen(name: str):
    return read(RawReview(text=CASES[name]["text"], rating=CASES[name]["stars"]), CONTEXT)


@pytest.mark.parametrize("name", [name for name in CASES if name != "stars_out_of_range"])
def test_a_messy_input_is_read_as_expected(name):
    review, expect = seen(name), CASES[name]["expect"]
    kinds = {str(flag.kind.value) for flag in review.flags}
    assert review.rating_only == (expect.get("action") == "keep_as_rating_only")
    lang = expect.get("lang", "")
    if lang in ("hi-Latn_or_und", "low_confidence"):
        assert review.language == "und" or review.language_confidence < 0.5
    elif lang.startswith("low_confidence_use"):
        assert review.language == "en" and review.language_confidence < 0.5
    elif lang and "platform_default_text" not in kinds:
        assert review.language == lang
    if "stored_text" in expect:
        assert review.text == expect["stored_text"]
    assert expect.get("must_keep", "") in review.text
    if "masked" in expect:
        assert list(review.masked) == expect["masked"]
    if expect.get("flag") in FLAGS:
        assert expect["flag"] in kinds
    if expect.get("flag") == "homoglyph_and_link":
        assert {"homoglyph", "spam_link"} <= kinds


def test_copies_of_one_text_share_their_words():
    names = [name for name, case in CASES.items() if case["expect"].get("dup_group") == "A"]
    assert len({seen(name).words_hash for name in names}) == 1 < len(names)


def test_a_rating_beyond_the_scale_is_an_error_that_names_the_value():
    with pytest.raises(Unreadable, match="10"):
        seen("stars_out_of_range")


def test_a_formula_is_kept_and_neutralised_on_the_way_out():
    assert formulas.safe(seen("csv_injection").text).startswith("'=")
