"""Teachers' answers as targets: several trained models read the rows, the next one learns from their mean (Hinton et al.
2015, arXiv 1503.02531); and the mean of the weights along a training's way (Wortsman et al. 2022, arXiv 2203.05482), which
forgets less of the languages that the rows lack. No Django here."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from ml import metrics
from ml.engines.results import read_result
from ml.engines.text_trainer import Training


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


def averaged(results: Sequence[Path], run: Path) -> dict[str, float]:
    """Write into `run`/result the mean of the weights of `results`, which one method trained on from another; metrics and
    temperatures are taken on the run's own parts. Returns the metrics."""
    training = Training(run, json.loads((run / "spec.json").read_text(encoding="utf-8")))
    weights = [load_file(result / "weights.safetensors") for result in results]
    training.load({name: torch.stack([w[name].float() for w in weights]).mean(0) for name in weights[0]})
    return training.finish(sum(read_result(result)["metrics"]["seconds"] for result in results))
