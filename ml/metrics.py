"""Measures of classifiers in numpy: what training, comparison and benchmarks all report."""

import numpy as np

from ml.aspects import ASPECTS

Array = np.ndarray


def macro_f1(wanted: Array, got: Array, classes: int | None = None) -> float:
    """Mean F1 over the classes that occur in `wanted` (n,) or `got` (n,)."""
    kinds = range(classes) if classes is not None else np.union1d(wanted, got)
    scores = []
    for kind in kinds:
        hit = float(((wanted == kind) & (got == kind)).sum())
        all_ = float((wanted == kind).sum() + (got == kind).sum())
        if all_:
            scores.append(2 * hit / all_)
    return float(np.mean(scores)) if scores else 0.0


def three_classes(stars: Array) -> Array:
    """Stars 1…5 → 0 negative (1, 2), 1 neutral (3), 2 positive (4, 5)."""
    return np.digitize(stars, [2.5, 3.5])


def sentiment_probabilities(stars: Array) -> Array:
    """(n, 3) negative, neutral, positive from (n, 5) star probabilities: sums of the same head, so they agree."""
    return np.stack([stars[:, 0] + stars[:, 1], stars[:, 2], stars[:, 3] + stars[:, 4]], 1)


def best_star(stars: Array) -> Array:
    """The median star (n,) of (n, 5) probabilities: it makes the expected absolute error least."""
    return (np.cumsum(stars, 1) < 0.5).sum(1) + 1


def ece(confidence: Array, correct: Array, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017), bins of equal width."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = at == b
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(total)


def star_metrics(probabilities: Array, wanted: Array) -> dict[str, float]:
    """Exact share, mean absolute error, within one, three-class accuracy, macro-F1 and ECE; `wanted` (n,) in 1…5."""
    got = best_star(probabilities)
    three, wanted3 = sentiment_probabilities(probabilities), three_classes(wanted)
    got3 = three.argmax(1)
    return {
        "exact": float((got == wanted).mean()),
        "mae": float(np.abs(got - wanted).mean()),
        "within1": float((np.abs(got - wanted) <= 1).mean()),
        "acc": float((got3 == wanted3).mean()),
        "macro_f1": macro_f1(wanted3, got3, 3),
        "ece": ece(three.max(1), got3 == wanted3),
        "n": len(wanted),
    }


def polarity_metrics(probabilities: Array, wanted: Array) -> dict[str, float]:
    """Accuracy, macro-F1 and ECE against polarities `wanted` (n,): 0 negative, 1 neutral, 2 positive. Where the data has
    no neutral rows only the two others can win."""
    three = sentiment_probabilities(probabilities)
    if not (wanted == 1).any():
        three = three.copy()
        three[:, 1] = 0
    three = three / three.sum(1, keepdims=True)
    got = three.argmax(1)
    return {
        "acc": float((got == wanted).mean()), "macro_f1": macro_f1(wanted, got),
        "ece": ece(three.max(1), got == wanted), "n": len(wanted),
    }  # fmt: skip


def aspect_metrics(probabilities: Array, wanted: Array) -> dict[str, float]:
    """Micro- and macro-F1 of which aspects a text is about, and the polarity accuracy where it was found.

    `probabilities` (n, aspects, 4: absent, negative, neutral, positive), `wanted` (n, aspects) of the same classes, -100
    unknown. An aspect counts as found when "absent" is less likely than one half.
    """
    known = wanted >= 0
    found, true = (probabilities[..., 0] < 0.5) & known, (wanted > 0) & known
    hits = (found & true).sum(0).astype(float)
    size = (found.sum(0) + true.sum(0)).astype(float)
    each = {name: float(2 * h / s) for name, h, s in zip(ASPECTS, hits, size, strict=False) if s}
    both = found & true
    polarity = probabilities[..., 1:].argmax(-1) + 1
    return {
        "micro_f1": float(2 * hits.sum() / max(1.0, size.sum())),
        "macro_f1": float(np.mean(list(each.values()))) if each else 0.0,
        "polarity_acc": float((polarity == wanted)[both].mean()) if both.any() else 0.0,
        "n": int(known.any(1).sum()),
        **{f"f1_{name}": value for name, value in each.items()},
    }


def softmax(logits: Array) -> Array:
    """Over the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def star_probabilities(more: Array) -> Array:
    """(n, 5) from (n, 4) logits of "more than k stars"."""
    above = 1 / (1 + np.exp(-more))
    one = np.ones((len(more), 1))
    return np.clip(np.hstack([one, above]) - np.hstack([above, 0 * one]), 1e-7, 1)


def best_temperature(loss, low: float = 0.3, high: float = 5.0) -> float:
    """The temperature in [low, high] with the least `loss(temperature)`, by golden-section search on its logarithm."""
    a, b = np.log(low), np.log(high)
    golden = (5**0.5 - 1) / 2
    for _ in range(30):
        c, d = b - golden * (b - a), a + golden * (b - a)
        if loss(float(np.exp(c))) < loss(float(np.exp(d))):
            b = d
        else:
            a = c
    return float(np.exp((a + b) / 2))
