"""What a comparison looks at, for each kind of prediction: metrics over all rows, per language, class and aspect;
confusion matrices; the rows whose answer changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ml import metrics as plain
from ml.aspects import ASPECTS, POLARITIES
from ml.bootstrap import Array, Finish, Metric, f1, macro_f1, mean

FEWEST = 30  # rows below which a language or class says too little to close the gate
SENTIMENTS = ("negative", "neutral", "positive")


@dataclass(frozen=True)
class Confusion:
    """Rows wanted × got, for the live version and the candidate."""

    title: str
    labels: tuple[str, ...]
    live: list[list[int]]
    candidate: list[list[int]]


@dataclass(frozen=True)
class Change:
    """A row that is answered otherwise: +1 the candidate mends it, -1 it breaks it, 0 both are wrong or none told."""

    row: dict
    wanted: str
    live: str
    candidate: str
    effect: int


@dataclass
class Measured:
    """`main` names the metric of kind "all" that must get better."""

    main: str
    metrics: list[Metric] = field(default_factory=list)
    confusion: list[Confusion] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


def _groups(rows: Sequence[dict]) -> list[tuple[str, str, Array]]:
    """(kind, name, mask) of all rows and of each language that has enough."""
    languages = np.array([str(row.get("language") or "und") for row in rows])
    out = [("all", "", np.ones(len(rows), bool))]
    for name in sorted(set(languages)):
        if (languages == name).sum() >= FEWEST:
            out.append(("language", str(name), languages == name))
    return out


def _masked(values: Array, mask: Array) -> Array:
    return np.where(mask[:, None], values, 0.0)


def _of_mean(values: Array, known: Array) -> Array:
    return np.stack([np.where(known, values, 0.0), known.astype(float)], 1)


def _of_classes(wanted: Array, got: Array, known: Array, classes: int) -> Array:
    """(n, 2 classes): hits of each class, then wanted + got of each."""
    k = np.arange(classes)
    w, g = (wanted[:, None] == k) & known[:, None], (got[:, None] == k) & known[:, None]
    return np.hstack([(w & g).astype(float), w.astype(float) + g])


def _matrix(wanted: Array, got: Array, classes: int) -> list[list[int]]:
    flat = np.bincount(wanted * classes + got, minlength=classes * classes)
    return flat.reshape(classes, classes).tolist()


def _class_metrics(labels: Sequence[str], wanted: Array, live: Array, candidate: Array, known: Array) -> list[Metric]:
    """F1 of each class; gated where it has enough rows."""
    out = []
    count = len(labels)
    parts = [_of_classes(wanted, got, known, count) for got in (live, candidate)]
    for at, label in enumerate(labels):
        rows = int(((wanted == at) & known).sum())
        if rows:
            one, two = (p[:, [at, count + at]] for p in parts)
            out.append(Metric("f1", "class", label, rows, one, two, f1, gated=rows >= FEWEST))
    return out


def _changes(
    rows: Sequence[dict], wanted: Sequence[str], live: Sequence[str], candidate: Sequence[str]
) -> list[Change]:
    out = []
    for row, w, one, two in zip(rows, wanted, live, candidate, strict=True):
        if one != two:
            out.append(Change(row, w, one, two, (two == w) - (one == w) if w else 0))
    return out


def classes(rows: Sequence[dict], live: Sequence[dict], candidate: Sequence[dict]) -> Measured:
    """Plain classes: rows with "label", predictions with "label"."""
    labels = sorted({str(r["label"]) for r in rows} | {str(p["label"]) for p in [*live, *candidate]})
    number = {label: at for at, label in enumerate(labels)}
    wanted, one, two = (np.array([number[str(r["label"])] for r in found]) for found in (rows, live, candidate))
    known = np.ones(len(rows), bool)
    out = Measured("accuracy")
    for kind, group, mask in _groups(rows):
        n = int(mask.sum())
        accuracy = [_of_mean((got == wanted).astype(float), mask) for got in (one, two)]
        out.metrics.append(Metric("accuracy", kind, group, n, *accuracy, mean, gated=kind == "language"))
        macro = [_of_classes(wanted, got, mask, len(labels)) for got in (one, two)]
        out.metrics.append(Metric("macro_f1", kind, group, n, *macro, macro_f1))
    out.metrics += _class_metrics(labels, wanted, one, two, known)
    count = len(labels)
    out.confusion.append(Confusion("classes", tuple(labels), _matrix(wanted, one, count), _matrix(wanted, two, count)))
    names = [[labels[i] for i in found] for found in (wanted, one, two)]
    out.changes = _changes(rows, *names)
    return out


def _sums(found: Sequence[dict], name: str) -> Array:
    """(n, 2): sum and count of the numbers that each prediction has under that name."""
    return np.array([[sum(p.get(name, ())), len(p.get(name, ()))] for p in found], float).reshape(-1, 2)


def _preferred(pairs: Sequence[Sequence[float]]) -> list[float]:
    """1 for each pair whose chosen text is likelier per token than the rejected one."""
    return [float(chosen / n > rejected / m) for chosen, n, rejected, m in pairs]


def _moved(live: Sequence[Sequence[float]], candidate: Sequence[Sequence[float]]) -> list[float]:
    """1 for each pair whose likelihood ratio is higher than the live version's (the implicit reward of Rafailov et al.
    2023 with the live version as reference), ½ where it is the same."""
    gains = [(c[0] - c[2]) - (a[0] - a[2]) for a, c in zip(live, candidate, strict=True)]
    return [0.5 if gain == 0 else float(gain > 0) for gain in gains]


def _writing(rows: Sequence[dict], live: Sequence[dict], candidate: Sequence[dict]) -> list[Metric]:
    """Of texts that both wrote to the same orders (predictions with "texts": [{"valid", "violates"}, …]): the shares that
    keep to the channels' rules and that state what no fact holds. Of pairs ("pairs"): whether the chosen text is the
    likelier one. None of it may get worse."""
    out = []
    sides: dict[str, list[Array]] = {}
    for name, kind in (("valid", "valid"), ("violations", "violates")):
        sides[name] = [
            _sums([{"n": [float(t[kind]) for t in p.get("texts", ())]} for p in found], "n")
            for found in (live, candidate)
        ]
    sides["preference_accuracy"] = [
        _sums([{"n": _preferred(p.get("pairs", ()))} for p in found], "n") for found in (live, candidate)
    ]
    moved = [{"n": _moved(a.get("pairs", ()), c.get("pairs", ()))} for a, c in zip(live, candidate, strict=True)]
    sides["preference_gain"] = [_sums([{"n": [0.5] * len(m["n"])} for m in moved], "n"), _sums(moved, "n")]
    for name, (one, two) in sides.items():
        if n := int(one[:, 1].sum()):
            out.append(
                Metric(name, "all", "", n, one, two, mean, higher_is_better=name != "violations",
                       gated=name != "preference_gain")
            )  # fmt: skip
    return out


def completions(rows: Sequence[dict], live: Sequence[dict], candidate: Sequence[dict]) -> Measured:
    """Texts: predictions {"loss": sum of -log p over the wanted tokens, "tokens", "kinds": {kind: [loss, tokens]}}; the
    metric is the loss a token, lower is better. What both wrote and which of two texts they prefer is measured where the
    predictions tell it."""
    out = Measured("loss")

    def parts(found: Sequence[dict], mask: Array) -> Array:
        values = np.array([[p["loss"], p["tokens"]] for p in found], float)
        return _masked(values, mask)

    for kind, group, mask in _groups(rows):
        out.metrics.append(
            Metric("loss", kind, group, int(mask.sum()), parts(live, mask), parts(candidate, mask), mean,
                   higher_is_better=False, gated=kind == "language")
        )  # fmt: skip
    out.metrics += _writing(rows, live, candidate)
    for name in sorted({k for p in live for k in p["kinds"]}):
        one, two = (np.array([p["kinds"].get(name, (0, 0)) for p in found], float) for found in (live, candidate))
        n = int((one[:, 1] > 0).sum())
        out.metrics.append(Metric("loss", "class", name, n, one, two, mean, higher_is_better=False, gated=n >= FEWEST))
    moved = [
        (abs(two["loss"] / max(1, two["tokens"]) - one["loss"] / max(1, one["tokens"])), at)
        for at, (one, two) in enumerate(zip(live, candidate, strict=True))
        if one["tokens"]
    ]
    for _size, at in sorted(moved, reverse=True)[:50]:
        one, two = (p["loss"] / max(1, p["tokens"]) for p in (live[at], candidate[at]))
        out.changes.append(Change(rows[at], "", f"{one:.3f}", f"{two:.3f}", 1 if two < one else -1))
    return out


def preferences(rows: Sequence[dict], live: Sequence[dict], candidate: Sequence[dict]) -> Measured:
    """What `completions` measures, for a candidate that learned from pairs: the chosen texts must be preferred more often,
    and the loss of the hand-written texts may rise."""
    found = completions(rows, live, candidate)
    metrics = [replace(m, gated=m.gated and m.name != "loss") for m in found.metrics]
    out = Measured("preference_accuracy", metrics)
    for row, one, two in zip(rows, live, candidate, strict=True):
        sides = _preferred(one["pairs"]), _preferred(two["pairs"])
        for pair, before, after in zip(row.get("pairs", ()), *sides, strict=True):
            if before != after:
                texts = (pair["rejected"], pair["chosen"])
                told = Change(row, texts[1], texts[int(before)], texts[int(after)], int(after - before))
                out.changes.append(told)
    return out


def ranking(rows: Sequence[dict], live: Sequence[dict], candidate: Sequence[dict]) -> Measured:
    """Pairs of texts: predictions {"margins": score of the chosen minus that of the rejected, a pair}, rows {"pairs"}. A
    candidate must beat what is live, and chance beyond its interval."""
    out = Measured("pair_accuracy")

    def hits(found: Sequence[dict]) -> list[list[float]]:
        return [[0.5 if m == 0 else float(m > 0) for m in p["margins"]] for p in found]

    def parts(values: list[list[float]], mask: Array) -> Array:
        return _masked(_sums([{"n": v} for v in values], "n"), mask)

    one, two = hits(live), hits(candidate)
    chance = [[0.5] * len(values) for values in two]
    every = np.ones(len(rows), bool)
    pairs = sum(map(len, two))
    out.metrics.append(Metric("pair_accuracy", "all", "", pairs, parts(one, every), parts(two, every), mean))
    out.metrics.append(
        Metric("over_chance", "all", "", pairs, parts(chance, every), parts(two, every), mean, must_gain=True)
    )
    sides = [("language", str(row.get("language") or "und")) for row in rows]
    for kind, group in sorted(set(sides)):
        mask = np.array([side == (kind, group) for side in sides])
        n = int(parts(two, mask)[:, 1].sum())
        if n >= FEWEST:
            out.metrics.append(
                Metric("pair_accuracy", kind, group, n, parts(one, mask), parts(two, mask), mean, gated=True)
            )
    for row, before, after in zip(rows, one, two, strict=True):
        for pair, a, b in zip(row["pairs"], before, after, strict=True):
            if a != b:
                texts = {0.0: pair["rejected"], 1.0: pair["chosen"], 0.5: ""}
                out.changes.append(
                    Change({**row, "text": row["about"]}, pair["chosen"], texts[a], texts[b], 1 if b > a else -1)
                )
    return out


def _score(which: Sequence[bool]) -> Finish:
    """Mean of what is known: 1 - MAE / 4, three-class accuracy, F1 of the aspects; of (…, 6) sums."""
    weights = np.array(which, float)

    def finish(sums: Array) -> Array:
        each = np.stack([1 - mean(sums[..., :2]) / 4, mean(sums[..., 2:4]), f1(sums[..., 4:])], -1)
        return (each * weights).sum(-1) / max(1.0, weights.sum())

    return finish


def _wanted(rows: Sequence[dict]) -> tuple[Array, Array, Array]:
    """(stars or 0, sentiment or -1, aspects (n, 12) or -100) that the rows tell."""
    stars = np.array([int(row.get("stars") or 0) for row in rows])
    told = np.array([SENTIMENTS.index(p) if (p := row.get("polarity")) else -1 for row in rows])
    sentiment = np.where(stars > 0, plain.three_classes(stars), told)
    aspects = np.full((len(rows), len(ASPECTS)), -100)
    for at, row in enumerate(rows):
        if row.get("aspects_rest") == "absent":
            aspects[at] = 0
        for name, polarity in (row.get("aspects") or {}).items():
            if name in ASPECTS:
                aspects[at, ASPECTS.index(name)] = POLARITIES.index(polarity)
    return stars, sentiment, aspects


def reviews(rows: Sequence[dict], live: Sequence[dict], candidate: Sequence[dict]) -> Measured:
    """Stars, sentiment and aspects: predictions {"stars": five probabilities, "aspects": 12 × (absent, negative, neutral,
    positive)}. An aspect counts as found when "absent" is less likely than one half."""
    stars, sentiment, aspects = _wanted(rows)
    given, known = stars > 0, sentiment >= 0
    out = Measured("score")
    got: list[dict[str, Any]] = []
    for found in (live, candidate):
        p = np.array([f["stars"] for f in found], float)
        a = np.array([f["aspects"] for f in found], float)
        three = plain.sentiment_probabilities(p)
        hits = ((a[..., 0] < 0.5) & (aspects > 0)).astype(float)
        size = ((a[..., 0] < 0.5) & (aspects >= 0)).astype(float) + (aspects > 0)
        got.append({
            "star": plain.best_star(p), "sentiment": three.argmax(1), "hits": hits, "size": size,
            "polarity": np.where(a[..., 0] < 0.5, a[..., 1:].argmax(-1) + 1, 0),
        })  # fmt: skip

    def both(make: Callable[[dict], Array], mask: Array) -> tuple[Array, Array]:
        return _masked(make(got[0]), mask), _masked(make(got[1]), mask)

    error = lambda g: _of_mean(np.abs(g["star"] - stars).astype(float), given)
    right = lambda g: _of_mean((g["sentiment"] == sentiment).astype(float), known)
    micro = lambda g: np.stack([g["hits"].sum(1), g["size"].sum(1)], 1)
    macro = lambda g: _of_classes(sentiment, g["sentiment"], known, 3)
    for kind, group, mask in _groups(rows):
        has = [bool((given & mask).any()), bool((known & mask).any()), bool((aspects[mask] > 0).any())]
        if not any(has):
            continue
        every = lambda g: np.hstack([error(g), right(g), micro(g)])
        out.metrics.append(
            Metric("score", kind, group, int(mask.sum()), *both(every, mask), _score(has), gated=kind == "language")
        )
        if has[1]:
            n = int((known & mask).sum())
            out.metrics.append(Metric("accuracy", kind, group, n, *both(right, mask), mean))
            out.metrics.append(Metric("macro_f1", kind, group, n, *both(macro, mask), macro_f1))
        if has[0]:
            n = int((given & mask).sum())
            out.metrics.append(Metric("mae", kind, group, n, *both(error, mask), mean, higher_is_better=False))
        if has[2]:
            n = int(((aspects >= 0).any(1) & mask).sum())
            out.metrics.append(Metric("aspect_f1", kind, group, n, *both(micro, mask), f1))
    out.metrics += _class_metrics(SENTIMENTS, sentiment, got[0]["sentiment"], got[1]["sentiment"], known)
    for at, name in enumerate(ASPECTS):
        n = int((aspects[:, at] > 0).sum())
        if n:
            each = lambda g, at=at: np.stack([g["hits"][:, at], g["size"][:, at]], 1)
            one, two = each(got[0]), each(got[1])
            out.metrics.append(Metric("f1", "aspect", name, n, one, two, f1, gated=n >= FEWEST))
    if known.any():
        pair = [_matrix(sentiment[known], g["sentiment"][known], 3) for g in got]
        out.confusion.append(Confusion("sentiment", SENTIMENTS, *pair))
    if given.any():
        pair = [_matrix(stars[given] - 1, g["star"][given] - 1, 5) for g in got]
        out.confusion.append(Confusion("stars", ("1", "2", "3", "4", "5"), *pair))

    def words(three: int, polarity: Array, at: int) -> str:
        named = [
            f"{a} {POLARITIES[int(p)]}"
            for a, p, k in zip(ASPECTS, polarity, aspects[at], strict=True)
            if p > 0 and k >= 0
        ]
        return ", ".join([SENTIMENTS[three] if three >= 0 else "", *named]).strip(", ")

    texts = [
        [words(int(g["sentiment"][i]) if known[i] else -1, g["polarity"][i], i) for i in range(len(rows))] for g in got
    ]
    truth = [words(int(sentiment[i]), aspects[i], i) for i in range(len(rows))]
    out.changes = _changes(rows, truth, *texts)
    return out
