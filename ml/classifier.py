"""What reviews say: stars, sentiment and aspects of texts by the live review model."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ml import loading, registry
from ml.devices import device, parallel
from ml.review_model import AspectJudgement, Classifier, ReviewJudgement

__all__ = ["AspectJudgement", "NoModel", "ReviewJudgement", "Scored", "loaded", "probabilities", "score"]
Array = np.ndarray


class NoModel(Exception):
    """No review model is live; the text says what to do."""


@dataclass(frozen=True)
class Scored:
    """Judgements in the texts' order, and the model that made them."""

    judgements: list[ReviewJudgement]
    model_version_id: int | None
    model_label: str


_lock = threading.Lock()


@lru_cache(maxsize=3)
def _load(folder: str, stamp: float) -> Classifier:
    where, compute = device()
    return Classifier(Path(folder), device=where, compute_type=compute, **parallel())


def loaded(folder: Path) -> Classifier:
    """The classifier of a converted folder, from memory where it is there. Raises NoModel when its files are gone."""
    if not (folder / "heads.safetensors").exists():
        raise NoModel(f"{folder.name} is missing; run `python manage.py prepare_models`")
    with _lock:
        return _load(str(folder), (folder / "heads.safetensors").stat().st_mtime)


def probabilities(folder: Path, texts: Sequence[str], languages: Sequence[str]) -> tuple[Array, Array]:
    """Calibrated probabilities by the converted version in a folder: (n, 5) stars, (n, 12, 4) aspects."""
    return loaded(folder).probabilities(texts, languages)


def score(
    texts: Sequence[str], *, languages: Sequence[str], store_id: int | None,
    on_progress: Callable[[int], None] | None = None,
) -> Scored:  # fmt: skip
    """Judge texts with the store's live review model (else the house's). Raises NoModel."""
    version = loading.live_version("reviews", store_id)
    if version is None:
        raise NoModel("No review model is live: run `python manage.py prepare_models`")
    found = loaded(registry.folder(version)).judge(texts, languages, on_progress)
    return Scored(found, version.pk, version.label)
