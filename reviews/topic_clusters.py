"""Clusters of phrase vectors, their names, and which old cluster a new one is. Pure: arrays and texts in and out."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from reviews.phrases import UNSPACED, base, words

THRESHOLD = 0.3  # centred cosine, on average over a cluster
MOST_LINKED = 3000  # phrases that are linked with one another: 36 MB of distances; the rest joins the nearest cluster
SAME = 0.5  # mean of centroid cosine and overlap from which a new cluster is an old one


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def centroid(vectors: np.ndarray) -> np.ndarray:
    """Unit mean of unit vectors (n, d) → (d,)."""
    return _unit(vectors.mean(axis=0)).astype(np.float32)


def cluster(vectors: np.ndarray, owners: Sequence[int], *, smallest: int = 10, threshold: float = THRESHOLD) -> list[list[int]]:  # fmt: skip
    """Row numbers of each cluster with phrases of at least `smallest` distinct reviews, the largest first.

    Average-link agglomeration (Sokal and Michener 1958) on cosines, cut at `threshold`. Encoders of the e5 family give
    every pair a cosine above 0.7; the mean vector is taken away first (Mu and Viswanath 2018, arXiv 1702.01417). Beyond
    MOST_LINKED phrases a sample, chosen by the hash of the row number, is linked and the others join the nearest
    centroid that is near enough.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    n = len(vectors)
    if n < smallest:
        return []
    centred = _unit(vectors - vectors.mean(axis=0))
    picked = np.arange(n)
    if n > MOST_LINKED:
        order = sorted(range(n), key=lambda i: hashlib.blake2b(str(i).encode(), digest_size=8).digest())
        picked = np.sort(np.array(order[:MOST_LINKED]))
    labels = fcluster(linkage(centred[picked], "average", metric="cosine"), 1 - threshold, "distance")
    found: dict[int, list[int]] = defaultdict(list)
    for place, label in zip(picked, labels, strict=True):
        found[int(label)].append(int(place))
    # in a sample a cluster has its share of the reviews only
    least = max(2, math.floor(smallest * len(picked) / n)) if n > MOST_LINKED else smallest
    kept = [members for members in found.values() if len({owners[i] for i in members}) >= least]
    if kept and len(picked) < n:
        middles = np.stack([_unit(centred[members].mean(axis=0)) for members in kept])
        rest = np.setdiff1d(np.arange(n), picked)
        near = centred[rest] @ middles.T
        for row, best, value in zip(rest, near.argmax(axis=1), near.max(axis=1), strict=True):
            if value >= threshold:
                kept[best].append(int(row))
    kept = [sorted(members) for members in kept if len({owners[i] for i in members}) >= smallest]
    return sorted(kept, key=lambda members: (-len({owners[i] for i in members}), members[0]))


def _terms(text: str, language: str) -> set[str]:
    """Words, and two or three words that stand beside one another in the text."""
    single = words(text, language)
    joint = "" if base(language) in UNSPACED else " "
    folded = text.lower()
    out = set(single)
    for size in (2, 3):
        for i in range(len(single) - size + 1):
            term = joint.join(single[i : i + size])
            if term in folded:
                out.add(term)
    return out


def name(clusters: Sequence[Sequence[str]], language: str, everything: Sequence[str]) -> list[list[str]]:
    """Up to five terms a cluster, the best first, as they stand in the texts; no two clusters share their first.

    Class-TF-IDF (Grootendorst 2022, arXiv 2203.05794): a term's share of the cluster's phrases times log(1 + phrases in
    all / phrases with it); longer terms are preferred while they're as common as the words in them.
    """
    everywhere = Counter(term for text in everything for term in _terms(text, language))
    total = max(1, len(everything))
    out: list[list[str]] = []
    taken: set[str] = set()
    for texts in clusters:
        counts = Counter(term for text in texts for term in _terms(text, language))
        joint = base(language) in UNSPACED

        def score(term: str, counts=counts, size=len(texts), joint=joint) -> float:
            length = len(term) / 3 if joint else len(term.split())
            boost = 1 + 0.35 * (min(length, 3) - 1)
            return boost * counts[term] / size * math.log(1 + total / everywhere[term])

        ranked = sorted((t for t in counts if len(t) > 1), key=lambda t: (-score(t), t))
        common = [t for t in ranked if counts[t] >= max(2, 0.1 * len(texts))] or ranked
        best: list[str] = []
        for term in common:
            if len(best) < 5 and not any(term in other or other in term for other in best):
                best.append(term)
        best = best or [min(texts, key=len)[:120]]
        for place, term in enumerate(best):
            if term not in taken:
                best.insert(0, best.pop(place))
                break
        taken.add(best[0])
        out.append([_as_written(term, texts)[:120] for term in best])
    return out


def _as_written(term: str, texts: Sequence[str]) -> str:
    """The term as most texts write it."""
    forms = Counter(
        text[at : at + len(term)] for text in texts if (at := text.lower().find(term)) >= 0 and len(text.lower()) == len(text)
    )  # fmt: skip
    return forms.most_common(1)[0][0] if forms else term


def match(centroids: Sequence[np.ndarray], reviews: Sequence[set[int]], old_centroids: Sequence[np.ndarray | None],
          old_reviews: Sequence[set[int]]) -> dict[int, int]:  # fmt: skip
    """New cluster → old cluster, one to one, so that the sum of likeness is greatest (Kuhn 1955, the Hungarian method).

    Likeness is the mean of the centroids' cosine, stretched from [0.8, 1] to [0, 1], and the overlap of reviews
    (Jaccard); an old cluster of another model has no comparable centroid and one without reviews no overlap: the other
    part counts alone. Pairs below SAME stay apart.
    """
    from scipy.optimize import linear_sum_assignment

    if not centroids or not old_centroids:
        return {}
    likeness = np.zeros((len(centroids), len(old_centroids)))
    for i, (vector, mine) in enumerate(zip(centroids, reviews, strict=True)):
        for j, (old, theirs) in enumerate(zip(old_centroids, old_reviews, strict=True)):
            parts = []
            if old is not None:
                parts.append(max(0.0, (float(vector @ _unit(old)) - 0.8) / 0.2))
            if theirs:
                parts.append(len(mine & theirs) / len(mine | theirs))
            likeness[i, j] = sum(parts) / len(parts) if parts else 0.0
    left, right = linear_sum_assignment(-likeness)
    return {int(i): int(j) for i, j in zip(left, right, strict=True) if likeness[i, j] >= SAME}
