"""Embeddings of texts by a converted encoder. Free of Django and torch."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.batching import batches

if TYPE_CHECKING:
    import ctranslate2
    from tokenizers import Tokenizer

MAX_TOKENS = 512


def open_encoder(folder: Path, **options: Any) -> tuple["ctranslate2.Encoder", "Tokenizer"]:
    """The encoder of a converted folder and its tokenizer; `options` are CTranslate2's."""
    import ctranslate2
    from tokenizers import Tokenizer

    encoder = ctranslate2.Encoder(str(folder), **options)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return encoder, tokenizer


def embed(
    encoder: "ctranslate2.Encoder", tokenizer: "Tokenizer", texts: Sequence[str], *, kind: str, dimensions: int,
    batch_tokens: int = 256, on_progress: Callable[[int], None] | None = None,
) -> np.ndarray:  # fmt: skip
    """Unit vectors of the texts, float32 (n, dimensions): the mean over the real tokens, as e5 was trained (Wang et al.
    2024, arXiv 2402.05672), with its "query: " or "passage: " in front. Texts are tokenised once and run in batches of
    like length, at most `batch_tokens` with padding, a batch a core."""
    import ctranslate2

    ids = [encoding.ids for encoding in tokenizer.encode_batch([f"{kind}: {text}" for text in texts])]
    out = np.empty((len(texts), dimensions), np.float32)

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
