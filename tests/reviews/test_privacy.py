"""Everything about a person: found by mail, phone or customer number, handed out, erased, and reported without a name."""

import io
import json
import shutil
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from ecomai import privacy, tasks
from ecomai.models import Job
from ecomai.privacy_models import PrivacyRequest
from ml import capabilities, snapshots
from ml.models import TrainingRun
from reviews import effective, labelling, raw_store, review_dataset
from reviews.models import Label, Reply, Review, ReviewImport, ReviewImportIssue, StoreDay
from reviews.reading import author_hash
from tests.reviews.factories import make_review

pytestmark = pytest.mark.django_db
MAIL = "Eve.Shopper@Example.com"


@pytest.fixture
def eve(store, other_store) -> Review:
    """Eve wrote in two stores; Frank wrote too."""
    for place in (store, other_store):
        made = make_review(
            place, "Eve's mug", author_name="Eve S.", source_id="1", author_hashes=[author_hash(place.pk, MAIL)]
        )
        effective.refresh([made.pk])
    frank = make_review(store, "Frank's mug", author_hashes=[author_hash(store.pk, "frank@example.com")])
    effective.refresh([frank.pk])
    return Review.objects.get(store=store, text="Eve's mug")


def ask(client, step: str, who: str = MAIL.lower(), **fields):
    return client.post("/s/alice/privacy/", {"identifiers": who, "step": step, **fields})


def run_job() -> PrivacyRequest:
    for job in Job.objects.filter(kind="privacy").order_by("id"):
        tasks.privacy_request(job.pk)
        tasks.privacy_request(job.pk)
    return PrivacyRequest.objects.latest("made_at")


def test_a_phone_is_found_with_and_without_its_country(store):
    store.locales = ["de-DE"]
    store.save()
    make_review(store, author_hashes=[author_hash(store.pk, "+49 30 901820")])
    assert privacy.find(store, privacy.person_of("030 901820"))["reviews"]["reviews written"] == 1


def test_find_tells_counts_and_nothing_of_the_other_store(alice, as_user, eve):
    page = ask(as_user(alice), "find").content.decode()
    assert "Reviews written" in page and "Eve&#x27;s mug" not in page
    assert "keeps nothing" in ask(as_user(alice), "find", who="nobody@example.com").content.decode()
    assert ask(as_user(alice), "find", who="  ").status_code == 422


def test_an_export_holds_everything_once_and_expires(store, alice, as_user, eve):
    labelling.label(review=eve, by=alice, field="stars", value=4)
    Reply.objects.create(store=store, review=eve, text="Dear Eve")
    client = as_user(alice)
    assert ask(client, "export").status_code == 302
    found = run_job()
    assert found.status == "done" and found.sealed is None and found.counts["reviews"]["reviews"] == 1
    url = f"/s/alice/privacy/{found.pk}/archive.zip"
    archive = zipfile.ZipFile(io.BytesIO(client.get(url).content))
    (row,) = json.loads(archive.read("reviews/reviews.json"))
    assert (row["text"], row["author_name"], row["reply"]["text"]) == ("Eve's mug", "Eve S.", "Dear Eve")
    assert row["labels"][0]["value"] == 4 and b"Frank" not in archive.read("reviews/reviews.json")
    assert b"Eve's mug" not in bytes(found.archive)
    PrivacyRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(url).status_code == 404
    client.get("/s/alice/privacy/")
    assert PrivacyRequest.objects.get().archive is None


def test_an_erasure_must_be_confirmed(alice, as_user, eve):
    assert ask(as_user(alice), "erase", typed="yes").status_code == 422
    assert not PrivacyRequest.objects.exists() and Review.objects.count() == 3


def test_an_erasure_takes_the_reviews_their_numbers_and_their_labels(store, alice, as_user, eve):
    labelling.label(review=eve, by=alice, field="stars", value=4)
    assert str(eve.pk) in {r["id"] for r in [*review_dataset.build(store).train, *review_dataset.build(store).valid]}
    assert ask(as_user(alice), "erase", typed="alice").status_code == 302
    found = run_job()
    assert {r.text for r in Review.objects.all()} == {"Frank's mug", "Eve's mug"}
    assert not Review.objects.filter(store=store, text="Eve's mug").exists() and not Label.objects.exists()
    assert StoreDay.objects.get(store=store).n == 1
    data = review_dataset.build(store)
    assert "Eve" not in json.dumps([data.train, data.valid, data.gold])
    assert found.counts["reviews"] == {
        "reviews": 1,
        "labels": 1,
        "unmasked_texts": 0,
        "import_files": 0,
        "replies": 0,
        "import_issues": 0,
        "training_rows": 0,
    }
    assert (found.by, found.status, found.sealed) == (alice, "done", None)
    kept = json.dumps(list(PrivacyRequest.objects.values()) + list(Job.objects.values()), default=str).lower()
    assert "eve.shopper" not in kept


@pytest.mark.parametrize("keep_text", [True, False])
def test_an_erasure_reaches_what_was_frozen_for_training(store, alice, as_user, eve, settings, tmp_path, keep_text):
    settings.MODELS_DIR = tmp_path
    for number in range(30):
        make_review(store, f"Another mug, number {number}")
    found = capabilities.capability("reviews")
    snapshot = snapshots.freeze(found, store)
    run = TrainingRun.objects.create(capability="reviews", store=store, snapshot=snapshot, folder="runs/1")
    (tmp_path / "runs" / "1").mkdir(parents=True)
    for part in snapshots.PARTS:
        shutil.copy(snapshots.folder(snapshot) / f"{part}.jsonl", tmp_path / run.folder / f"{part}.jsonl")
    lines = lambda: "".join(path.read_text() for path in sorted(tmp_path.rglob("*.jsonl")))
    assert lines().count("Eve's mug") == 2
    before = lines().count("\n")
    ask(as_user(alice), "erase", typed="alice", **({"keep_text": "1"} if keep_text else {}))
    assert run_job().counts["reviews"]["training_rows"] == 2
    assert "Eve's mug" not in lines() and lines().count("\n") == before - 2


def test_words_may_stay_without_the_person_and_never_train_again(store, alice, as_user, eve):
    run = ReviewImport.objects.create(store=store, filename="a.csv", sha256="0", status="done")
    ReviewImportIssue.objects.create(run=run, store=store, line=3, value=f"x {MAIL}", code="c", message="m")
    Review.objects.filter(pk=eve.pk).update(run=run)
    ask(as_user(alice), "erase", typed="alice", keep_text="1")
    assert run_job().counts["reviews"]["import_issues"] == 1
    eve.refresh_from_db()
    assert (eve.text, eve.author_name, eve.author_hashes, eve.raw, eve.consent) == ("Eve's mug", "", [], None, False)
    assert StoreDay.objects.get(store=store).n == 2
    assert str(eve.pk) not in {r["id"] for r in review_dataset.build(store).train + review_dataset.build(store).valid}
    assert ReviewImportIssue.objects.get().value == ""
    assert privacy.find(store, privacy.person_of(MAIL)) == {}


def test_uploaded_files_go_with_the_reviews(
    store, alice, as_user, eve, settings, tmp_path, django_capture_on_commit_callbacks
):
    settings.MEDIA_ROOT = tmp_path
    from django.core.files.base import ContentFile

    run = ReviewImport.objects.create(store=store, filename="a.csv", sha256="0", status="done")
    run.file.save("a.csv", ContentFile(b"eve"))
    Review.objects.filter(pk=eve.pk).update(run=run)
    ask(as_user(alice), "erase", typed="alice")
    with django_capture_on_commit_callbacks(execute=True):
        run_job()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_names_in_kept_raw_words_are_found_and_go(store, alice, as_user, eve):
    other = make_review(store, "Ask [mail] about it", raw=raw_store.seal(f"Ask {MAIL} about it"))
    assert privacy.find(store, privacy.person_of(MAIL))["reviews"]["reviews that name the person"] == 1
    ask(as_user(alice), "erase", typed="alice")
    run_job()
    other.refresh_from_db()
    assert other.raw is None and other.text == "Ask [mail] about it"


def test_only_owners_and_only_their_own_store(bob, charlie, as_user, eve, other_store):
    assert as_user(bob).get("/s/alice/privacy/").status_code == 403
    assert as_user(charlie).get("/s/alice/privacy/").status_code == 404
    theirs = PrivacyRequest.objects.create(store=other_store, kind="export", fingerprint="f", archive=b"x")
    from ecomai.models import Membership

    Membership.objects.create(user=charlie, store=eve.store, role="owner")
    assert as_user(charlie).get(f"/s/alice/privacy/{theirs.pk}/archive.zip").status_code == 404


def test_a_failed_request_forgets_whom_it_meant(alice, as_user, eve):
    ask(as_user(alice), "export")
    Job.objects.update(status="failed")
    as_user(alice).get("/s/alice/privacy/")
    found = PrivacyRequest.objects.get()
    assert (found.status, found.sealed) == ("failed", None)
