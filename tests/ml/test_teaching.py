"""A model that learns from teachers: their mean becomes the target, and the student goes on from the first one's weights."""

import json

import numpy as np
import pytest

from ml import metrics
from ml.aspects import ASPECTS
from ml.engines.teaching import taught


def _teacher(folder, more, aspects, temperature=1.0, ids=("a", "b")):
    (folder / "result").mkdir(parents=True)
    told = {"calibration": {"stars": {"*": temperature}, "aspects": {"*": 1.0}}}
    (folder / "result" / "result.json").write_text(json.dumps(told), encoding="utf-8")
    lines = [json.dumps({"id": i, "more": m, "aspects": a}) for i, m, a in zip(ids, more, aspects, strict=True)]
    (folder / "predictions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_the_target_is_the_mean_of_the_calibrated_answers(tmp_path):
    rows = [{"id": "a", "text": "good", "language": "en"}, {"id": "b", "text": "bad", "language": "de"}]
    none = [[3.0, 0, 0, 0]] * len(ASPECTS)
    sure = [[0, 0, 0, 5.0]] * len(ASPECTS)
    up, down = [4.0, 3, 2, 1], [-1.0, -2, -3, -4]
    one = _teacher(tmp_path / "one", [up, down], [none, sure])
    two = _teacher(tmp_path / "two", [down, down], [sure, sure], temperature=2.0)
    first, second = taught(rows, [one, two])
    wanted = (metrics.star_probabilities(np.array([up]))[0] + metrics.star_probabilities(np.array([down]) / 2)[0]) / 2
    assert first["soft_stars"] == pytest.approx(wanted, abs=1e-3) and sum(first["soft_stars"]) == pytest.approx(
        1, abs=1e-3
    )
    both = (metrics.softmax(np.array(none[0])) + metrics.softmax(np.array(sure[0]))) / 2
    assert first["soft_aspects"][0] == pytest.approx(both, abs=1e-3)
    assert second["soft_stars"][0] > 0.5 and second["text"] == "bad"


def test_predictions_of_other_rows_are_refused(tmp_path):
    run = _teacher(tmp_path / "one", [[0.0] * 4] * 2, [[[0.0] * 4] * len(ASPECTS)] * 2, ids=("b", "a"))
    with pytest.raises(ValueError, match="other rows"):
        taught([{"id": "a"}, {"id": "b"}], [run])


def test_how_near_a_student_comes_to_its_teachers_counts_the_taught_rows_only():
    from types import SimpleNamespace

    import torch

    from ml.engines.objectives import ReviewObjective

    stars = np.array([[1.0, 0, 0, 0, 0], [0, 0, 0, 0, 1.0], [0, 1.0, 0, 0, 0]])
    aspects = np.zeros((3, len(ASPECTS), 4))
    aspects[..., 0] = 1
    soft = torch.tensor([[1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0], [0.0] * 5])  # the third row was not taught
    others = torch.tensor(aspects)
    others[0, :6] = torch.tensor([0, 0, 0, 1.0], dtype=torch.float64)
    data = SimpleNamespace(soft_stars=soft, soft_aspects=others)
    # stars: one row as told, one apart; aspects: a quarter of the two rows' apart
    assert ReviewObjective._agreement(data, stars, aspects) == pytest.approx(1 - (0.5 + 0.25) / 2)


@pytest.mark.training
def test_a_student_follows_its_teachers_against_the_labels_as_far_as_it_is_told(tmp_path):
    from tests.ml.test_text_training import _rows, _run, _train

    start = _run(tmp_path / "start", method="adapter", objective="review")
    _train(start)
    contrary = [
        {**row, "soft_stars": [0.96, 0.01, 0.01, 0.01, 0.01] if row["stars"] == 5 else [0.01, 0.01, 0.01, 0.01, 0.96],
         "soft_aspects": [[0.97, 0.01, 0.01, 0.01]] * len(ASPECTS)} for row in _rows()
    ]  # fmt: skip
    means = {}
    for share in (0.0, 1.0):
        run = _run(
            tmp_path / f"student-{share}", contrary, method="adapter", objective="review", distil=share, epochs=20, patience=20,
            learning_rate=2e-3,
        )  # fmt: skip
        spec = json.loads((run / "spec.json").read_text())
        (run / "spec.json").write_text(json.dumps({**spec, "goes_on_from": str(start / "result")}))
        _train(run)
        told = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
        good = metrics.star_probabilities(np.array([p["more"] for p in told if int(p["id"]) % 2 == 0]))
        means[share] = float((good @ np.arange(1, 6)).mean())
    assert means[0.0] > 4 > 2 > means[1.0], means
