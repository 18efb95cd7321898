"""The loop of the copy model with the real generator: what people approve trains a version of the store's own, which
writes the store's next copy until it is rolled back."""

from dataclasses import replace

import pytest

from ml import capabilities, loading, promotion, registry, snapshots, tasks, training
from ml.models import AuditEntry, Comparison, ModelVersion, Promotion, TrainingRun
from products import copy_dataset
from products.models import AdAsset, CopyRequest, Product
from products.tasks import write_copy
from tests.factories import make_product

# The limit is for a machine that has other work too; on two free cores it takes a fraction.
pytestmark = [pytest.mark.training, pytest.mark.timeout(2400)]

TASKS = {
    "products.tasks.write_copy": write_copy, "ml.tasks.train": tasks.train, "ml.tasks.compare": tasks.compare,
    "ml.tasks.promote": tasks.promote,
}  # fmt: skip
WORDS = "Hand-glazed stoneware for slow mornings"
ROWS = {"train": 2, "valid": 1, "test": 2}  # products of the house's own pairs
TEXTS = 4  # of each


def few_rows(store) -> dict[str, list[dict]]:
    """The store's rows of the real data set, and few of the house's."""
    out = {}
    for part, rows in copy_dataset.for_store(store).items():
        house = [row for row in rows if not row["id"].startswith("p") and row["language"] == "en"][: ROWS[part]]
        own = [row for row in rows if row["id"].startswith("p")]
        out[part] = [*({**row, "completions": row["completions"][:TEXTS]} for row in house), *own]
    return out


@pytest.fixture
def house(transactional_db, settings, tmp_path, monkeypatch) -> ModelVersion:
    """The house version, live; the prepared models stay where they are and the test writes beside them."""
    prepared = settings.MODELS_DIR
    settings.MODELS_DIR = tmp_path / "models"
    settings.MODELS_DIR.mkdir()
    for name in (settings.ENCODER, settings.GENERATOR, "house"):
        (settings.MODELS_DIR / name).symlink_to(prepared / name)
    found = replace(capabilities.capability("copy"), dataset="tests.ml.test_generator_training.few_rows")
    monkeypatch.setitem(capabilities._known, "copy", found)
    loading.forget()
    version = next(v for v in registry.register_house() if v.capability == "copy")
    assert version.trained, "no house adapter fits the generator"
    yield version
    loading.forget()


@pytest.fixture
def sent(monkeypatch) -> list:
    found: list = []
    for door in ("ml.tasks", "ml.admin", "products.copy_views"):
        monkeypatch.setattr(f"{door}.send", found.append)
    return found


def work(sent: list, *names: str) -> None:
    """What the workers would do with the jobs of these tasks."""
    for job in [job for job in sent if job.task in names]:
        sent.remove(job)
        TASKS[job.task](job.pk)


@pytest.mark.django_db(transaction=True)
def test_approved_texts_train_a_version_that_writes_the_next_copy_until_it_is_rolled_back(
    house, store, other_store, alice, as_user, sent
):
    alice.is_staff = True
    alice.save()
    client = as_user(alice)

    def post(path: str, **data) -> None:
        answer = client.post(path, data)
        assert answer.status_code in (200, 302), answer.content.decode()[-2000:]

    def write(product: Product) -> list[AdAsset]:
        post(f"/s/{store.slug}/products/{product.pk}/copy/", channels="meta", locale="en", tone="neutral", variants=2)
        work(sent, "products.tasks.write_copy")
        order = CopyRequest.objects.latest("pk")
        assert order.finished_at and order.job.status != "failed", order.job.message
        assets = list(order.assets.order_by("pk"))
        assert assets, order.thrown_away
        return assets

    def asset_post(asset: AdAsset, action: str, **data) -> None:
        post(f"/s/{store.slug}/copy/assets/{asset.pk}/{action}/", **data)

    mug = make_product(store, "Stoneware mug 350 ml", attributes={"Material": "Stoneware", "Volume": "350 ml"})
    throw = make_product(store, "Wool throw 130 x 180 cm", attributes={"Material": "Wool", "Size": "130 x 180 cm"})

    # The house version writes; a person edits one text, approves it and others, rejects one.
    assets = [*write(mug), *write(throw)]
    assert {a.model_version_id for a in assets} == {house.pk} and {a.model_label for a in assets} == {house.label}
    edited, *others = assets
    asset_post(edited, "edit", text=WORDS)
    asset_post(edited, "decide", status="approved")
    for asset in others[1:]:
        asset_post(asset, "decide", status="approved")
    approved = {WORDS, *(a.text for a in others[1:])}
    if others:
        asset_post(others[0], "decide", status="rejected", reason="dull")

    # They train a version of the store's own, from the house's.
    post(
        "/admin/ml/trainingrun/retrain/?capability=copy", store=store.pk, start_from="live", epochs=2, max_tokens=256,
        sequences_per_step=2, learning_rate=1e-4,
    )  # fmt: skip
    run = TrainingRun.objects.get()
    assert (run.parent, run.job.queue, run.config["epochs"]) == (house, "train", 2)
    work(sent, "ml.tasks.train")
    run.refresh_from_db()
    assert run.status == "done", run.error
    frozen = [row for part in snapshots.PARTS for row in snapshots.rows(run.snapshot, part)]
    assert {text for row in frozen if row["id"].startswith("p") for _order, text in row["completions"]} == approved
    version = run.version
    assert (version.store, version.parent, version.status, version.base) == (store, house, "ready", house.base)
    assert run.step == run.total > 1 and 0 < run.metrics["heldout_loss"] < 10
    before, after = (training.trained_folder(v) / "adapter_model.safetensors" for v in (house, version))
    assert before.stat().st_size == after.stat().st_size and before.read_bytes() != after.read_bytes()

    # Nothing goes live that was not compared, unless a person says why.
    page = f"/admin/ml/modelversion/{version.pk}"
    post(f"{page}/promote/")
    post(f"{page}/promote/", override="on")
    assert not Promotion.objects.exists()
    work(sent, "ml.tasks.compare")
    told = Comparison.objects.get()
    assert told.status == "done", told.error
    assert (told.live, told.rows, told.scores[0]["metric"]) == (house, run.snapshot.counts["test"]["rows"], "loss")
    assert 0 < told.scores[0]["live"] != told.scores[0]["candidate"] > 0
    version.refresh_from_db()
    assert version.metrics["agreement"]["logit_correlation"] > 0.95
    passes = promotion.gate(version)[0]
    post(f"{page}/promote/", **({} if passes else {"override": "on", "reason": "It has our voice"}))
    work(sent, "ml.tasks.promote")
    made = Promotion.objects.get()
    assert (made.status, made.override) == ("done", not passes), made.error
    assert AuditEntry.objects.filter(action="overridden").count() == (not passes)

    # The store's next copy is the new version's; other stores keep the house's, and what stood keeps its provenance.
    assert registry.live("copy", store.pk) == version and registry.live("copy", other_store.pk) == house
    fresh = write(mug)
    assert {(a.model_version_id, a.model_label) for a in fresh} == {(version.pk, f"alice-copy-{run.pk}")}
    edited.refresh_from_db()
    assert (edited.text, edited.origin, edited.model_version) == (WORDS, "human", house)

    post(f"{page}/roll-back/")
    version.refresh_from_db()
    assert registry.live("copy", store.pk) == house and version.status == "retired"
    assert {a.model_version_id for a in write(throw)} == {house.pk}
    assert AdAsset.objects.filter(model_version=version).count() == len(fresh)
    assert not sent, "the copy capability has nothing to score again"
