"""Temperatures of the review heads per language, fitted on held-out predictions (Guo et al. 2017)."""

import numpy as np

from ml import metrics
from ml.aspects import ASPECTS, POLARITIES

# Fewer rows than this say too little about a language: it takes the temperature of all.
FEWEST = 80


def _star_loss(more: np.ndarray, low: np.ndarray, high: np.ndarray):
    k = np.arange(1, 6)
    inside = (k >= low[:, None]) & (k <= high[:, None])

    def loss(temperature: float) -> float:
        return float(-np.log((metrics.star_probabilities(more / temperature) * inside).sum(1)).mean())

    return loss


def _aspect_loss(logits: np.ndarray, wanted: np.ndarray):
    known = wanted >= 0

    def loss(temperature: float) -> float:
        p = metrics.softmax(logits / temperature)
        chosen = np.take_along_axis(p, np.maximum(wanted, 0)[..., None], -1)[..., 0]
        return float(-np.log(np.maximum(chosen[known], 1e-9)).mean())

    return loss


def calibrate(predictions: list[dict], rows: list[dict]) -> dict[str, dict[str, float]]:
    """{"stars": {language or "*": temperature}, "aspects": {…}} of predictions with logits and the rows' labels."""
    if not predictions:
        return {}
    from ml.engines.objectives import INTERVALS

    more = np.array([p["more"] for p in predictions])
    aspects = np.array([p["aspects"] for p in predictions])
    spans = [
        (r["stars"], r["stars"]) if r.get("stars") else INTERVALS.get(r.get("polarity") or "", (0, 0)) for r in rows
    ]
    low, high = np.array([s[0] for s in spans]), np.array([s[1] for s in spans])
    wanted = np.array([
        [POLARITIES.index(named[a]) if a in (named := r.get("aspects") or {}) else (0 if r.get("aspects_rest") == "absent" else -100)
         for a in ASPECTS]
        for r in rows
    ])  # fmt: skip
    languages = np.array([r.get("language") or "und" for r in rows])
    out: dict[str, dict[str, float]] = {"stars": {}, "aspects": {}}
    for language in ["*", *sorted(set(languages))]:
        mine = np.ones(len(rows), bool) if language == "*" else languages == language
        stars, told = mine & (low > 0), mine & (wanted >= 0).any(1)
        if stars.sum() >= FEWEST:
            out["stars"][language] = round(
                metrics.best_temperature(_star_loss(more[stars], low[stars], high[stars])), 4
            )
        if told.sum() >= FEWEST:
            out["aspects"][language] = round(metrics.best_temperature(_aspect_loss(aspects[told], wanted[told])), 4)
    return out
