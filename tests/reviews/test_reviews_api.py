"""Reviews over the API and by webhook, as a shop's server sees them."""

import hashlib
import hmac
import json

import pytest
from celery.app.task import Task
from django.test import Client

from ecomai import api_keys
from ecomai.models import ApiKey, Job
from reviews import review_settings
from reviews.models import CountedReview, Flag, Judgement, Opinion, Review, StoreDay
from tests.factories import make_product
from tests.reviews.factories import make_review

URL = "/api/v1/reviews/"
MUG = {
    "source": "shop", "source_id": "R-1", "product": "stoneware-mug", "text": "Keeps my tea hot, lovely colour.",
    "rating": 4, "author_name": "Jane Doe", "email": "jane@example.com", "written_at": "2026-11-20T09:30:00Z",
}  # fmt: skip


@pytest.fixture
def sent(monkeypatch) -> list:
    """(task, arguments, queue) of what is sent to the workers."""
    found = []

    def note(self, args=None, kwargs=None, **options):
        found.append((self.name.rpartition(".")[2], args, options.get("queue")))

    monkeypatch.setattr(Task, "apply_async", note)
    monkeypatch.setattr("ecomai.tasks.current_app.send_task", lambda name, **options: found.append((name, options)))
    return found


@pytest.fixture
def api(store, sent) -> Client:
    return _client(store, ApiKey.Kind.SECRET)


def _client(store, kind) -> Client:
    _key, secret = api_keys.create(store=store, kind=kind, name="k")
    return Client(headers={"authorization": f"Bearer {secret}"})


def post(client: Client, body, url: str = URL, **headers):
    return client.post(url, json.dumps(body), content_type="application/json", headers=headers)


def test_a_review_comes_in_masked_and_finds_its_product(api, store):
    make_product(store, "Stoneware mug")
    answer = post(api, MUG | {"text": "Lovely, write to jane@example.com"})
    assert answer.status_code == 201
    body = answer.json()
    assert {name: body[name] for name in ("received", "imported", "rejected")} == {
        "received": 1, "imported": 1, "rejected": 0,
    }  # fmt: skip
    got = api.get(f"{URL}{body['items'][0]['id']}/").json()
    assert "jane@example.com" not in got["text"] and got["masked"] == ["EMAIL"]
    assert (got["product"]["handle"], got["author_name"], got["rating"]) == ("stoneware-mug", "Jane D.", 4.0)
    assert got["judgement"] is None and not got["scored"]


def test_sending_it_again_changes_nothing_and_an_edit_updates_the_row(api):
    post(api, MUG)
    again = post(api, MUG)
    assert (again.status_code, again.json()["items"][0]["status"]) == (200, "unchanged")
    edit = post(api, MUG | {"text": "It cracked after a week."})
    assert (edit.status_code, edit.json()["updated"]) == (200, 1)
    assert Review.objects.get().text == "It cracked after a week."


def test_a_list_has_a_result_per_item_that_names_the_field(api):
    items = [
        MUG,
        {"text": "Too small", "rating": "11/10"},
        {"text": "Late", "written_at": "yesterday"},
        MUG | {"rating": 5},
        {"title": ""},
        "no object",
    ]
    answer = post(api, items)
    body = answer.json()
    assert answer.status_code == 201
    assert [item["status"] for item in body["items"]] == ["skipped", *2 * ["rejected"], "imported", *2 * ["rejected"]]
    assert [item["index"] for item in body["items"]] == list(range(6))
    named = [[error["attr"] for error in item["errors"]] for item in body["items"]]
    assert named == [["source_id"], ["rating"], ["written_at"], [], ["text"], [None]]
    counts = [body[name] for name in ("imported", "updated", "unchanged", "skipped", "rejected")]
    assert sum(counts) == body["received"] == 6
    assert Review.objects.get().rating == 5


def test_one_bad_review_is_an_error_in_the_one_shape(api):
    answer = post(api, {"text": "Fine", "rating": "9000"})
    assert answer.status_code == 400
    body = answer.json()
    assert body["type"] == "validation_error"
    assert [(error["attr"], error["code"]) for error in body["errors"]] == [("rating", "bad_rating")]
    assert Review.objects.count() == 0


@pytest.mark.parametrize("body", [[], [MUG] * 101])
def test_a_list_has_one_to_a_hundred_reviews(api, body):
    assert post(api, body).status_code == 400 and Review.objects.count() == 0


def test_a_body_of_megabytes_is_refused(api):
    assert post(api, [{"text": "x" * 40_000}] * 40).status_code == 413


def test_one_review_is_read_at_once_and_more_by_a_job(api, store, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        post(api, MUG)
    assert ("score_one", [Review.objects.get().pk], "live") in sent
    assert not Job.objects.filter(kind="score").exists()
    with django_capture_on_commit_callbacks(execute=True):
        post(api, [{"text": "Very good indeed"}, {"text": "Not my taste at all"}])
    job = Job.objects.get(kind="score")
    assert (job.store, job.queue) == (store, "ml")
    with django_capture_on_commit_callbacks(execute=True):
        sent.clear()
        post(api, MUG)
    assert sent == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_publishable_key_is_refused(store, method):
    client = _client(store, ApiKey.Kind.PUBLISHABLE)
    assert getattr(client, method)(URL).status_code == 403
    assert client.get(f"{URL}{make_review(store).pk}/").status_code == 403
    assert client.delete(f"{URL}{make_review(store).pk}/").status_code == 403


def test_the_list_is_filtered_and_paged_to_its_end(api, store):
    mug = make_product(store, "Stoneware mug")
    post(api, [{"text": f"Good mug number {n}", "rating": 5, "product": mug.handle} for n in range(5)])
    post(api, [{"text": "Schlechte Tasse, leider zerbrochen", "rating": 1, "written_at": "2020-01-05T00:00:00Z"}])
    seen, cursor = [], ""
    while True:
        page = api.get(URL, {"limit": 2, "cursor": cursor}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 6

    def ids(**asked):
        return len(api.get(URL, asked).json()["items"])

    assert (ids(product=mug.handle), ids(stars=1), ids(sentiment="negative"), ids(language="de")) == (5, 1, 1, 1)
    assert (ids(since="2026-01-01"), ids(since="2019-01-01")) == (5, 6)


@pytest.mark.parametrize(
    "asked", [{"sentiment": "angry"}, {"since": "soon"}, {"limit": "0"}, {"product": "nothing"}, {"aspect": "smell"}]
)
def test_a_filter_that_makes_no_sense_is_named(api, asked):
    answer = api.get(URL, asked)
    assert answer.status_code == 400 and [e["attr"] for e in answer.json()["errors"]] == list(asked)


def test_a_review_shows_what_the_model_read_and_what_counts(api, store):
    review = make_review(store, "The parcel came late.", rating="2")
    Judgement.objects.create(
        store=store, review=review, model_label="house v1", inputs_hash="0", stars=[0.1, 0.6, 0.2, 0.05, 0.05],
        expected=2.35, sentiment=-1, confidence=0.7, uncertainty=0.4,
        aspects={"shipping": {"polarity": -1, "probability": 0.9, "spans": [[4, 10]]}},
    )  # fmt: skip
    Opinion.objects.create(store=store, review=review, aspect="shipping", polarity=-1, probability=0.9)
    Flag.objects.create(store=store, review=review, kind=Flag.Kind.QUESTION, reason="asks")
    got = api.get(f"{URL}{review.pk}/").json()
    assert (got["judgement"]["model"], got["judgement"]["sentiment"]) == ("house v1", "negative")
    assert got["opinions"] == [{"aspect": "shipping", "polarity": "negative", "probability": 0.9, "by_person": False}]
    assert got["flags"] == [{"kind": "question", "reason": "asks", "confirmed": None}]


def test_deleting_a_review_moves_the_numbers(api):
    pk = post(api, MUG).json()["items"][0]["id"]
    assert StoreDay.objects.get().n == 1
    assert api.delete(f"{URL}{pk}/").status_code == 204
    assert Review.objects.count() == CountedReview.objects.count() == 0
    assert not StoreDay.objects.filter(n__gt=0).exists()
    assert api.get(f"{URL}{pk}/").status_code == api.delete(f"{URL}{pk}/").status_code == 404


def test_another_stores_review_is_404_and_stays(api, other_store):
    theirs = make_review(other_store, "Theirs")
    assert api.get(f"{URL}{theirs.pk}/").status_code == api.delete(f"{URL}{theirs.pk}/").status_code == 404
    assert Review.objects.filter(pk=theirs.pk).exists() and api.get(URL).json()["items"] == []


JUDGEME = {
    "review": {
        "id": 881, "title": "Lovely", "body": "Light and warm, my mail is a@b.example", "rating": 5,
        "product_external_id": 7654, "product_handle": "stoneware-mug", "verified": "buyer",
        "reviewer": {"id": 3, "name": "Ana María López", "email": "ana@example.com", "phone": None},
        "created_at": "2026-11-21T10:00:00+01:00", "hidden": False,
    }
}  # fmt: skip


@pytest.fixture
def secret(store, sent) -> str:
    return review_settings.new_secret(store)


def push(body, secret: str, *, store="alice", source="judgeme", signature: str | None = None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = hmac.new(secret.encode(), data, hashlib.sha256).hexdigest() if signature is None else signature
    return Client().post(
        f"{URL}webhook/{store}/{source}/", data, content_type="application/json", headers={"x-signature": signed}
    )


def test_a_signed_webhook_of_judge_me_is_taken_once(store, secret):
    make_product(store, "Stoneware mug")
    assert push(JUDGEME, secret).status_code == 201
    replay = push(JUDGEME, secret)
    assert (replay.status_code, replay.json()["unchanged"]) == (200, 1)
    review = Review.objects.get()
    assert (review.store, review.source, review.source_id, review.rating) == (store, "judgeme", "881", 5)
    assert review.product.handle == "stoneware-mug" and review.verified and len(review.author_hashes) == 1
    assert "a@b.example" not in review.text and review.author_name == "Ana L."
    assert review.written_at.isoformat() == "2026-11-21T09:00:00+00:00"


def test_a_generic_body_of_several_says_what_was_wrong(secret):
    answer = push(
        {"reviews": [{"id": 1, "text": "Good", "rating": "4/5"}, {"id": 2, "text": ["x"]}]}, secret, source="own"
    )
    assert answer.status_code == 201
    assert [item["status"] for item in answer.json()["items"]] == ["imported", "rejected"]
    assert answer.json()["items"][1]["errors"][0]["attr"] == "text"


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", "sha256="])
def test_a_wrong_signature_is_401_and_nothing_comes_in(secret, signature):
    answer = push(JUDGEME, secret, signature=signature)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "bad_signature")
    assert Review.objects.count() == 0


def test_the_old_secret_and_another_stores_secret_are_refused(store, other_store, secret):
    theirs = review_settings.new_secret(other_store)
    review_settings.new_secret(store)
    assert push(JUDGEME, secret).status_code == push(JUDGEME, theirs).status_code == 401
    assert push(JUDGEME, "", store="nobody").status_code == 401


def test_a_store_without_a_secret_accepts_nothing(store, sent):
    assert push(JUDGEME, "").status_code == 401


@pytest.mark.parametrize("body", [b"not json", b"\xff\xfe", b"[]", b'"x"', b"[1]"])
def test_signed_nonsense_is_a_400(secret, body):
    assert push(body, secret).status_code == 400


def test_a_source_in_the_address_that_is_none_is_refused(secret):
    for source in ("x" * 41, "a b", "%00", "<b>"):
        assert push(JUDGEME, secret, source=source).status_code in (400, 404)
    assert push(JUDGEME, secret, store="%00").status_code == 401
    assert Review.objects.count() == 0


@pytest.mark.parametrize("odd", ["nul\0byte", "half \ud800 pair", "\u202egnp.exe", "a" * 300])
@pytest.mark.parametrize(
    "field",
    [
        "title",
        "text",
        "product",
        "source_id",
        "author_name",
        "email",
        "phone",
        "language",
        "country",
        "rating",
        "written_at",
    ],
)
def test_odd_characters_are_stored_cleaned_or_refused_by_name(api, secret, field, odd):
    body = MUG | {field: odd}
    for answer in (push(body, secret, source="own"), post(api, [body])):
        assert answer.status_code in (200, 201)
        assert all(item["status"] != "rejected" or item["errors"][0]["attr"] for item in answer.json()["items"])


def test_nesting_without_end_is_a_400(secret):
    assert push(b"[" * 200_000, secret).status_code == 400


def test_a_webhook_of_megabytes_is_refused(secret):
    assert push(b'{"text":"' + b"x" * 1_100_000 + b'"}', secret).status_code == 413
    assert Review.objects.count() == 0
