"""Embeddings of texts by the configured e5 model, on CTranslate2. Free of torch: the web process may use it."""

import json
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from django.conf import settings

from ml import pooling, sources
from ml.devices import device, parallel

if TYPE_CHECKING:
    import ctranslate2
    from tokenizers import Tokenizer

DIMENSIONS = 384
Kind = Literal["passage", "query"]
_lock = threading.Lock()


@lru_cache(maxsize=1)
def _load() -> tuple["ctranslate2.Encoder", "Tokenizer"]:
    if not sources.is_prepared(settings.ENCODER):
        raise sources.ModelSourceError(f"{settings.ENCODER} is not prepared yet: run `python manage.py prepare_models`")
    size = json.loads((sources.hf_dir(settings.ENCODER) / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    if size != DIMENSIONS:
        raise sources.ModelSourceError(f"{settings.ENCODER} gives {size} numbers a text; the tables hold {DIMENSIONS}")
    folder = sources.prepare(settings.ENCODER)
    where, compute = device()
    return pooling.open_encoder(folder, device=where, compute_type=compute, **parallel())


def model_label() -> str:
    """What is written beside every vector: the model and its precision."""
    return f"{settings.ENCODER}@int8"


def embed(
    texts: Sequence[str],
    *,
    kind: Kind = "passage",
    batch_tokens: int = 256,
    on_progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Unit vectors of the texts, float32 (n, 384); their dot product is the cosine. `on_progress` gets the number of texts
    done."""
    if not texts:
        return np.zeros((0, DIMENSIONS), np.float32)
    with _lock:
        encoder, tokenizer = _load()
    return pooling.embed(
        encoder, tokenizer, texts, kind=kind, dimensions=DIMENSIONS, batch_tokens=batch_tokens, on_progress=on_progress
    )
