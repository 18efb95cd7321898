"""A file of reviews from upload to report: shapes, dates, scales, counts that add up, kill, edits, jobs."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ecomai import jobs
from ecomai.lib.tablefile import TableError
from ecomai.models import Job
from reviews import import_formats, import_rows, raw_store, review_import, tasks
from reviews.models import CountedReview, Flag, Review, ReviewImport, ReviewImportIssue, ReviewSettings, StoreDay
from reviews.reading import Unreadable
from tests.factories import make_product

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
COUNTS = ("imported", "updated", "unchanged", "skipped", "rejected")


def upload(store, content: str | bytes, name: str = "reviews.csv") -> ReviewImport:
    data = content.encode() if isinstance(content, str) else content
    return review_import.open_run(store=store, file=SimpleUploadedFile(name, data), filename=name)


def bring(
    store, content: str | bytes, name: str = "reviews.csv", mapping: dict | None = None, **options
) -> ReviewImport:
    """Upload, choose, import."""
    run = upload(store, content, name)
    if options or mapping:
        review_import.choose(run, options=options, mapping=mapping)
    assert review_import.confirm(run)
    run.refresh_from_db()
    review_import.process(run)
    run.refresh_from_db()
    assert run.status == "done" and sum(run.counts[name] for name in COUNTS) == run.counts["rows"] == run.cursor
    return run


def counts(run: ReviewImport) -> dict[str, int]:
    return {name: run.counts[name] for name in COUNTS if run.counts[name]}


def issues(run: ReviewImport) -> list[tuple]:
    return list(run.issues.order_by("line", "id").values_list("line", "column", "value", "code", "rejected"))


SHAPES = {
    "judgeme": (
        "title,body,rating,review_date,source,curated,reviewer_name,reviewer_email,product_id,product_handle,reply\n"
        "Warm,The mug keeps tea warm for an hour,5,2026-03-11 09:30:00 UTC,web,ok,Ann Lee,ann@example.com,501,mug,\n"
        "Win,Cheap watches at www.watch-deal.example/x,5,2026-03-12 09:30:00 UTC,web,spam,Bot,b@example.com,501,mug,\n",
        "Warm", "The mug keeps tea warm for an hour", 1, "Ann L.",
    ),
    "yotpo": (
        "Review ID,Review Status,Review Title,Review Content,Review Score,Review Creation Date,Product ID,Product URL,"
        "Display Name,Email\n"
        "88,Published,Warm,The mug keeps tea warm for an hour,5,2026-03-11T09:30:00Z,501,https://s.example/products/mug,"
        "Ann Lee,ann@example.com\n",
        "Warm", "The mug keeps tea warm for an hour", 0, "Ann L.",
    ),
    "shopify": (
        "product_handle,state,rating,title,author,email,location,body,reply,created_at,replied_at\n"
        "mug,published,5,Warm,Ann Lee,ann@example.com,Berlin,The mug keeps tea warm for an hour,,"
        "2026-03-11 09:30:00 +0000,\n"
        "mug,spam,5,Win,Bot,b@example.com,,Cheap watches here,,2026-03-12 09:30:00 +0000,\n",
        "Warm", "The mug keeps tea warm for an hour", 1, "Ann L.",
    ),
    "woocommerce": (
        "comment_ID,comment_post_ID,comment_author,comment_author_email,comment_date,comment_date_gmt,comment_content,"
        "comment_approved,comment_type,comment_parent,user_id,rating,verified\n"
        "12,501,Ann Lee,ann@example.com,2026-03-11 10:30:00,2026-03-11 09:30:00,The mug keeps tea warm for an hour,1,"
        "review,0,0,5,1\n"
        "13,501,Shop,shop@example.com,2026-03-11 11:30:00,2026-03-11 10:30:00,Thank you!,1,review,12,1,0,0\n"
        "14,90,WooCommerce,,2026-03-11 11:30:00,2026-03-11 10:30:00,Order paid,1,order_note,0,0,,\n",
        "", "The mug keeps tea warm for an hour", 2, "Ann L.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_told_by_its_headers_and_read(store, shape):
    content, title, text, skipped, author = SHAPES[shape]
    mug = make_product(store, "Mug", handle="mug", external_id="501")
    run = bring(store, content)
    assert run.detected["shape"] == shape and set(run.mapping.values()) <= set(import_formats.FIELDS)
    assert counts(run) == {"imported": 1} | ({"skipped": skipped} if skipped else {})
    review = Review.objects.get()
    assert (review.source, review.title, review.text, review.rating, review.product, review.author_name) == (
        shape, title, text, Decimal(5), mug, author,
    )  # fmt: skip
    assert review.written_at == datetime(2026, 3, 11, 9, 30, tzinfo=UTC) and len(review.author_hashes) == 1
    assert counts(bring(store, content)) == {"unchanged": 1} | ({"skipped": skipped} if skipped else {})


def test_woocommerces_other_shape_and_a_rating_of_zero(store):
    content = (
        "id,date_created,date_created_gmt,product_id,status,reviewer,reviewer_email,review,rating,verified\n"
        '7,2026-03-11T10:30:00,2026-03-11T09:30:00,501,approved,Ann,ann@example.com,"<p>Fine, thanks</p>",0,true\n'
    )
    run = bring(store, content)
    review = Review.objects.get()
    assert (run.detected["shape"], review.rating, review.text, review.verified) == (
        "woocommerce",
        None,
        "Fine, thanks",
        True,
    )


def test_an_unknown_table_is_mapped_by_its_names_in_many_languages():
    shape, mapping = import_formats.detect(
        ["Datum", "Sterne", "Bewertungstext", "Artikelnummer", "Kunde", "Farbe", "ID"]
    )
    assert shape == "generic" and mapping == {
        "Datum": "written_at", "Sterne": "rating", "Bewertungstext": "text", "Artikelnummer": "product_ref",
        "Kunde": "author_name", "Farbe": "ignore", "ID": "source_id",
    }  # fmt: skip
    assert import_formats.detect(["评价内容", "评分", "评价时间", "用户名"])[1] == {
        "评价内容": "text", "评分": "rating", "评价时间": "written_at", "用户名": "author_name",
    }  # fmt: skip


def test_the_column_that_finds_products_wins(store):
    make_product(store, "Mug", handle="mug")
    head = "Review ID,Review Title,Review Score,Product ID,SKU,Product URL\n"
    run = upload(store, head + "1,Fine,5,99001,ZZ,https://s.example/products/mug\n")
    assert {h for h, field in run.mapping.items() if field == "product_ref"} == {"Product URL"}
    run = upload(store, head + "1,Fine,5,99001,ZZ,https://s.example/products/other\n")
    assert {h for h, field in run.mapping.items() if field == "product_ref"} == {"Product ID"}


NASTY = """Review ID;Text;Rating;Date;Email
1;Good mug;5;2026-03-11;a@example.com
2;"Broke
after a day";1;2026-03-12;b@example.com
3;Fine;six;2026-03-12;
4;Fine;4;31.31.2026;
4;Fine after all;4;2026-03-13;
5;Fine;4;2026-03-13;;;surplus
6;;;;
7;"=HYPERLINK(""http://x.example"",""y"")";★★☆☆☆;2026-03-13;
8;=2+5;4,0;2026-03-14;
9;nan;3;2999-01-01;
   ;  ;  ; ;
10;Ruf mich an: +49 30 901820;4/5;1773480600;
"""


def test_a_nasty_file_adds_up_and_every_problem_is_told(store):
    run = bring(store, NASTY, country="DE")
    assert run.counts == {"rows": 12, "imported": 6, "updated": 0, "unchanged": 0, "skipped": 0, "rejected": 6}
    assert issues(run) == [
        (5, "Rating", "six", "bad_rating", True),
        (6, "Date", "31.31.2026", "bad_date", True),
        (8, "", "surplus", "wrong_width", True),
        (9, "Text", "", "nothing", True),
        (12, "Date", "2999-01-01", "bad_date", True),
        (13, "Text", "", "nothing", True),
    ]
    assert Review.objects.get(source_id="2").text == "Broke\nafter a day"
    assert "901820" not in Review.objects.get(source_id="10").text
    assert Review.objects.get(source_id="10").written_at == datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
    assert CountedReview.objects.count() == 6 == sum(StoreDay.objects.values_list("n", flat=True))
    rows = list(review_import.report(run))
    assert rows[1][:4] == ["5", "Rating", "six", "yes"] and len(rows) == 7
    assert counts(bring(store, NASTY, country="DE")) == {"unchanged": 6, "rejected": 6}
    assert ReviewImportIssue.objects.filter(store=store).count() == 12


def test_an_edit_in_a_later_file_updates_the_row(store):
    bring(store, "id,text,rating\n1,Broke in a week,1\n2,Fine,4\n")
    run = bring(store, "id,text,rating\n1,They replaced it: great,5\n2,Fine,4\n3,New here,3\n")
    assert counts(run) == {"imported": 1, "updated": 1, "unchanged": 1}
    review = Review.objects.get(source_id="1")
    assert (review.text, review.rating, review.revision, review.run) == ("They replaced it: great", 5, 2, run)


def test_the_scale_is_asked_for_when_values_exceed_five(store):
    content = "id,text,rating\n1,Fine,8\n2,Meh,4\n3,Wow,10\n"
    run = upload(store, content)
    assert run.detected["rating_scale"] == {"proposed": 10.0, "sure": False, "examples": ["10", "8"]}
    assert review_import.questions(run) == ["rating_scale"]
    review_import.choose(run, options={"rating_scale": "10"})
    assert review_import.questions(run) == []
    review_import.confirm(run)
    review_import.process(ReviewImport.objects.get(pk=run.pk))
    assert list(Review.objects.order_by("source_id").values_list("rating", flat=True)) == [4, 2, 5]
    unsaid = bring(store, content.replace("Fine", "Other"), source="elsewhere")
    assert counts(unsaid) == {"imported": 1, "rejected": 2}  # nothing is clipped


def test_the_order_of_day_and_month_comes_from_the_file_or_is_asked(store):
    assert import_rows.date_order(["03/11/2026", "25/11/2026"])[:2] == ("dmy", True)
    assert import_rows.date_order(["03/11/2026", "11/25/2026"])[:2] == ("mdy", True)
    assert import_rows.date_order(["2026-03-11", "11 March 2026"])[:2] == ("", True)
    # What is no date in either order asks nobody.
    assert import_rows.date_order(["2026-03-11", "45.13.2024"])[:2] == ("", True)
    assert import_rows.date_order(["25/11/2026", "45/13/2024"])[:2] == ("dmy", True)
    run = upload(store, "id,text,rating,date\n1,Fine,5,03/11/2025\n")
    assert review_import.questions(run) == ["date_order"]
    bring(store, "id,text,rating,date\n1,Fine,5,03/11/2025\n", date_order="mdy")
    assert Review.objects.get().written_at == datetime(2025, 3, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("2026-03-11", (2026, 3, 11)), ("2026/03/11", (2026, 3, 11)), ("11.03.2026", (2026, 3, 11)),
        ("11.3.26 14:05", (2026, 3, 11, 13, 5)), ("March 11, 2026", (2026, 3, 11)), ("11 Mar 2026", (2026, 3, 11)),
        ("2026年3月11日", (2026, 3, 11)), ("2026-03-11T14:05:00+02:00", (2026, 3, 11, 12, 5)), ("46092", (2026, 3, 11)),
        ("1773187200", (2026, 3, 11)), ("1773187200000", (2026, 3, 11)), ("２０２６-０３-１１", (2026, 3, 11)),
        ("2026-03-11 14:05:00", (2026, 3, 11, 13, 5)), ("Wed, 11 Mar 2026 14:05:00 GMT", (2026, 3, 11, 14, 5)),
    ],
)  # fmt: skip
def test_dates_are_read_as_shops_write_them(given, wanted):
    from zoneinfo import ZoneInfo

    now = datetime(2026, 11, 25, tzinfo=UTC)
    assert import_rows.when(given, "dmy", ZoneInfo("Europe/Berlin"), now) == datetime(*wanted, tzinfo=UTC)


@pytest.mark.parametrize(
    "given", ["yesterday", "March 2026", "2026", "31.02.2026", "12/25/2026", "10:30", "1601-01-01"]
)
def test_what_is_no_whole_date_is_an_error(given):
    from zoneinfo import ZoneInfo

    with pytest.raises(Unreadable, match=given.replace("/", ".")):
        import_rows.when(given, "dmy", ZoneInfo("UTC"), datetime(2026, 11, 25, tzinfo=UTC))


def test_a_spreadsheet(store):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Date", "Stars", "Review", "SKU"])
    sheet.append([datetime(2026, 3, 11, 9, 30), 4, "Fits well", "M-1"])
    sheet.append([datetime(2026, 3, 12), 4.666666666666667, "Nearly perfect", "M-1"])
    sheet.append([None, 11, "Too many", None])
    data = io.BytesIO()
    book.save(data)
    mug = make_product(store, "Mug", sku="M-1")
    run = bring(store, data.getvalue(), "reviews.xlsx")
    assert counts(run) == {"imported": 2, "rejected": 1}
    assert sorted(Review.objects.values_list("rating", "product")) == [(Decimal(4), mug.pk), (Decimal("4.67"), mug.pk)]


def test_json_lines_with_nested_names_and_broken_lines(store):
    lines = [
        {"id": 1, "text": "Läuft prima", "rating": 5, "author": {"name": "Ann Lee", "email": "ann@example.com"}},
        {"id": 2, "text": "So la la", "rating": 3.5, "verified": False},
        {"id": 3, "text": "half \ud83d emoji", "rating": 4},
    ]
    content = "\n".join(
        [*map(json.dumps, lines), "{broken", "[1]", "", json.dumps({"id": 9, "text": "Late", "rating": "4/5"})]
    )
    run = upload(store, content, "reviews.jsonl")
    assert run.detected["kind"] == "jsonl" and run.detected["shape"] == "generic"
    mapping = run.mapping | {"author.name": "author_name", "author.email": "email"}
    run = bring(store, content, "reviews.jsonl", mapping=mapping)
    assert counts(run) == {"imported": 3, "rejected": 3}
    assert [(line, code) for line, _c, _v, code, _r in issues(run)] == [
        (3, "bad_json"),
        (4, "bad_json"),
        (5, "bad_json"),
    ]
    first = Review.objects.get(source_id="1")
    assert (first.author_name, len(first.author_hashes)) == ("Ann L.", 1)
    assert Review.objects.get(source_id="2").verified is False and Review.objects.get(source_id="9").rating == 4


@pytest.mark.parametrize(
    ("content", "name"), [(b"", "a.csv"), (b"\x89PNG\r\n" + b"\0" * 500, "a.csv"), (b"{oops\n", "a.jsonl")]
)
def test_what_is_no_table_leaves_nothing_behind(store, content, name, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    with pytest.raises(TableError):
        upload(store, content, name)
    assert not ReviewImport.objects.exists() and not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_file_without_words_and_ratings_fails_with_a_reason(store):
    run = upload(store, "colour,size\nred,4\n")
    assert "columns" in review_import.questions(run)
    with pytest.raises(TableError, match="text or a rating"):
        review_import.process(run)
    run.refresh_from_db()
    assert run.status == "failed" and "text or a rating" in run.error


def test_the_sample_shows_rows_as_they_will_be_read(store):
    make_product(store, "Mug", handle="mug")
    content = "id,text,rating,product\n1,It burned me! Mail jo@example.com,1,mug\n2,Fine,six,mug\n3,Schöne Tasse und gut verpackt,5,cup\n"
    rows = review_import.sample(upload(store, content))
    assert rows[0]["text"].endswith("[EMAIL]") and rows[0]["product_found"] and rows[0]["masked"] == ["EMAIL"]
    assert "safety_urgent" in [flag["kind"] for flag in rows[0]["flags"]] and rows[0]["error"] is None
    assert rows[1]["error"]["column"] == "rating" and rows[1]["error"]["value"] == "six" and rows[1]["line"] == 3
    assert (rows[2]["language"], rows[2]["rating"], rows[2]["product_found"]) == ("de", Decimal(5), False)
    assert not Review.objects.exists()


def test_a_persons_mapping_and_options_are_followed_and_wrong_ones_refused(store):
    content = "a,b,c\nFine,4,x\n"
    run = upload(store, content)
    assert "columns" in review_import.questions(run)
    run = bring(store, content, mapping={"a": "text", "b": "rating"}, source="fair", language="en")
    assert run.mapping == {"a": "text", "b": "rating", "c": "ignore"}
    review = Review.objects.get()
    assert (review.text, review.rating, review.source, review.language) == ("Fine", 4, "fair", "en")
    for options, mapping in (
        ({"rating_scale": 7}, None),
        ({"date_order": "ydm"}, None),
        ({"source": ""}, None),
        ({}, {"a": "x"}),
    ):
        with pytest.raises(ValueError):
            review_import.choose(run, options=options, mapping=mapping)


def test_another_encoding_can_be_chosen(store):
    content = "id,text,rating\n1,Очень хорошая кружка и быстрая доставка,5\n".encode("cp1251")
    bring(store, content, encoding="cp1251")
    assert Review.objects.get().text == "Очень хорошая кружка и быстрая доставка"


def test_an_import_keeps_unmasked_words_where_the_store_wants_them(store):
    ReviewSettings.objects.create(store=store, keep_raw=True)
    bring(store, "id,text,rating\n1,Write to jo@example.com,4\n")
    review = Review.objects.get()
    assert "[EMAIL]" in review.text and "jo@example.com" in raw_store.unseal(bytes(review.raw))


def big(n: int) -> str:
    """Rows of every kind: numbered and not, twins, edits of one another, broken."""
    lines = ["id,text,rating,date,author"]
    for i in range(n):
        if i % 97 == 0:
            lines.append(f"{i},Row {i} is broken,nine,2026-01-01,A")
        elif i % 89 == 0:
            lines.append(f"{i - 1},Row {i} edits the one before it,{i % 5 + 1},2026-01-02,B")
        else:
            number = i if i % 3 else ""
            lines.append(f"{number},The {i}th mug of {i % 700} was fine,{i % 5 + 1},2026-01-{i % 28 + 1:02},C{i % 40}")
    return "\n".join(lines) + "\n"


def content_of(store) -> list[tuple]:
    """All that is stored of a store's reviews, without ids and times of receiving."""
    reviews = Review.objects.filter(store=store).order_by("text", "source_id").values_list(
        "source_id", "text", "rating", "text_hash", "written_at", "revision", "needs_scoring", "language", "author_name")  # fmt: skip
    flags = Flag.objects.filter(store=store).order_by("review__text", "kind").values_list("review__text", "kind")
    days = (
        StoreDay.objects.filter(store=store)
        .order_by("day", "language")
        .values_list("day", "language", "n", "rating_sum")
    )
    notes = ReviewImportIssue.objects.filter(store=store).order_by("line", "id").values_list("line", "code", "value")
    return [list(reviews), list(flags), [day for day in days if day[2]], list(notes)]


@pytest.mark.django_db(transaction=True)
def test_kill_9_in_the_middle_loses_and_doubles_nothing(store, other_store):
    other_store.locales, other_store.timezone = store.locales, store.timezone
    other_store.save()
    run = upload(store, big(3000))
    review_import.confirm(run)
    script = (
        "import django; django.setup()\n"
        "from reviews import review_import as r; from reviews.models import ReviewImport as R\n"
        "r.CHUNK = 150\n"
        f"r.process(R.objects.get(pk={run.pk}))\n"
    )
    from django.db import connection

    parts = connection.settings_dict
    url = f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT']}/{parts['NAME']}"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT), "DATABASE_URL": url}
    process = subprocess.Popen([sys.executable, "-c", script], env=env, cwd=ROOT)
    limit = time.monotonic() + 90
    while time.monotonic() < limit and process.poll() is None and Review.objects.count() < 400:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.3)
    run = ReviewImport.objects.get(pk=run.pk)
    assert run.status == "applying" and 0 < run.cursor < 3000
    assert run.counts["rows"] == run.cursor == sum(run.counts[name] for name in COUNTS)
    assert run.counts["imported"] == Review.objects.count()
    review_import.process(run)
    run.refresh_from_db()
    undisturbed = bring(other_store, big(3000))
    assert (run.status, run.cursor, run.counts["rows"]) == ("done", 3000, 3000)
    assert content_of(store) != [[], [], [], []]
    # The chunks were smaller before the kill: twins apart are unchanged or updated, twins together skipped.
    assert (
        run.counts["imported"] == undisturbed.counts["imported"]
        and run.counts["rejected"] == undisturbed.counts["rejected"]
    )
    mine, theirs = content_of(store), content_of(other_store)
    assert [row[:5] for row in mine[0]] == [row[:5] for row in theirs[0]] and mine[1:3] == theirs[1:3]
    review_import.process(run)
    assert content_of(store) == mine


def test_a_job_imports_and_has_the_reviews_read(store, django_capture_on_commit_callbacks, monkeypatch):
    run = upload(store, "id,text,rating\n1,Broke in a week and nobody answers,1\n2,Fine,4\n")
    run.job = jobs.create(store=store, kind="review_import", title="Import", task="reviews.tasks.run_review_import")
    run.save()
    review_import.confirm(run)
    tasks.run_review_import(run.job_id)
    tasks.run_review_import(run.job_id)
    run.refresh_from_db()
    assert (run.status, run.job.status, Review.objects.count()) == ("done", "done", 2)
    scoring = Job.objects.get(store=store, kind="score")
    assert (scoring.task, scoring.queue, scoring.total) == ("reviews.tasks.score_reviews", "ml", 2)


def test_a_cancelled_import_says_where_it_stands_and_can_go_on(store, monkeypatch):
    monkeypatch.setattr(review_import, "CHUNK", 2)
    run = upload(store, "id,text\n" + "".join(f"{i},Row number {i}\n" for i in range(6)))
    review_import.confirm(run)

    def cancel(done, total=None, message=None):
        raise jobs.Cancelled

    with pytest.raises(jobs.Cancelled):
        review_import.process(run, cancel)
    review_import.stop(run, ReviewImport.Status.CANCELLED)
    assert (run.status, run.counts["rows"], Review.objects.count()) == ("cancelled", 2, 2)
    assert review_import.confirm(run)
    run.refresh_from_db()
    review_import.process(run)
    run.refresh_from_db()
    assert (run.status, run.counts["imported"], Review.objects.count()) == ("done", 6, 6)
    assert not review_import.confirm(run)


def test_rows_before_a_broken_place_come_in_and_the_place_is_told(store):
    run = upload(store, b"id,text\n1,Fine\n2,Good\n" + b'3,"' + b"x" * 100 + b'"\n')
    path = Path(run.file.path)
    path.write_bytes(b"id,text\n1,Fine\n2,Good\n3,\xff\xfe broken\n")
    review_import.confirm(run)
    with pytest.raises(TableError):
        review_import.process(run)
    run.refresh_from_db()
    assert run.status == "failed" and run.error
    assert run.counts.get("imported", 0) == Review.objects.count() == run.cursor
