"""The ranker of ad copy: what it learns, that it must beat chance and the live one, and what it does to the writer's choice."""

import json

import numpy as np
import pytest

from ml import bootstrap, comparison, loading, measures, promotion, ranker, ranking, registry, tasks, training
from ml.models import Comparison, ModelVersion
from products import copywriting, preferences
from products.channels import HOUSE
from products.copy_gates import Draft, choose
from products.copy_prompts import Facts
from products.models import AdAsset, CopyRequest, Product
from tests.factories import make_product

THINGS = ("mug", "bowl", "jug", "plate", "vase", "lamp", "clock", "tray")
STUFF = ("Stoneware", "Oak", "Linen", "Wool", "Brass", "Glass", "Cork", "Steel")


def test_it_finds_the_coefficients_that_made_the_pairs():
    rng = np.random.default_rng(7)
    wanted = np.array([2.0, -1.0, 0.0])
    found = rng.normal(size=(4000, 3))
    chosen = rng.random(4000) < 1 / (1 + np.exp(-found @ wanted))
    differences = np.where(chosen[:, None], found, -found)
    beta = ranking.fit(differences, np.ones(4000), 1e-3)
    assert beta == pytest.approx(wanted, abs=0.15)
    assert ranking.log_loss(differences @ beta, np.ones(4000)) < ranking.log_loss(differences @ wanted, np.ones(4000))
    assert ranking.log_loss(np.zeros(5), np.ones(5)) == pytest.approx(np.log(2))
    # A pair of weight 3 counts like three, and a strong pull leaves nothing.
    twice = ranking.fit(np.repeat(differences[:50], 3, 0), np.ones(150), 1.0)
    assert ranking.fit(differences[:50], np.full(50, 3.0), 1.0) == pytest.approx(twice, abs=1e-3)
    assert np.abs(ranking.fit(differences, np.ones(4000), 1e7)).max() < 0.01
    assert ranking.accuracy(np.array([1.0, -1, 0, 2])) == 0.625


def test_texts_are_counted_in_any_script():
    assert ranking.counts("Which mug, 350 ml?", 36) == pytest.approx([0.5, 3 / 18, 1, 0, 1 / 18, 1])
    assert ranking.counts("保温杯，500毫升！", 5)[:4] == pytest.approx([2, 3 / 10, 0, 1])
    assert ranking.features(np.ones((1, 4)), np.ones((1, 4)), ["a"], [10]).shape == (1, 9 + len(ranking.COUNTS))


def row(margins, language="en"):
    pairs = [{"chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(len(margins))]
    return {"id": "p1", "language": language, "about": "Mug", "pairs": pairs}, {"margins": list(margins)}


def test_the_gate_wants_more_than_chance_and_more_than_the_live_one():
    rows, sure = zip(*[row([1, 1, 2, 1]) for _ in range(20)], strict=True)
    nothing = [{"margins": [0.0] * 4} for _ in rows]
    told = comparison.judge(measures.ranking(rows, nothing, sure))
    assert told["verdict"] == Comparison.Verdict.BETTER and told["reasons"] == []
    scores = {s["metric"]: s for s in told["scores"] if s["kind"] == "all"}
    assert (scores["pair_accuracy"]["live"], scores["pair_accuracy"]["candidate"], scores["pair_accuracy"]["n"]) == (
        0.5,
        1,
        80,
    )
    assert told["changed"]["mended"] == 80 and told["changed"]["examples"][0]["wanted"] == "good 0"
    # Six of ten are more than a coin's five, but of so few products that is luck.
    few = [row([1, 1, 1, -1, -1]), row([1, 1, 1, 1, -1]), row([1, 1, -1, -1, -1])]
    luck = comparison.judge(measures.ranking([r for r, _p in few], [{"margins": [0.0] * 5}] * 3, [p for _r, p in few]))
    assert luck["scores"][0]["difference"] == pytest.approx(0.1) and luck["verdict"] == Comparison.Verdict.NOT_BETTER
    assert "over_chance could be chance" in luck["reasons"][-1]
    mixed = [{"margins": [1, 1, -1, 1]} if i % 2 else {"margins": [-1, -1, 1, -1]} for i in range(20)]
    told = comparison.judge(measures.ranking(rows, [{"margins": [-1.0] * 4}] * 20, mixed))
    assert told["verdict"] == Comparison.Verdict.NOT_BETTER and "over_chance could be chance" in told["reasons"][0]
    same = comparison.judge(measures.ranking(rows, sure, sure))
    assert same["verdict"] == Comparison.Verdict.NOT_BETTER and "pair_accuracy is not better" in same["reasons"][0]


def texts(valid, violates=0.0, pairs=(), loss=2.0):
    told = [{"valid": v, "violates": violates > i / len(valid)} for i, v in enumerate(valid)]
    return {"loss": loss, "tokens": 2, "kinds": {"seo.title": [loss, 2]}, "texts": told, "pairs": list(pairs)}


def test_the_writers_gate_looks_at_validity_facts_and_preferences():
    pair = {"suffix": " x", "chosen": "good", "rejected": "bad"}
    rows = [{"id": i, "language": "en", "prefix": "p", "pairs": [pair]} for i in range(40)]
    before = [texts([True, True], pairs=[[-9, 3, -4, 2]]) for _ in rows]
    after = [texts([True, True], pairs=[[-3, 3, -4, 2]], loss=2.2) for _ in rows]
    learned = comparison.judge(measures.preferences(rows, before, after))
    assert learned["verdict"] == Comparison.Verdict.BETTER, learned["reasons"]
    scores = {s["metric"]: s for s in learned["scores"] if s["kind"] == "all"}
    assert (scores["preference_accuracy"]["live"], scores["preference_accuracy"]["candidate"]) == (0, 1)
    assert (scores["preference_gain"]["live"], scores["preference_gain"]["candidate"]) == (0.5, 1)
    assert (scores["valid"]["live"], scores["violations"]["live"], scores["valid"]["n"]) == (1, 0, 80)
    assert learned["changed"]["mended"] == 40 and learned["changed"]["examples"][0]["candidate"] == "good"
    # For approved texts the loss is what counts, and it got worse.
    assert comparison.judge(measures.completions(rows, before, after))["verdict"] == Comparison.Verdict.WORSE
    for spoiled in (texts([True, False], pairs=[[-3, 3, -4, 2]]), texts([True, True], 0.9, [[-3, 3, -4, 2]])):
        told = comparison.judge(measures.preferences(rows, before, [spoiled] * 40))
        assert told["verdict"] == Comparison.Verdict.WORSE and "worse beyond" in " ".join(told["reasons"])
    none = comparison.judge(
        measures.preferences([{**r, "pairs": []} for r in rows], [texts([True])] * 40, [texts([True])] * 40)
    )
    assert none["verdict"] == Comparison.Verdict.NOT_BETTER and "No test row tells" in none["reasons"][0]
    assert bootstrap.mean(np.array([0.0, 0.0])) == 0


# --- the loop, with the real encoder
@pytest.fixture
def models(settings, tmp_path):
    prepared = settings.MODELS_DIR
    settings.MODELS_DIR = tmp_path / "models"
    settings.MODELS_DIR.mkdir()
    for name in (settings.ENCODER, settings.GENERATOR, "house"):
        if (prepared / name).exists():
            (settings.MODELS_DIR / name).symlink_to(prepared / name)
    loading.forget()
    yield settings.MODELS_DIR
    loading.forget()


def teach(store, likes_questions: bool = True) -> None:
    """64 products: a question and a plain text of each, of which one was approved and one rejected."""
    made = [make_product(store, f"{stuff} {thing}", price=None) for stuff in STUFF for thing in THINGS]
    orders = CopyRequest.objects.bulk_create(
        CopyRequest(store=store, product=p, channels=["meta"], locale="en", tone="neutral") for p in made
    )
    assets = []
    for request in orders:
        both = (f"Why not a {request.product.title.lower()}?", f"{request.product.title} for every day")
        for at, text in enumerate(both):
            good = (at == 0) == likes_questions
            assets.append(AdAsset(
                store=store, request=request, product=request.product, field="meta.headline", locale="en", tone="neutral",
                angle="feature", position=at + 1, text=text, machine_text=text, model_label="m", inputs_hash="0",
                status="approved" if good else "rejected",
            ))  # fmt: skip
    AdAsset.objects.bulk_create(assets)


def trained(store, sent) -> ModelVersion:
    run = training.start(capability_name="copy_ranking", store=store, config={}, by=None)
    tasks.train(run.job_id)
    run.refresh_from_db()
    assert run.status == "done", run.error
    for job in [job for job in sent if job.task == "ml.tasks.compare"]:
        sent.remove(job)
        tasks.compare(job.pk)
    return run.version


@pytest.mark.django_db(transaction=True)
def test_a_stores_ranker_is_trained_compared_promoted_and_puts_the_better_text_first(
    models, store, other_store, monkeypatch
):
    sent: list = []
    monkeypatch.setattr("ml.tasks.send", sent.append)
    teach(store)
    rows = preferences.for_ranking(store)
    assert sum(len(r["pairs"]) for part in rows.values() for r in part) == 64 and all(rows.values())
    assert preferences.for_ranking(None) == {"train": [], "valid": [], "test": []}
    facts, limit = Facts("Copper kettle"), HOUSE["meta.headline"]
    drafts = [Draft(t, "feature", -1.0, [], 0.5) for t in ("Copper kettle for every day", "Why not a copper kettle?")]
    assert copywriting.ranked(store.pk, facts, drafts, limit) == (drafts, {})

    version = trained(store, sent)
    assert (
        version.metrics["pair_accuracy"] == 1
        and version.method == "bradley-terry"
        and version.metrics["pairs_train"] > 30
    )
    told = Comparison.objects.get(candidate=version)
    assert (told.live, told.verdict) == (None, "better"), told.reasons
    assert told.scores[0]["live"] == 0.5 and told.scores[0]["candidate"] == 1
    tasks.promote(promotion.request(version=version, by=None).job_id)
    assert registry.live("copy_ranking", store.pk) == version and registry.live("copy_ranking", other_store.pk) is None

    ranked, scores = copywriting.ranked(store.pk, facts, drafts, limit)
    assert choose(drafts, 1)[0] is drafts[0] and choose(ranked, 1)[0].text == "Why not a copper kettle?"
    best, other = scores["Why not a copper kettle?"], scores["Copper kettle for every day"]
    assert best["score"] > other["score"] and (best["version"], best["label"]) == (version.pk, version.label)
    assert max(abs(d.fit) for d in ranked) <= copywriting.MOST_FIT
    assert copywriting.ranked(other_store.pk, facts, drafts, limit) == (drafts, {})

    # The same data again are no better than what is live, and another encoder's ranker isn't used.
    again = trained(store, sent)
    closed, reasons, _found = promotion.gate(again)
    assert not closed and "pair_accuracy is not better" in reasons[0]
    ModelVersion.objects.filter(pk=version.pk).update(base="another")
    loading.forget()
    assert ranker.live(store.pk) is None


@pytest.mark.django_db
def test_too_few_pairs_are_told(models, store, monkeypatch):
    monkeypatch.setattr("ml.tasks.send", lambda job: None)
    run = training.start(capability_name="copy_ranking", store=store, config={}, by=None)
    with pytest.raises(Exception, match="no rows yet"):
        tasks.train(run.job_id)
    run.refresh_from_db()
    assert run.status == "failed" and "train part has no rows" in run.error
    with pytest.raises(training.TrainingError, match="l2=-1"):
        training.start(capability_name="copy_ranking", store=store, config={"l2": -1.0}, by=None)
    with pytest.raises(training.TrainingError, match="objective review is not offered|objective=review"):
        training.start(capability_name="copy", store=store, config={"objective": "review"}, by=None)


@pytest.mark.django_db
def test_the_score_and_its_version_stand_beside_a_written_text(models, store, monkeypatch):
    """The house's real writer, and a ranker that is live."""
    if not (models / "house").exists():
        pytest.skip("the house models are not prepared")
    registry.register_house()
    folder = models / "versions" / "r"
    folder.mkdir(parents=True)
    size = 2 * 384 + 1 + len(ranking.COUNTS)
    with (folder / "model.bin").open("wb") as file:
        ranking.Model(np.eye(size)[-6], np.ones(size), "e").save(file)  # the longer, the better
    version = registry.new_version(
        capability="copy_ranking",
        store_id=store.pk,
        base="multilingual-e5-small",
        method="bradley-terry",
        label="alice-r",
    )
    registry.mark_ready(version, path="versions/r", metrics={})
    registry.promote(version)
    product = make_product(store, "Stoneware mug 350 ml", attributes={"Material": "Stoneware", "Volume": "350 ml"})
    order = CopyRequest.objects.create(
        store=store, product=product, channels=["meta"], locale="en", tone="neutral", asked={"meta.headline": 2}
    )

    class Run:
        cancelled = False

        def advance(self, done, *, total=None, message=None):
            pass

        def check(self):
            pass

    copywriting.write(order, Run())
    assets = list(order.assets.order_by("position"))
    assert assets, order.thrown_away
    for asset in assets:
        told = asset.ranking
        assert (told["version"], told["label"]) == (version.pk, "alice-r")
        assert told["score"] == pytest.approx(min(2, len(asset.text) / HOUSE["meta.headline"].aim), abs=1e-3)
    assert json.dumps(assets[0].ranking) and Product.objects.filter(store=store).count() == 1
