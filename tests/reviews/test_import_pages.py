"""Importing reviews through the pages: upload, questions, sample, progress, report; choices of a store."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ecomai import jobs
from ecomai.models import Job, Membership, Role, User
from ecomai.privacy import Person
from reviews import privacy, raw_store, review_import, tasks
from reviews.models import Review, ReviewImport, ReviewSettings
from tests.reviews.factories import make_review

pytestmark = pytest.mark.django_db
URL = "/s/alice/reviews/imports/"
SETTINGS = "/s/alice/reviews/settings/"
JUDGEME = (
    "title,body,rating,review_date,reviewer_name,reviewer_email,product_handle,review_id\n"
    "Great,Keeps tea hot,5,2026-10-01,Jane Doe,jane@example.com,mug,1\n"
    "Bad,Write to me at joe@example.com or never,1,2026-10-02,Joe Roe,joe@example.com,mug,2\n"
    "Odd,No such mark,nine and a half,2026-10-03,Ann Lee,ann@example.com,mug,3\n"
)


@pytest.fixture(autouse=True)
def files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def shop(as_user, alice):
    return as_user(alice)


def give(client, text: str | bytes, name: str = "reviews.csv"):
    data = text.encode() if isinstance(text, str) else text
    return client.post(URL, {"file": SimpleUploadedFile(name, data)})


def choices(run: ReviewImport, **changes) -> dict:
    """What the form of the settings page would send."""
    mapping = {f"map-{n}": run.mapping[header] for n, header in enumerate(run.detected["headers"])}
    options = {name: run.options[name] or "" for name in ("source", "date_order", "language")}
    return {
        **mapping,
        **options,
        "encoding": run.detected["encoding"],
        "delimiter": run.detected["delimiter"],
        **changes,
    }


def work(run: ReviewImport) -> ReviewImport:
    """The worker's part."""
    run.refresh_from_db()
    tasks.run_review_import(run.job_id)
    run.refresh_from_db()
    return run


def imported(client, text: str, **changes) -> ReviewImport:
    give(client, text)
    run = ReviewImport.objects.latest("pk")
    client.post(f"{URL}{run.pk}/settings/", choices(run, **{"import": "1"}, **changes))
    return work(run)


def test_an_export_of_judge_me_goes_from_upload_to_counts_that_add_up(shop, alice):
    answer = give(shop, JUDGEME)
    run = ReviewImport.objects.get()
    assert answer["Location"] == f"{URL}{run.pk}/settings/" and run.created_by == alice
    page = shop.get(answer["Location"]).content.decode()
    assert "Judge.me" in page and "Keeps tea hot" in page and "2 of 3 readable" in page
    assert "joe@example.com" not in page.partition("What the columns mean")[0] and "nine and a half" in page
    answer = shop.post(answer["Location"], choices(run, **{"import": "1"}))
    assert answer["Location"] == f"{URL}{run.pk}/"
    assert 'hx-trigger="every 1s"' in shop.get(f"{URL}{run.pk}/").content.decode()
    work(run)
    counts = run.counts
    assert {k: counts[k] for k in ("rows", "imported", "rejected")} == {"rows": 3, "imported": 2, "rejected": 1}
    page = shop.get(f"{URL}{run.pk}/").content.decode()
    assert "2 + 0 + 0 + 0 + 1 = 3" in page and "nine and a half" in page
    assert Review.objects.filter(source="judgeme").count() == 2


def test_the_same_file_twice_is_known_already(shop):
    imported(shop, JUDGEME)
    again = imported(shop, JUDGEME)
    assert (again.counts["imported"], again.counts["unchanged"]) == (0, 2)


def test_marks_above_five_are_asked_about_before_anything_is_imported(shop):
    give(shop, "text,rating\nFine by me,8\nNot for me,2\n")
    run = ReviewImport.objects.get()
    at = f"{URL}{run.pk}/settings/"
    assert "Of how many are the ratings?" in shop.get(at).content.decode()
    refused = shop.post(at, choices(run, **{"import": "1"}))
    assert refused.status_code == 422 and not Job.objects.exists()
    shop.post(at, choices(run, rating_scale="10", **{"import": "1"}))
    work(run)
    assert sorted(float(r.rating) for r in Review.objects.all()) == [1.0, 4.0]


def test_dates_that_fit_both_orders_are_asked_about(shop):
    give(shop, "text,date\nFine by me,03/04/2025\n")
    run = ReviewImport.objects.get()
    at = f"{URL}{run.pk}/settings/"
    assert "Day or month first?" in shop.get(at).content.decode()
    assert shop.post(at, choices(run, **{"import": "1"})).status_code == 422
    shop.post(at, choices(run, date_order="mdy", **{"import": "1"}))
    work(run)
    assert str(Review.objects.get().written_at.date()) == "2025-03-04"


def test_a_changed_mapping_shows_the_sample_again_without_importing(shop):
    give(shop, "what,grade\nKeeps tea hot,5\n")
    run = ReviewImport.objects.get()
    at = f"{URL}{run.pk}/settings/"
    part = shop.post(
        at, choices(run, **{"map-0": "text", "map-1": "rating"}),
        headers={"hx-request": "true", "hx-target": "import-settings"},
    ).content.decode()  # fmt: skip
    assert "<html" not in part and "1 of 1 readable" in part and "★★★★★" in part
    run.refresh_from_db()
    assert run.status == "uploaded" and run.mapping == {"what": "text", "grade": "rating"} and not Job.objects.exists()


def test_another_delimiter_is_looked_at_again_instead_of_imported(shop):
    give(shop, "text;rating\nGood, really;5\n")
    run = ReviewImport.objects.get()
    shop.post(f"{URL}{run.pk}/settings/", choices(run, delimiter=",", **{"import": "1"}))
    run.refresh_from_db()
    assert (run.status, run.detected["headers"]) == ("uploaded", ["text;rating"])


def test_without_a_column_to_read_nothing_starts(shop):
    give(shop, "a1,b2\nx,y\n")
    run = ReviewImport.objects.get()
    answer = shop.post(
        f"{URL}{run.pk}/settings/", choices(run, **{"map-0": "ignore", "map-1": "ignore", "import": "1"})
    )
    assert answer.status_code == 422 and not Job.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"source": ""}, {"source": "x" * 41}, {"rating_scale": "7"}, {"date_order": "xyz"}, {"map-0": "secret"}]
)
def test_a_forged_choice_is_refused_and_nothing_starts(shop, changes):
    give(shop, JUDGEME)
    run = ReviewImport.objects.get()
    answer = shop.post(f"{URL}{run.pk}/settings/", choices(run, **{"import": "1"}, **changes))
    assert answer.status_code == 422 and not Job.objects.exists()


@pytest.mark.parametrize(
    ("text", "name"), [("", "empty.csv"), (b"\x00\x01\x02\xff" * 99, "x.xlsx"), ("[1]\n", "x.jsonl")]
)
def test_a_file_that_is_no_table_says_so_and_leaves_nothing(shop, text, name):
    answer = give(shop, text, name)
    assert answer.status_code == 422 and 'role="alert"' in answer.content.decode()
    assert not ReviewImport.objects.exists()


def test_no_file_is_an_error_too(shop):
    assert shop.post(URL).status_code == 422


def test_what_a_file_says_is_escaped(shop):
    evil = "<script>alert(1)</script>"
    run = imported(shop, f'text,rating,date\n"{evil}",5,2026-01-01\nx,{evil},2026-01-01\n')
    page = shop.get(f"{URL}{run.pk}/").content.decode()
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    ReviewImport.objects.update(status="uploaded")
    page = shop.get(f"{URL}{run.pk}/settings/").content.decode()
    assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_the_report_can_be_opened_in_a_spreadsheet(shop):
    run = imported(shop, 'text,rating\nfine,"=HYPERLINK(""http://x.example"")"\nfine,@cmd\n')
    answer = shop.get(f"{URL}{run.pk}/report.csv")
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert [row[0] for row in rows] == ["Line", "2", "3"] and rows[1][1] == "rating"
    assert [row[2][:2] for row in rows[1:]] == ["'=", "'@"]
    assert "attachment" in answer["Content-Disposition"]


def test_erasing_a_person_takes_the_file_and_the_rows_that_were_shown(shop, store):
    run = imported(shop, JUDGEME)
    assert "jane@example.com" in str(run.detected)
    privacy.erase(store, Person(("jane@example.com",)), keep_text=False)
    run.refresh_from_db()
    assert not run.file and "jane@example.com" not in str(run.detected)
    page = shop.get(f"{URL}{run.pk}/")
    assert page.status_code == 200 and shop.get(f"{URL}{run.pk}/settings/").status_code == 302


def test_issues_come_page_by_page(shop):
    run = imported(shop, "text,rating\n" + "".join(f"Text number {n},bad{n}\n" for n in range(60)))
    first, second = (shop.get(f"{URL}{run.pk}/?page={n}").content.decode() for n in (1, 2))
    assert "bad0<" in first and "bad55<" not in first and "bad55<" in second
    assert "No row was rejected" not in shop.get(f"{URL}{run.pk}/?show=rejected").content.decode()


def test_a_cancelled_import_goes_on_where_it_stopped(shop, monkeypatch):
    monkeypatch.setattr(review_import, "CHUNK", 2)
    give(shop, "text,rating\n" + "".join(f"Text number {n},5\n" for n in range(6)))
    run = ReviewImport.objects.get()
    shop.post(f"{URL}{run.pk}/settings/", choices(run, **{"import": "1"}))
    run.refresh_from_db()
    advance = jobs.Run.advance

    def cancel(self, done, **more):
        advance(self, done, **more)
        raise jobs.Cancelled(self.job.pk)

    with monkeypatch.context() as patch:
        patch.setattr(jobs.Run, "advance", cancel)
        tasks.run_review_import(run.job_id)
    run.refresh_from_db()
    assert (run.status, run.cursor, Review.objects.count()) == ("cancelled", 2, 2)
    page = shop.get(f"{URL}{run.pk}/").content.decode()
    assert "Go on importing" in page and "2 + 0 + 0 + 0 + 0 = 2" in page
    shop.post(f"{URL}{run.pk}/go-on/")
    work(run)
    assert run.status == "done" and run.counts["imported"] == run.counts["rows"] == Review.objects.count() == 6


def test_an_import_cancelled_before_it_began_says_so(shop):
    give(shop, JUDGEME)
    run = ReviewImport.objects.get()
    shop.post(f"{URL}{run.pk}/settings/", choices(run, **{"import": "1"}))
    run.refresh_from_db()
    shop.post(f"/s/alice/jobs/{run.job_id}/cancel/")
    assert "Go on importing" in shop.get(f"{URL}{run.pk}/").content.decode()


def test_a_second_click_starts_no_second_job(shop):
    give(shop, JUDGEME)
    run = ReviewImport.objects.get()
    for _click in range(2):
        shop.post(f"{URL}{run.pk}/settings/", choices(run, **{"import": "1"}))
    shop.post(f"{URL}{run.pk}/go-on/")
    assert Job.objects.filter(kind="review-import").count() == 1


def test_an_agent_and_an_analyst_import_nothing(store, as_user, bob):
    analyst = User.objects.create_user("ann@example.com", "x")
    Membership.objects.create(user=analyst, store=store, role=Role.ANALYST)
    for user in (bob, analyst):
        assert as_user(user).get(URL).status_code == as_user(user).get(SETTINGS).status_code == 403


GOOD = {"retention_days": "30", "tone": "formal", "signature": "Your team", "policies": "", "alert_emails": ""}


def test_the_choices_of_a_store_are_kept(shop, store):
    assert shop.get(SETTINGS).status_code == 200
    answer = shop.post(SETTINGS, GOOD | {"digest": "on", "alert_emails": "a@example.com\nb@example.com, a@example.com"})
    assert answer.status_code == 302
    row = ReviewSettings.objects.get(store=store)
    assert (row.retention_days, row.tone, row.digest, row.keep_raw) == (30, "formal", True, False)
    assert row.alert_emails == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("retention_days", "0"),
        ("retention_days", "-1"),
        ("alert_emails", "nobody"),
        ("tone", "rude"),
        ("policies", "x" * 4001),
    ],
)
def test_a_choice_that_makes_no_sense_is_named(shop, field, value):
    answer = shop.post(SETTINGS, GOOD | {field: value})
    assert answer.status_code == 422 and f'id="id_{field}_error"' in answer.content.decode()
    assert not ReviewSettings.objects.exists()


def test_unmasked_words_go_when_they_are_no_longer_kept(shop, store):
    ReviewSettings.objects.create(store=store, keep_raw=True, webhook_secret="rws_x")
    review = make_review(store, raw=raw_store.seal("secret"))
    shop.post(SETTINGS, GOOD | {"keep_raw": "on"})
    review.refresh_from_db()
    assert review.raw is not None and (review.raw_expires_at - review.created_at).days == 30
    shop.post(SETTINGS, GOOD)
    review.refresh_from_db()
    assert review.raw is None and review.raw_expires_at is None
    assert ReviewSettings.objects.get().webhook_secret == "rws_x"


def test_a_secret_is_made_shown_and_changed(shop, store):
    assert "rws_" not in shop.get(SETTINGS).content.decode()
    shop.post(f"{SETTINGS}secret/")
    first = ReviewSettings.objects.get(store=store).webhook_secret
    assert first in shop.get(SETTINGS).content.decode()
    shop.post(f"{SETTINGS}secret/")
    assert ReviewSettings.objects.get(store=store).webhook_secret not in ("", first)


def test_the_navigation_leads_there(shop, as_user, bob):
    page = shop.get("/s/alice/reviews/all/").content.decode()
    assert f'href="{URL}"' in page and f'href="{SETTINGS}"' in page
    assert f'href="{URL}"' not in as_user(bob).get("/s/alice/reviews/all/").content.decode()
