"""Celery tasks of the catalogue: each claims its job, calls one room, and can run twice."""

from celery import shared_task
from django.utils.translation import gettext as _

from ecomai import jobs
from ecomai.models import Job
from ecomai.tasks import send
from products import (
    catalogue_import,
    copy_batches,
    copywriting,
    embedding,
    experiment_rules,
    import_undo,
    storefront_days,
)
from products.models import CatalogueImport, CopyBatch, CopyRequest


@shared_task(name="products.tasks.run_import")
def run_import(job_id: int) -> None:
    """Stage and plan an import, or apply it after a person's yes; then have the products embedded."""
    with jobs.running(job_id) as run:
        if run is None:
            return
        found = CatalogueImport.objects.select_related("store").filter(job_id=job_id).first()
        if found is None:
            return
        try:
            catalogue_import.process(found, run.advance)
        except jobs.Cancelled:
            catalogue_import.stop(found, CatalogueImport.Status.CANCELLED)
            raise
        found.refresh_from_db()
        if found.status == CatalogueImport.Status.DONE:
            queue_embedding(found.store)


def queue_embedding(store) -> None:
    """Have the store's changed products embedded, once."""
    if embedding.pending(store) and not Job.objects.open().filter(store=store, kind="embed").exists():
        send(jobs.create(store=store, kind="embed", title=_("Learning the products' texts"), unit=_("products"),
                         task="products.tasks.embed_products", queue="ml", total=embedding.pending(store)))  # fmt: skip


@shared_task(name="products.tasks.undo_import")
def undo_import(job_id: int) -> None:
    """Take an import back."""
    with jobs.running(job_id) as run:
        if run is None:
            return
        found = CatalogueImport.objects.select_related("store").filter(job_id=job_id).first()
        if found is not None and found.status == CatalogueImport.Status.UNDOING:
            try:
                import_undo.undo(found, run.advance)
            except jobs.Cancelled:
                catalogue_import.stop(found, CatalogueImport.Status.CANCELLED)
                raise
            queue_embedding(found.store)


@shared_task(name="products.tasks.embed_products")
def embed_products(job_id: int) -> None:
    """Embed the store's changed products."""
    with jobs.running(job_id) as run:
        if run is not None:
            embedding.embed_store(run.job.store, run.advance)


@shared_task(name="products.tasks.write_copy")
def write_copy(job_id: int) -> None:
    """Write the texts of a copy request."""
    with jobs.running(job_id) as run:
        if run is None:
            return
        request = CopyRequest.objects.select_related("product", "store").filter(job_id=job_id).first()
        if request is not None:
            copywriting.write(request, run)


@shared_task(name="products.tasks.write_batch")
def write_batch(job_id: int) -> None:
    """Write the texts of a bulk order, product by product."""
    with jobs.running(job_id) as run:
        if run is None:
            return
        batch = CopyBatch.objects.select_related("store").filter(job_id=job_id).first()
        if batch is not None:
            copy_batches.work(batch, run)


@shared_task(name="products.tasks.sum_storefront_days")
def sum_storefront_days(days: int) -> None:
    """Sum what shoppers did on each product in the last days."""
    storefront_days.sum_recent(days)


@shared_task(name="products.tasks.look_at_experiments", expires=3000)
def look_at_experiments() -> int:
    """Look at all experiments whose numbers still change; finish and publish what is told to do so by itself."""
    looked, ended = experiment_rules.look_at_all()
    for experiment in ended:
        queue_embedding(experiment.store)  # what was published may have changed a listing
    return looked


@shared_task(name="products.tasks.reweight_bandits", expires=800)
def reweight_bandits() -> int:
    """Give the bandits whose turn it is new shares."""
    return experiment_rules.reweight_all()
