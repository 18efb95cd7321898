"""Bulk orders: estimate, one request a product, killed and run again, cancelled and gone on with."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ecomai import jobs
from ecomai.models import Job
from ml.generation import GenerationError
from products import copy_batches, copywriting
from products.models import AdAsset, CopyBatch, CopyBrief, CopyRequest
from products.tasks import write_batch
from tests.factories import make_product
from tests.products.copy.writer import writer  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def brief(store):
    return CopyBrief.objects.create(store=store, name="Spring", channels=["seo"], locale="en", variants=1)


def mug(store, n: int, **fields):
    fields.setdefault("attributes", {"Material": "Stoneware", "Volume": "350 ml", "Care": "Dishwasher-safe"})
    fields.setdefault("description_text", "A sturdy mug in glazed stoneware.")
    return make_product(store, f"Stoneware mug 350 ml no {n}", **fields)


@pytest.fixture
def mugs(store):
    return [mug(store, n) for n in range(4)]


def give(client, brief, mugs) -> CopyBatch:
    page = client.post("/s/alice/copy/batches/new/", {"ids": ",".join(str(m.pk) for m in mugs), "brief": brief.pk})
    batch = CopyBatch.objects.order_by("-pk").first()
    assert page["Location"] == f"/s/alice/copy/batches/{batch.pk}/"
    return batch


def rows() -> list:
    return sorted(AdAsset.objects.values_list("product__title", "field", "position", "text"))


def test_from_ticks_to_an_estimate_to_texts(store, alice, as_user, brief, mugs, writer, settings):  # noqa: F811
    client = as_user(alice)
    poor = mug(store, 9, attributes={}, description_text="Nice.")
    page = client.post("/s/alice/copy/batches/select/", {"ids": [m.pk for m in [*mugs, poor]]})
    assert page["Location"] == "/s/alice/copy/batches/new/?ids=" + "%2C".join(str(m.pk) for m in [*mugs, poor])
    text = client.get(page["Location"]).content.decode()
    assert (
        "Write ad copy for 5 products" in text
        and "up to 8" in text
        and "not known yet" in text
        and "1 left out" in text
    )
    assert "nothing per text" in text and "English" in text
    settings.GENERATOR_BACKEND = "openai"
    assert "the provider of the model charges" in client.get(page["Location"]).content.decode()
    settings.GENERATOR_BACKEND = "local"
    batch = give(client, brief, [*mugs, poor])
    assert batch.job.queue == "ml" and batch.job.total == 5 and batch.requests.count() == 5
    write_batch(batch.job_id)
    batch.refresh_from_db()
    assert batch.finished_at and batch.job.status == "done"
    assert copy_batches.counts(batch) == {"waiting": 0, "written": 4, "nothing": 0, "skipped": 1, "failed": 0}
    assert AdAsset.objects.count() == 8
    page = client.get(f"/s/alice/copy/batches/{batch.pk}/").content.decode()
    assert "Too few facts" in page and page.count("badge-ok") >= 4 and "Review the texts" in page
    assert "hx-get" not in page.split('id="copy-batch"')[1].split(">")[0]
    assert "(8)" in page and "Put the approved into a file" not in page
    assert 'hx-swap-oob="innerHTML"' not in page and 'id="copy-live" class="sr-only" role="status"' in page
    part = client.get(
        f"/s/alice/copy/batches/{batch.pk}/", HTTP_HX_REQUEST="true", HTTP_HX_TARGET="copy-batch"
    ).content.decode()
    assert part.count('id="copy-live" hx-swap-oob="innerHTML"') == 1 and "Write copy: Spring: Done" in part
    AdAsset.objects.filter(request__product=mugs[0]).update(status="approved")
    page = client.get(f"/s/alice/copy/batches/{batch.pk}/").content.decode()
    assert "(6)" in page and f"/s/alice/ad-export/?batch={batch.pk}&amp;locale=en" in page
    AdAsset.objects.update(status="proposed")
    page = client.get(f"/s/alice/copy/batches/{batch.pk}/?state=skipped").content.decode()
    assert poor.title in page and mugs[0].title not in page
    page = client.get(f"/s/alice/copy/batches/{batch.pk}/review/").content.decode()
    assert page.count("data-asset") == 8 and mugs[3].title in page
    assert "Spring" in client.get("/s/alice/copy/batches/").content.decode()
    # Bulk orders have a page of their own.
    assert mugs[0].title not in client.get("/s/alice/copy/").content.decode()


def test_everything_that_filters_find_is_ordered_as_it_was_then(store, alice, as_user, brief, mugs):
    client = as_user(alice)
    page = client.post("/s/alice/copy/batches/select/?q=no+1&sort=title&cursor=x", {"all": "1", "ids": [mugs[0].pk]})
    text = client.get(page["Location"]).content.decode()
    assert "Write ad copy for 1 product" in text and mugs[1].title in text
    client.post("/s/alice/copy/batches/new/", {"all": "1", "q": "no 1", "brief": brief.pk})
    batch = CopyBatch.objects.get()
    assert batch.selection == {"query": "q=no+1"}
    mug(store, 11)
    assert [r.product for r in batch.requests.all()] == [mugs[1]]


def test_the_same_order_given_twice_is_one_order(store, alice, as_user, brief, mugs):
    client = as_user(alice)
    assert give(client, brief, mugs) == give(client, brief, mugs)
    assert (CopyBatch.objects.count(), CopyRequest.objects.count(), Job.objects.count()) == (1, 4, 1)
    Job.objects.update(status="done")
    give(client, brief, mugs)
    assert CopyBatch.objects.count() == 2


def test_killed_in_the_middle_and_run_again_leaves_the_same_rows(store, alice, as_user, brief, mugs, writer):  # noqa: F811
    batch = give(as_user(alice), brief, mugs)
    write_batch(batch.job_id)
    wanted = rows()
    assert len(wanted) == 8
    AdAsset.objects.all().delete()
    CopyRequest.objects.update(finished_at=None)
    Job.objects.update(status="queued", lease=None, heartbeat_at=None)
    calls = []

    def killed():
        calls.append(1)
        if len(calls) in (3, 6):
            raise SystemExit  # what a worker that is told to go does: no row is tidied up

    writer.before = killed
    for _attempt in range(2):
        with pytest.raises(SystemExit):
            write_batch(batch.job_id)
        assert Job.objects.get().status == "running" and len(rows()) % 2 == 0
        write_batch(batch.job_id)  # the lease still holds: nobody else takes it
        Job.objects.update(heartbeat_at=timezone.now() - 2 * jobs.LEASE)
    write_batch(batch.job_id)
    assert rows() == wanted and Job.objects.get().status == "done"
    write_batch(batch.job_id)
    assert rows() == wanted


def test_a_cancelled_order_keeps_what_is_written_and_goes_on(store, alice, as_user, brief, mugs, writer):  # noqa: F811
    client = as_user(alice)
    batch = give(client, brief, mugs)
    seen = []

    def cancel():
        seen.append(1)
        if len(seen) == 4:
            client.post(f"/s/alice/jobs/{batch.job_id}/cancel/")

    writer.before = cancel
    write_batch(batch.job_id)
    batch.refresh_from_db()
    numbers = copy_batches.counts(batch)
    assert batch.job.status == "cancelled" and batch.finished_at is None and 0 < numbers["written"] < 4
    page = client.get(f"/s/alice/copy/batches/{batch.pk}/").content.decode()
    assert "What was written stays" in page and "Go on with what is missing" in page
    first = batch.job_id
    client.post(f"/s/alice/copy/batches/{batch.pk}/go-on/")
    client.post(f"/s/alice/copy/batches/{batch.pk}/go-on/")
    batch.refresh_from_db()
    assert batch.job_id != first and Job.objects.count() == 2
    write_batch(first)
    write_batch(batch.job_id)
    assert copy_batches.counts(batch)["written"] == 4 and AdAsset.objects.count() == 8


def test_one_product_that_fails_stops_no_other_and_gets_another_chance(store, alice, as_user, brief, mugs, writer):  # noqa: F811
    client = as_user(alice)
    poor = mug(store, 9, attributes={}, description_text="")
    batch = give(client, brief, [*mugs, poor])
    calls = []

    def broken():
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("a text that breaks us")

    writer.before = broken
    write_batch(batch.job_id)
    batch.refresh_from_db()
    assert batch.job.status == "done"
    assert copy_batches.counts(batch) == {"waiting": 0, "written": 3, "nothing": 0, "skipped": 1, "failed": 1}
    assert "a text that breaks us" in client.get(f"/s/alice/copy/batches/{batch.pk}/?state=failed").content.decode()
    poor.attributes = {"Material": "Stoneware", "Volume": "350 ml", "Care": "Dishwasher-safe"}
    poor.save()
    client.post(f"/s/alice/copy/batches/{batch.pk}/go-on/")
    batch.refresh_from_db()
    assert copy_batches.counts(batch)["waiting"] == 2
    write_batch(batch.job_id)
    assert copy_batches.counts(batch)["written"] == 5
    client.post(f"/s/alice/copy/batches/{batch.pk}/go-on/")
    assert Job.objects.count() == 2, "nothing was missing"


def test_a_model_that_cannot_answer_stops_the_order_with_the_reason(store, alice, as_user, brief, mugs, writer):  # noqa: F811
    client = as_user(alice)
    batch = give(client, brief, mugs)

    def down():
        raise GenerationError("the server does not answer")

    writer.before = down
    with pytest.raises(GenerationError):
        write_batch(batch.job_id)
    page = client.get(f"/s/alice/copy/batches/{batch.pk}/").content.decode()
    assert "The order stopped:" in page and "the server does not answer" in page
    assert copy_batches.counts(batch)["waiting"] == 4


def test_a_product_deleted_meanwhile_is_no_fault(store, alice, as_user, brief, mugs, writer):  # noqa: F811
    batch = give(as_user(alice), brief, mugs)
    writer.before = lambda: mugs[2].__class__.objects.filter(pk=mugs[2].pk).delete()
    write_batch(batch.job_id)
    batch.refresh_from_db()
    assert batch.job.status == "done" and copy_batches.counts(batch)["written"] == 3


def test_the_estimate_goes_by_what_earlier_orders_took(store, alice, as_user, brief, mugs):
    now = timezone.now()
    for seconds, age in ((20.0, 1), (40.0, 2)):
        CopyRequest.objects.create(
            store=store, product=mugs[0], locale="en", tone="neutral", asked={"seo.title": 1, "seo.description": 2},
            seconds=seconds, finished_at=now - timedelta(days=age),
        )  # fmt: skip
    assert copy_batches.pace(store) == 10.0
    found = copy_batches.estimate(store, brief, mugs)
    assert (found.products, found.texts, found.seconds, found.minutes) == (4, 8, 80.0, 1)
    brief.angles, brief.use_reviews = ["offer", "benefit", "proof"], False
    brief.save()
    assert copy_batches.estimate(store, brief, mugs).lacking == {"offer": 4}
    text = as_user(alice).get(f"/s/alice/copy/batches/new/?ids={mugs[0].pk}").content.decode()
    assert "about 1 minute" in text and "1 product has no fact for the angle “Offer”" in text


def test_nothing_selected_and_no_brief_are_told(store, alice, as_user, mugs):
    client = as_user(alice)
    assert "No product is selected" in client.get("/s/alice/copy/batches/new/").content.decode()
    text = client.get(f"/s/alice/copy/batches/new/?ids={mugs[0].pk}").content.decode()
    assert "Write a brief first" in text and "next=/s/alice/copy/batches/new/%3Fids%3D" in text
    assert client.post("/s/alice/copy/batches/new/", {"ids": mugs[0].pk}).status_code == 422
    CopyBrief.objects.create(store=store, name="B", channels=["seo"], locale="en")
    client.post("/s/alice/copy/batches/new/", {"ids": "0,x,99999999999999999999"})
    assert not CopyBatch.objects.exists()


def test_nobody_orders_or_sees_for_another_store(store, other_store, alice, charlie, as_user, brief, mugs):
    batch = give(as_user(alice), brief, mugs)
    stranger = as_user(charlie)
    theirs = CopyBrief.objects.create(store=other_store, name="Theirs", channels=["seo"], locale="en")
    for path in ("", "review/"):
        assert stranger.get(f"/s/charlie/copy/batches/{batch.pk}/{path}").status_code == 404
        assert stranger.get(f"/s/alice/copy/batches/{batch.pk}/{path}").status_code == 404
    assert stranger.post(f"/s/charlie/copy/batches/{batch.pk}/go-on/").status_code == 404
    assert "Spring" not in stranger.get("/s/charlie/copy/batches/").content.decode()
    ids = ",".join(str(m.pk) for m in mugs)
    assert mugs[0].title not in stranger.get(f"/s/charlie/copy/batches/new/?ids={ids}").content.decode()
    stranger.post("/s/charlie/copy/batches/new/", {"ids": ids, "brief": theirs.pk})
    own = make_product(other_store, "Own mug")
    stranger.post("/s/charlie/copy/batches/new/", {"ids": f"{ids},{own.pk}", "brief": brief.pk})
    assert [b.store for b in CopyBatch.objects.all()] == [store]
    stranger.post("/s/charlie/copy/batches/new/", {"ids": f"{ids},{own.pk}", "brief": theirs.pk})
    assert [r.product for r in CopyRequest.objects.filter(store=other_store)] == [own]


def test_an_analyst_watches_and_an_agent_orders(store, bob, as_user, brief, mugs):
    from ecomai.models import Membership, User

    ann = User.objects.create_user("ann@example.com", "x" * 12)
    Membership.objects.create(user=ann, store=store, role="analyst")
    batch = give(as_user(bob), brief, mugs)
    assert as_user(ann).get(f"/s/alice/copy/batches/{batch.pk}/").status_code == 200
    assert as_user(ann).get("/s/alice/copy/batches/new/").status_code == 403
    assert as_user(ann).post(f"/s/alice/copy/batches/{batch.pk}/go-on/").status_code == 403
    text = as_user(bob).get("/s/alice/products/").content.decode()
    assert 'name="ids"' in text and "copy/batches/select/" in text and 'name="action"' not in text
    assert 'name="ids"' not in as_user(ann).get("/s/alice/products/").content.decode()


def test_what_says_too_little_is_not_written(store):
    def facts(**fields) -> int:
        return copy_batches.telling(
            copywriting.facts_of(mug(store, 30 + len(CopyBrief.objects.all()), handle=str(fields), **fields))
        )

    assert facts(attributes={}, description_text="") == 0
    assert facts(attributes={}, description_text="A sturdy mug in glazed stoneware.") == 1
    assert (
        facts(
            attributes={"Material": "Stoneware"},
            description_text="A sturdy mug of stoneware. Goes into the dishwasher.",
        )
        == 3
    )
    assert (
        facts(
            attributes={}, description_text="釉面炻器制成的结实马克杯，可放心使用。可以放进洗碗机清洗，轻松省力又方便。"
        )
        == 2
    )


def test_the_list_of_products_and_the_briefs_lead_to_the_estimate(store, alice, charlie, as_user, brief, mugs):
    client = as_user(alice)
    page = client.get("/s/alice/products/?q=no+1").content.decode()
    assert 'href="/s/alice/copy/batches/new/?q=no+1&amp;all=1"' in page and "Write ad copy for all found" in page
    text = client.get("/s/alice/copy/batches/new/?q=no+1&all=1").content.decode()
    assert "Write ad copy for 1 product" in text and mugs[1].title in text and mugs[2].title not in text
    to = f"/s/alice/copy/batches/new/?all=1&amp;status=active&amp;brief={brief.pk}"
    assert to in client.get("/s/alice/copy/briefs/").content.decode()
    assert to in client.get(f"/s/alice/copy/briefs/{brief.pk}/").content.decode()
    assert "Write ad copy for 4 products" in client.get(to.replace("&amp;", "&")).content.decode()
    assert "Write ad copy for 0" not in client.get("/s/alice/copy/batches/new/").content.decode()
    assert client.get("/s/alice/products/").content.decode().count('name="ids"') == 4


def test_a_products_page_names_the_fields_of_its_texts(store, alice, as_user, mugs):
    order = CopyRequest.objects.create(store=store, product=mugs[0], channels=["seo"], locale="de", tone="neutral")
    AdAsset.objects.create(store=store, request=order, product=mugs[0], field="seo.title", locale="de", tone="neutral", angle="use",
                           position=1, text="Becher", status="approved", model_label="m", inputs_hash="h")  # fmt: skip
    page = as_user(alice).get(f"/s/alice/products/{mugs[0].pk}/").content.decode()
    assert "Search engine snippet: Title · German" in page and "seo.title" not in page
