"""The encoder's trainer with real weights: every method merges into what was trained, every option really runs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from ml import metrics, sources
from ml.configs import TextTrainConfig

pytestmark = pytest.mark.training
GOOD = [
    "lovely cup",
    "works very well",
    "great quality",
    "so happy with it",
    "fast delivery",
    "fits perfectly",
    "soft and warm",
]
BAD = [
    "broke at once",
    "terrible smell",
    "never again",
    "arrived broken",
    "a waste of money",
    "far too small",
    "bad service",
]


def _rows(n: int = 28) -> list[dict]:
    out = []
    for i in range(n):
        good = i % 2 == 0
        text = f"{(GOOD if good else BAD)[(i // 2) % 7]}, number {i}"
        out.append({
            "id": str(i), "text": text, "language": "en", "label": "good" if good else "bad", "stars": 5 if good else 1,
            "aspects": {"quality": "positive" if good else "negative"}, "aspects_rest": "absent", "query": text,
            "passage": (GOOD if good else BAD)[(i // 2) % 7],
        })  # fmt: skip
    return out


def _run(folder: Path, rows: list[dict] | None = None, **config) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows or _rows()
    for part, found in (("train", rows), ("valid", rows[:10]), ("test", rows[:8])):
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in found), encoding="utf-8")
    told = {"epochs": 1, "batch_tokens": 128, "max_tokens": 32, "rank": 4, "alpha": 8, "bottleneck": 8, **config}
    base = sources.prepare(settings.ENCODER) and sources.hf_dir(settings.ENCODER)
    spec = {
        "base": str(base),
        "train": "train.jsonl",
        "valid": "valid.jsonl",
        "test": "test.jsonl",
        "config": told,
        "init_from": None,
    }
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


def _train(folder: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "ml.engines.text_trainer", str(folder)],
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return _events(folder)[-1]["metrics"]


def _events(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("method", ["lora", "adalora", "adapter", "full"])
def test_a_method_learns_and_its_converted_model_answers_like_the_trained_one(method, tmp_path):
    rate, epochs = {"full": (1e-4, 6), "adalora": (1e-2, 12)}.get(
        method, (2e-3, 6)
    )  # AdaLoRA starts from singular values of 0
    run = _run(tmp_path / "run", method=method, epochs=epochs, learning_rate=rate, patience=19)
    told = _train(run)
    assert told["valid_stars_acc"] >= 0.9, "it can't tell good from bad on its own training rows"
    from ml.engines.export_review import export

    target = tmp_path / "converted"
    target.mkdir()
    figures = export(sources.hf_dir(settings.ENCODER), run / "result", target)
    assert figures["class_agreement"] >= 0.9 and figures["star_difference"] < 0.5
    from ml.review_model import Classifier

    found = Classifier(target)
    kept = [json.loads(line) for line in (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    more, aspects = found.logits([row["text"] for row in _rows()[:8]])
    trained = metrics.star_probabilities(np.array([p["more"] for p in kept]))
    assert np.abs(metrics.star_probabilities(more) - trained).max() < 0.2
    assert (aspects.argmax(-1) == np.array([p["aspects"] for p in kept]).argmax(-1)).mean() > 0.95


def test_a_killed_training_ends_with_the_same_weights_as_an_undisturbed_one(tmp_path):
    config = {
        "method": "lora",
        "epochs": 3,
        "learning_rate": 1e-3,
        "checkpoint_seconds": 0.01,
        "precision": "fp32",
        "patience": 9,
    }
    whole, cut = _run(tmp_path / "whole", **config), _run(tmp_path / "cut", **config)
    _train(whole)
    process = subprocess.Popen(
        [sys.executable, "-m", "ml.engines.text_trainer", str(cut)], cwd=settings.BASE_DIR, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while time.monotonic() < until and not (cut / "checkpoint" / "complete").exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (cut / "result").exists(), "the training was through before the kill"
    _train(cut)
    assert any(event["event"] == "resumed" for event in _events(cut))
    from safetensors.numpy import load_file

    one, two = (load_file(run / "checkpoint" / "weights.safetensors") for run in (whole, cut))
    assert one.keys() == two.keys()
    assert max(float(np.abs(one[k] - two[k]).max()) for k in one) < 1e-4


@pytest.mark.parametrize(
    "options",
    [{"adversarial": "fgm", "adversarial_share": 1.0, "epochs": 10}, {"adversarial": "pgd", "adversarial_share": 1.0, "epochs": 10}, {"rdrop": 1.0},
     {"label_smoothing": 0.1, "class_balance": 1.0, "accumulate": 2, "schedule": "cosine"},
     {"gradient_checkpointing": True, "method": "full", "learning_rate": 1e-4}],
    ids=["fgm", "pgd", "rdrop", "smoothing", "checkpointing"],
)  # fmt: skip
def test_an_option_trains_and_still_learns(options, tmp_path):
    told = _train(_run(tmp_path, **{"method": "lora", "epochs": 6, "learning_rate": 2e-3, "patience": 19, **options}))
    assert max(told["valid_stars_acc"], told["valid_aspect_polarity_acc"]) >= 0.8


def test_adversarial_training_takes_other_steps_than_plain_training(tmp_path):
    same = {"method": "lora", "learning_rate": 2e-3, "precision": "fp32", "dropout": 0.0}
    _train(_run(tmp_path / "a", **same))
    _train(_run(tmp_path / "b", **same, adversarial="fgm", adversarial_share=1.0))
    from safetensors.numpy import load_file

    one, two = (load_file(tmp_path / k / "checkpoint" / "weights.safetensors") for k in "ab")
    assert max(float(np.abs(one[k] - two[k]).max()) for k in one) > 1e-4


def test_dp_sgd_tells_the_privacy_it_has_spent_and_more_noise_spends_less(tmp_path):
    few = {"method": "lora", "epochs": 2, "learning_rate": 1e-3, "batch_tokens": 256}
    quiet = _train(_run(tmp_path / "quiet", **few, dp_noise=0.6))
    loud = _train(_run(tmp_path / "loud", **few, dp_noise=2.0))
    assert 0 < loud["epsilon"] < quiet["epsilon"]


def test_a_step_that_drew_nobody_still_moves_by_noise_and_is_counted(tmp_path):
    from ml.engines.text_trainer import Training

    run = _run(tmp_path, method="lora", epochs=1, dp_noise=1.0)
    training = Training(run, json.loads((run / "spec.json").read_text()))
    training.optimizer.param_groups[0]["lr"] = 1e-3
    before = training.trainable()
    training.private.step([], lambda rows: 1 / 0)
    after = training.trainable()
    assert any(float((after[k] - before[k]).abs().max()) > 0 for k in before)
    assert training.private.accountant.history


def test_a_search_tries_settings_and_trains_with_the_best(tmp_path):
    run = _run(tmp_path, method="lora", epochs=2, trials=2, objective="classes", learning_rate=1e-3)
    told = _train(run)
    events = _events(run)
    assert [e["number"] for e in events if e["event"] == "trial"] == [0, 1]
    best = next(e for e in events if e["event"] == "best")
    assert (
        json.loads((run / "result" / "result.json").read_text())["config"]["learning_rate"]
        == best["settings"]["learning_rate"]
    )
    assert "valid_acc" in told


def test_masked_words_of_the_stores_texts_get_likelier(tmp_path):
    run = _run(
        tmp_path, objective="mlm", method="full", epochs=3, learning_rate=2e-4, head_learning_rate=1e-3, patience=9
    )
    _train(run)
    losses = [event["metrics"]["loss"] for event in _events(run) if event["event"] == "epoch"]
    assert losses[-1] < losses[0]


def test_queries_come_nearer_to_their_passages(tmp_path):
    run = _run(tmp_path, objective="contrastive", method="lora", epochs=3, learning_rate=1e-3, patience=9)
    assert _train(run)["valid_recall_at_1"] >= 0.7


def test_a_training_asked_to_stop_keeps_its_checkpoint(tmp_path):
    run = _run(tmp_path)
    (run / "cancel").touch()
    done = subprocess.run(
        [sys.executable, "-m", "ml.engines.text_trainer", str(run)], cwd=settings.BASE_DIR, capture_output=True
    )
    assert done.returncode == 3 and (run / "checkpoint" / "complete").exists() and not (run / "result").exists()


@pytest.mark.parametrize(
    ("values", "named"),
    [({"method": "magic"}, "method=magic"), ({"learning_rate": 2}, "learning_rate=2"), ({"colour": 1}, "colour"),
     ({"dp_noise": 1.0, "rdrop": 1.0}, "dp_noise"),
        ({"dp_noise": 1.0, "class_balance": 1.0}, "class_balance"), ({"dp_noise": 1.0, "objective": "contrastive"}, "contrastive"),
        ({"objective": "mlm", "adversarial": "fgm"}, "mlm"), ({"batch_tokens": 10}, "batch_tokens=10")],
)  # fmt: skip
def test_a_bad_setting_is_named(values, named):
    with pytest.raises(ValueError, match=named):
        TextTrainConfig.from_json(values)
