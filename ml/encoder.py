"""Embeddings of texts by the configured e5 model, on CTranslate2. Free of torch: the web process may use it."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from django.conf import settings

from ml import sources
from ml.batching import batches
from ml.devices import device, parallel

if TYPE_CHECKING:
    import ctranslate2
    from tokenizers import Tokenizer

DIMENSIONS = 384
MAX_TOKENS = 512
Kind = Literal["passage", "query"]
_lock = threading.Lock()


@lru_cache(maxsize=1)
def _load() -> tuple["ctranslate2.Encoder", "Tokenizer"]:
    import ctranslate2
    from tokenizers import Tokenizer

    if not sources.is_prepared(settings.ENCODER):
        raise sources.ModelSourceError(f"{settings.ENCODER} is not prepared yet: run `python manage.py prepare_models`")
    size = json.loads((sources.hf_dir(settings.ENCODER) / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    if size != DIMENSIONS:
        raise sources.ModelSourceError(f"{settings.ENCODER} gives {size} numbers a text; the tables hold {DIMENSIONS}")
    folder = sources.prepare(settings.ENCODER)
    where, compute = device()
    encoder = ctranslate2.Encoder(str(folder), device=where, compute_type=compute, **parallel())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return encoder, tokenizer


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
    """Unit vectors of the texts, float32 (n, 384); their dot product is the cosine.

    Texts are tokenised once and run in batches of like length, at most `batch_tokens` with padding, a batch a core.
    Pooling is the mean over the real tokens, as e5 was trained (Wang et al. 2024, arXiv 2402.05672), with its
    "query: " or "passage: " in front. `on_progress` gets the number of texts done.
    """
    if not texts:
        return np.zeros((0, DIMENSIONS), np.float32)
    import ctranslate2

    with _lock:
        encoder, tokenizer = _load()
    ids = [encoding.ids for encoding in tokenizer.encode_batch([f"{kind}: {text}" for text in texts])]
    out = np.empty((len(texts), DIMENSIONS), np.float32)

    def run(rows: list[int]) -> int:
        hidden = encoder.forward_batch([ids[i] for i in rows]).last_hidden_state
        if hidden.device != "cpu":
            hidden = hidden.to_device(ctranslate2.Device.cpu)
        states = np.array(hidden, dtype=np.float32)
        for row, i in enumerate(rows):
            mean = states[row, : len(ids[i])].mean(axis=0)
            out[i] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return len(rows)

    done = 0
    # At most as many batches in flight as there are replicas; forward_batch lets go of the interpreter.
    with ThreadPoolExecutor(encoder.num_encoders) as pool:
        for future in as_completed([pool.submit(run, rows) for rows in batches([len(i) for i in ids], batch_tokens)]):
            done += future.result()
            if on_progress:
                on_progress(done)
    return out
