"""The pages of numbers, their exports and the weekly digest, through HTTP and the task."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.utils.timezone import now

from reviews import digest, effective, rebuild
from reviews.models import DigestMail, Flag, Review, ReviewSettings
from reviews.tasks import send_digests
from tests.factories import make_product
from tests.reviews.factories import make_review
from tests.reviews.test_effective import judge, say

pytestmark = pytest.mark.django_db
LAST_WEEK = datetime.combine(digest.last_week(), datetime.min.time(), UTC) + timedelta(days=2)


@pytest.fixture
def mug(store):
    return make_product(store, "Stoneware mug")


@pytest.fixture
def told(store, mug):
    """Twelve pleased and twelve angry reviews of the mug within the last weeks, and one that must not be run."""
    made = []
    for i in range(24):
        good = i % 2 == 0
        review = make_review(
            store, "The glaze is lovely and it came fast." if good else "The handle broke after a week, I am so angry.",
            title="<b>Hello</b>", rating="5" if good else "1", product=mug, written_at=now() - timedelta(days=1 + i), language="en",
        )  # fmt: skip
        judgement = judge(review, sentiment=1 if good else -1, expected=4.8 if good else 1.2, quality=1 if good else -1)
        start = len("<b>Hello</b>\n") + 4
        judgement.aspects["quality"]["spans"] = [[start, start + (5 if good else 6)]]
        judgement.save()
        made.append(review.pk)
    Flag.objects.create(store=store, review_id=made[1], kind=Flag.Kind.SAFETY, reason="says that it burned")
    effective.refresh(made)
    return made


def text_of(response) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def test_an_empty_store_is_told_to_import(store, alice, as_user):
    for page in ("dashboard/", "dashboard/report/", "all/"):
        response = as_user(alice).get(f"/s/alice/reviews/{page}")
        assert response.status_code == 200 and "No reviews yet" in response.content.decode(), page
    assert "Nothing to compare yet" in as_user(alice).get("/s/alice/reviews/dashboard/compare/").content.decode()


def test_the_dashboard_shows_the_numbers_and_every_one_leads_to_as_many_reviews(alice, as_user, told, mug):
    client = as_user(alice)
    page = client.get("/s/alice/reviews/dashboard/?period=90")
    text = text_of(page)
    assert "3.00" in text and "50%" in text and "Safety reports 1" in text and "Stoneware mug" in text
    html = page.content.decode()
    assert "style=" not in html and "onclick" not in html and '<svg class="chart"' in html
    links = {unescape(link) for link in re.findall(r'href="(/s/alice/reviews/all/\?[^"]+)"', html)}
    assert len(links) > 15
    for link in links:
        listed = client.get(link)
        assert listed.status_code == 200, link
    cell = next(link for link in links if "aspect=quality" in link and "polarity=negative" in link)
    assert "12 reviews" in text_of(client.get(cell))
    assert "1 review " in text_of(client.get("/s/alice/reviews/all/?flag=safety_urgent"))


@pytest.mark.parametrize("query", ["period=7", "period=30", "period=365", "period=all&aspect=quality", "rank=worst", "rank=best", "language=zh",
                                   "product=Stoneware+mug", "period=custom&from=2026-01-01&to=1999-01-01", "product=%00&category=x&stars=9&cursor=zz"])  # fmt: skip
def test_any_filter_gives_a_page(alice, as_user, told, query):
    for page in (
        "dashboard/",
        "dashboard/report/",
        "dashboard/compare/",
        "all/",
        "dashboard/numbers.csv",
        "all/reviews.csv",
    ):
        assert as_user(alice).get(f"/s/alice/reviews/{page}?{query}").status_code == 200, page


def test_htmx_gets_the_part_alone(alice, as_user, told):
    for page, target in (("dashboard/", "dashboard"), ("all/", "reviews")):
        part = as_user(alice).get(f"/s/alice/reviews/{page}", headers={"HX-Request": "true", "HX-Target": target})
        assert part.content.decode().strip().startswith(f'<div id="{target}"') and b"<html" not in part.content


def test_a_row_shows_what_was_given_read_and_why_and_runs_nothing(store, alice, as_user, told):
    say(Review.objects.get(pk=told[0]), "stars", 4)
    say(Review.objects.get(pk=told[0]), "aspect", "positive", "design")
    effective.refresh(told)
    html = as_user(alice).get("/s/alice/reviews/all/").content.decode()
    assert "&lt;b&gt;Hello&lt;/b&gt;" in html and "<b>Hello" not in html
    assert re.search(r'<mark class="ev ev-negative" title="Quality: Negative">handle</mark>', html)
    assert "corrected by a person: 4 stars" in html and "said by a person" in html and "test 1" in html
    assert "says that it burned" in html and 'aria-label="5.0 of 5 stars"' in html


def test_hidden_reviews_are_listed_only_when_asked_for(alice, as_user, told):
    Review.objects.filter(pk=told[0]).update(status="hidden")
    effective.refresh([told[0]])
    assert "23 reviews" in text_of(as_user(alice).get("/s/alice/reviews/all/?period=90"))
    shown = text_of(as_user(alice).get("/s/alice/reviews/all/?period=90&show=all"))
    assert "24 reviews" in shown and "hidden" in shown


def test_pairs_to_compare_are_offered_once_each(store, alice, as_user, told, mug):
    for name, count in (("Plain cup", 12), ("Oak tray", 6)):
        other = make_product(store, name)
        effective.refresh([
            make_review(store, f"{name} {i}", product=other, written_at=now() - timedelta(days=2)).pk for i in range(count)
        ])  # fmt: skip
    page = as_user(alice).get("/s/alice/reviews/dashboard/compare/")
    offered = re.findall(r'href="\?one=(\d+)&amp;two=(\d+)"', page.content.decode())
    assert len(offered) == 2 and {one for one, _two in offered} == {str(mug.pk)}
    text = text_of(page)
    assert "Stoneware mug against Plain cup" in text and "Stoneware mug against Oak tray" in text


def test_two_products_are_compared(store, alice, as_user, told, mug):
    other = make_product(store, "Plain cup")
    made = [make_review(store, f"Fine {i}", product=other, written_at=now() - timedelta(days=2)) for i in range(12)]
    for review in made:
        judge(review, quality=1)
    effective.refresh([r.pk for r in made])
    page = as_user(alice).get(f"/s/alice/reviews/dashboard/compare/?one={mug.pk}&two=Plain+cup")
    text = text_of(page)
    assert "5.00" in text and "3.00" in text and "differ" in text
    assert "Choose another one" in text_of(
        as_user(alice).get(f"/s/alice/reviews/dashboard/compare/?one={mug.pk}&two={mug.pk}")
    )


def rows_of(response) -> list[dict]:
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))


def test_exports_hold_exactly_the_filtered_reviews_and_no_formulas(store, other_store, alice, as_user, told):
    bad = make_review(store, '=HYPERLINK("http://evil.example")', rating="1", author_name="@SUM(A1)", written_at=now())
    foreign = make_review(other_store, "theirs")
    effective.refresh([bad.pk, foreign.pk])
    rows = rows_of(as_user(alice).get("/s/alice/reviews/all/reviews.csv?period=90&sentiment=negative"))
    assert len(rows) == 13 and {row["sentiment"] for row in rows} == {"negative"}
    mine = next(row for row in rows if row["id"] == str(bad.pk))
    assert mine["text"].startswith("'=") and mine["author"].startswith("'@")
    assert next(row for row in rows if row["id"] == str(told[1]))["negative_aspects"] == "quality"
    numbers = rows_of(as_user(alice).get("/s/alice/reviews/dashboard/numbers.csv?period=90"))
    assert sum(int(row["reviews"]) for row in numbers if row["table"] == "time") == 25
    assert [row["negative"] for row in numbers if row["table"] == "aspect"] == ["12"]
    assert [row["name"] for row in numbers if row["table"] == "product"] == ["Stoneware mug"]


def test_titles_are_offered_as_one_types_and_only_ones_own(store, other_store, alice, as_user, mug):
    make_product(other_store, "Stone of another shop")
    options = as_user(alice).get("/s/alice/reviews/dashboard/products/?product=stone").content.decode()
    assert "Stoneware mug" in options and "another shop" not in options


@pytest.fixture
def week(store, mug):
    made = [
        make_review(
            store, f"It broke, number {i}, and nobody answers me.", rating="1", product=mug, written_at=LAST_WEEK
        )
        for i in range(3)
    ]
    for review in made:
        judge(review, sentiment=-1, expected=1.1, quality=-1)
    effective.refresh([r.pk for r in made])


def test_the_digest_goes_once_to_owners_in_their_language_and_only_where_wanted(
    store, other_store, alice, bob, charlie, week
):
    assert send_digests() == 0 and mail.outbox == []
    ReviewSettings.objects.create(store=store, digest=True)
    ReviewSettings.objects.create(store=other_store, digest=True)
    alice.language = "zh-hans"
    alice.save()
    assert send_digests() == 1 and send_digests() == 0
    (sent,) = mail.outbox
    assert sent.to == ["alice@example.com"] and "Alice's shop" in sent.subject
    assert "Stoneware mug: It broke" in sent.body and "100%" in sent.body
    html, kind = sent.alternatives[0]
    assert kind == "text/html" and 'lang="zh-hans"' in html
    links = re.findall(r'href="([^"]+)"', html)
    assert links and all(urlsplit(link).scheme in ("http", "https") for link in links)
    assert "period=custom" in links[0]


def test_a_digest_whose_worker_died_is_sent_by_the_next(store, alice, week):
    ReviewSettings.objects.create(store=store, digest=True)
    claim = DigestMail.objects.create(store=store, user=alice, week=digest.last_week(), claimed_at=now())
    assert send_digests() == 0
    DigestMail.objects.filter(pk=claim.pk).update(claimed_at=now() - timedelta(hours=1))
    assert send_digests() == 1 and DigestMail.objects.get().sent_at


def test_a_mail_server_that_fails_is_tried_again(store, alice, week, settings, monkeypatch):
    ReviewSettings.objects.create(store=store, digest=True)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        1,
    )
    assert send_digests() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_digests() == 1 and len(mail.outbox) == 1


def test_the_dashboard_asks_as_many_questions_of_many_reviews_as_of_few(
    store, alice, as_user, told, django_assert_max_num_queries
):
    client = as_user(alice)
    client.get("/s/alice/reviews/dashboard/?period=90")
    with django_assert_max_num_queries(40):
        client.get("/s/alice/reviews/dashboard/?period=90")
    rebuild.rebuild(store)
    with django_assert_max_num_queries(25):
        client.get("/s/alice/reviews/all/?period=90")
