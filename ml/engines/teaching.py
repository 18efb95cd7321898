"""Teachers' answers as targets: several trained models read the rows, the next one learns from their mean (Hinton et al.
2015, arXiv 1503.02531). No Django here."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml import metrics
from ml.engines.results import read_result


def taught(rows: Sequence[dict], runs: Sequence[Path]) -> list[dict]:
    """The rows with "soft_stars" (5) and "soft_aspects" (aspects, 4): the mean of the calibrated probabilities in the
    runs' predictions.jsonl, which were made of the same rows in the same order. Raises ValueError where they weren't."""
    stars, aspects = np.zeros((len(rows), 5)), None
    for run in runs:
        told = [json.loads(line) for line in (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
        if [row.get("id") for row in rows] != [p["id"] for p in told]:
            raise ValueError(f"{run}: its predictions are of other rows")
        known = read_result(run / "result")["calibration"]

        def temperature(kind: str, known: dict = known) -> np.ndarray:
            of = known.get(kind, {})
            return np.array([of.get(row.get("language"), of.get("*", 1.0)) for row in rows])

        more = np.array([p["more"] for p in told]) / temperature("stars")[:, None]
        found = metrics.star_probabilities(more)
        stars += found / found.sum(1, keepdims=True) / len(runs)
        other = metrics.softmax(np.array([p["aspects"] for p in told]) / temperature("aspects")[:, None, None])
        aspects = other / len(runs) if aspects is None else aspects + other / len(runs)
    assert aspects is not None
    return [
        {**row, "soft_stars": s.round(4).tolist(), "soft_aspects": a.round(4).tolist()}
        for row, s, a in zip(rows, stars, aspects, strict=True)
    ]
