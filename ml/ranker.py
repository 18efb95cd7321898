"""The ranker of ad copy as it serves: scores of texts for a product, by the store's live version."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings

from ml import encoder, loading, ranking, registry
from ml.models import ModelVersion

CAPABILITY = "copy_ranking"


@dataclass(frozen=True)
class Ranker:
    """A loaded model. Scores are log-odds: a difference of 1 means 2.7 to 1."""

    model: ranking.Model

    def scores(self, about: str, texts: Sequence[str], limits: Sequence[int]) -> np.ndarray:
        """(n,) scores of texts for the product that `about` tells of; higher is better."""
        if not texts:
            return np.zeros(0)
        own = np.repeat(encoder.embed([about]), len(texts), 0)
        return self.model.score(ranking.features(own, encoder.embed(list(texts)), texts, limits))


@lru_cache(maxsize=16)
def load(folder: Path) -> Ranker:
    """The ranker of a converted version."""
    return Ranker(ranking.read(folder / "model.bin"))


def live(store_id: int | None) -> tuple[ModelVersion, Ranker] | None:
    """The store's live version, loaded; None without one, or where it belongs to another encoder."""
    version = loading.live_version(CAPABILITY, store_id)
    if version is None or version.base != settings.ENCODER:
        return None
    return version, load(registry.folder(version))
