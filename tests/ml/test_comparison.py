"""Bootstrap intervals, the gate, and what a comparison shows."""

import numpy as np
import pytest

from ml import bootstrap, comparison, measures
from ml.aspects import ASPECTS
from ml.bootstrap import Metric, mean

LABELS = ("bad", "good")


def rows_of(n: int, language: str = "en") -> list[dict]:
    return [{"id": str(i), "language": language, "label": LABELS[i % 2], "text": f"text {i}"} for i in range(n)]


def answers(rows: list[dict], wrong: range) -> list[dict]:
    """Right but for the rows of these numbers."""
    return [
        {"label": LABELS[1 - LABELS.index(row["label"])] if i in wrong else row["label"]} for i, row in enumerate(rows)
    ]


def metric(live, candidate) -> Metric:
    parts = [np.stack([np.array(v, float), np.ones(len(v))], 1) for v in (live, candidate)]
    return Metric("accuracy", "all", "", len(live), *parts, mean)


def test_the_interval_of_a_paired_difference_covers_as_the_normal_one_does():
    rng = np.random.default_rng(3)
    live, candidate = rng.random(800) < 0.8, rng.random(800) < 0.85
    (told,) = bootstrap.paired([metric(live, candidate)])
    difference = candidate.astype(float) - live
    half = 1.96 * difference.std() / 800**0.5
    assert told.difference == pytest.approx(difference.mean())
    assert told.low == pytest.approx(difference.mean() - half, abs=0.004)
    assert told.high == pytest.approx(difference.mean() + half, abs=0.004)
    assert bootstrap.paired([metric(live, candidate)])[0] == told, "the same seed, the same numbers"
    (same,) = bootstrap.paired([metric(live, live)])
    assert (same.difference, same.low, same.high) == (0, 0, 0)


def test_the_interval_misses_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    missed = 0
    for seed in range(120):
        live, candidate = rng.random(200) < 0.7, rng.random(200) < 0.75
        (told,) = bootstrap.paired([metric(live, candidate)], resamples=400, seed=seed)
        missed += not told.low <= 0.05 <= told.high
    assert missed <= 16, "about 6 of 120 are expected"


def test_a_better_candidate_passes_and_a_worse_does_not():
    rows = rows_of(400)
    told = comparison.judge(measures.classes(rows, answers(rows, range(0, 80)), answers(rows, range(0, 20))))
    assert told["verdict"] == "better" and told["reasons"] == []
    back = comparison.judge(measures.classes(rows, answers(rows, range(0, 20)), answers(rows, range(0, 80))))
    assert back["verdict"] == "worse" and any(reason.startswith("class bad") for reason in back["reasons"])
    same = comparison.judge(measures.classes(rows, answers(rows, range(0, 20)), answers(rows, range(0, 20))))
    assert same["verdict"] == "not_better" and "not better" in same["reasons"][0]


def test_a_gain_that_could_be_chance_passes_with_a_note():
    rows = rows_of(100)
    told = comparison.judge(measures.classes(rows, answers(rows, range(0, 4)), answers(rows, range(0, 3))))
    assert told["verdict"] == "better" and "could still be chance" in told["reasons"][0]


def test_one_language_that_got_worse_closes_the_gate_though_the_whole_is_better_and_a_tiny_one_does_not():
    rows = [*rows_of(600, "en"), *rows_of(60, "de"), *rows_of(20, "fr")]
    live = answers(rows, range(0, 200))
    german = answers(rows, range(600, 630))
    told = comparison.judge(measures.classes(rows, live, german))
    assert told["verdict"] == "worse" and any("language de" in reason for reason in told["reasons"])
    french = answers(rows, range(660, 680))
    told = comparison.judge(measures.classes(rows, live, french))
    assert told["verdict"] == "better" and not [s for s in told["scores"] if s["group"] == "fr"]


def test_confusion_counts_and_changed_examples_add_up_and_show_both_sides():
    rows = rows_of(100)
    told = comparison.judge(measures.classes(rows, answers(rows, range(0, 30)), answers(rows, range(20, 40))))
    (matrix,) = told["confusion"]
    assert sum(map(sum, matrix["live"])) == 100 and matrix["live"][0][0] + matrix["live"][1][1] == 70
    changed = told["changed"]
    assert (changed["mended"], changed["broken"], changed["other"]) == (20, 10, 0)
    assert {e["effect"] for e in changed["examples"][:4]} == {1, -1}


def stars(best: int, sure: float = 0.9) -> list[float]:
    return [sure if k == best - 1 else (1 - sure) / 4 for k in range(5)]


def about(**found: str) -> list[list[float]]:
    kinds = ("absent", "negative", "neutral", "positive")
    return [[0.97 if k == found.get(a, "absent") else 0.01 for k in kinds] for a in ASPECTS]


def test_reviews_are_measured_by_stars_sentiment_and_aspects_of_whatever_was_labelled():
    rows = [
        *({"id": f"s{i}", "language": "en", "text": "t", "stars": 1 + i % 5} for i in range(100)),
        *(
            {"id": f"a{i}", "language": "de", "text": "t", "aspects": {"price": "negative", "quality": "absent"}}
            for i in range(40)
        ),
        *({"id": f"p{i}", "language": "de", "text": "t", "polarity": "positive"} for i in range(40)),
    ]
    live = [
        *({"stars": stars(3), "aspects": about()} for _ in range(100)),
        *({"stars": stars(3), "aspects": about(quality="positive", design="positive")} for _ in range(40)),
        *({"stars": stars(1), "aspects": about()} for _ in range(40)),
    ]
    candidate = [
        *({"stars": stars(1 + i % 5), "aspects": about()} for i in range(100)),
        *({"stars": stars(3), "aspects": about(price="negative")} for _ in range(40)),
        *({"stars": stars(5), "aspects": about()} for _ in range(40)),
    ]
    told = comparison.judge(measures.reviews(rows, live, candidate))
    found = {(s["kind"], s["group"], s["metric"]): s for s in told["scores"]}
    assert told["verdict"] == "better"
    assert found["all", "", "mae"]["live"] == 1.2 and found["all", "", "mae"]["candidate"] == 0
    assert found["all", "", "mae"]["better"] and not found["all", "", "mae"]["worse"], "lower is better"
    assert found["all", "", "accuracy"]["live"] == pytest.approx(20 / 140, abs=1e-4)
    assert found["all", "", "aspect_f1"]["live"] == 0, "design was not labelled and does not count; quality is wrong"
    assert found["aspect", "price", "f1"]["candidate"] == 1 and found["aspect", "price", "f1"]["gated"]
    assert ("language", "de", "mae") not in found and ("language", "de", "aspect_f1") in found
    assert {m["title"] for m in told["confusion"]} == {"sentiment", "stars"}
    assert told["changed"]["mended"] == 80 + 40 + 40 and told["changed"]["broken"] == 0


def test_texts_are_measured_by_the_loss_a_token_where_lower_is_better():
    rows = [{"id": str(i), "language": "en", "prefix": "facts", "completions": []} for i in range(60)]
    live = [{"loss": 30.0 + i % 3, "tokens": 10, "kinds": {"seo.title": [30.0 + i % 3, 10]}} for i in range(60)]
    better = [{"loss": 20.0, "tokens": 10, "kinds": {"seo.title": [20.0, 10]}} for _ in range(60)]
    told = comparison.judge(measures.completions(rows, live, better))
    assert told["verdict"] == "better" and told["scores"][0]["candidate"] == 2.0
    assert comparison.judge(measures.completions(rows, better, live))["verdict"] == "worse"
