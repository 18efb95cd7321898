"""Imports that stop on the way: cancelled, failed, gone on with, taken back."""

import pytest
from django.core.files import File
from django.urls import reverse

from ecomai import jobs
from ecomai.models import Job
from products import catalogue_import, import_undo
from products.models import CatalogueImport, Product
from tests.factories import make_import, upload

pytestmark = pytest.mark.django_db
HEAD = "Handle,Title,Variant SKU,Variant Price\n"
TEN = HEAD + "".join(f"p{i},Product {i},S{i},{i}.00\n" for i in range(1, 11))


def address(name: str, run: CatalogueImport) -> str:
    return reverse(f"products:{name}", args=[run.store.slug, run.pk])


@pytest.fixture
def cancelled_after_six(store, monkeypatch) -> CatalogueImport:
    """An import of ten products in chunks of three, cancelled behind the second chunk."""
    monkeypatch.setattr(catalogue_import, "CHUNK", 3)
    run = make_import(store, TEN)
    assert catalogue_import.confirm(run)
    run.refresh_from_db()

    def cancel(done, **_more):
        if done >= 6:
            raise jobs.Cancelled

    with pytest.raises(jobs.Cancelled):
        catalogue_import.process(run, cancel)
    catalogue_import.stop(run, CatalogueImport.Status.CANCELLED)
    run.refresh_from_db()
    return run


def test_a_cancelled_import_tells_what_it_wrote(cancelled_after_six, alice, as_user):
    run = cancelled_after_six
    assert (run.status, run.counts["created"], Product.objects.count()) == ("cancelled", 6, 6)
    page = as_user(alice).get(address("import_run", run)).content.decode()
    assert "Go on importing" in page and "Undo this import" in page and "Change the settings" not in page
    assert "Product 6" in page and "Product 7" not in page


def test_a_cancelled_import_goes_on_where_it_stopped(cancelled_after_six, alice, as_user):
    run = cancelled_after_six
    as_user(alice).post(address("import_confirm", run))
    run.refresh_from_db()
    assert (run.status, run.cursor) == ("applying", 6)
    catalogue_import.process(run)
    run.refresh_from_db()
    assert (run.status, run.counts["created"], Product.objects.count()) == ("done", 10, 10)


def test_a_cancelled_import_can_be_taken_back_and_then_not_gone_on_with(cancelled_after_six):
    run = cancelled_after_six
    assert import_undo.claim(run)
    import_undo.undo(run)
    run.refresh_from_db()
    assert (run.status, run.counts["undone"], Product.objects.count()) == ("undone", 6, 0)
    assert not run.can_go_on and not catalogue_import.confirm(run) and not import_undo.claim(run)


def test_a_check_cancelled_before_a_worker_takes_it_can_start_over(store, alice, as_user):
    client = as_user(alice)
    client.post(reverse("products:imports", args=[store.slug]), {"file": upload(TEN)})
    run = CatalogueImport.objects.get()
    client.post(address("import_settings", run))
    CatalogueImport.objects.update(status="staging")
    run.refresh_from_db()
    assert jobs.cancel(run.job)
    page = client.get(address("import_run", run)).content.decode()
    assert "Change the settings" in page and "hx-trigger" not in page.partition('id="import-run"')[2][:200]
    assert client.get(address("import_settings", run)).status_code == 200
    run.refresh_from_db()
    assert run.status == "cancelled"


def test_an_import_whose_job_failed_says_why(store, alice, as_user):
    run = make_import(store, TEN)
    as_user(alice).post(address("import_confirm", run))
    run.refresh_from_db()
    Job.objects.filter(pk=run.job_id).update(status=Job.Status.FAILED, message="The disk is full.")
    page = as_user(alice).get(address("import_run", run)).content.decode()
    run.refresh_from_db()
    assert run.status == "failed" and "The disk is full." in page


def test_an_import_without_preview_tells_new_changed_and_same_products_apart(store):
    def at_once(content: str) -> CatalogueImport:
        run = catalogue_import.open_run(store=store, file=File(upload(content)), filename="p.csv", auto_apply=True)
        catalogue_import.process(run)
        run.refresh_from_db()
        return run

    at_once(HEAD + "a,A,S,1\nb,B,T,2\nc,C,U,3\n")
    run = at_once(HEAD + "x,X,W,1\na,A,S,1\nb,B2,T,2\ny,Y,V,1\nc,C2,U,4\n")
    assert {r.record["handle"]: (r.outcome, r.changes) for r in run.rows.all()} == {
        "x": ("create", {}), "y": ("create", {}), "a": ("same", {}), "b": ("change", {"title": ["B", "B2"]}),
        "c": ("change", {"title": ["C", "C2"], "variants/U/price": ["3 EUR", "4 EUR"]}),
    }  # fmt: skip
    assert (run.counts["created"], run.counts["changed"], run.counts["unchanged"]) == (2, 2, 1)
