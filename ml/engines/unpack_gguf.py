"""Turn a GGUF file into a normal transformers folder (bf16). No Django here."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


class _Reader(gguf.GGUFReader):
    """The library's reader. A vocabulary of 262,144 words is a million small reads, and a slice of a memory map costs ten
    times what an array on its bytes costs."""

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> np.ndarray:
        kind = np.dtype(dtype).newbyteorder(override_order or self.byte_order)
        return np.frombuffer(self.data, kind, int(count), int(offset))


@contextmanager
def _read_once() -> Iterator[None]:
    """transformers reads a file three times: for the settings, the weights and the words."""
    plain = gguf.GGUFReader
    gguf.GGUFReader = cache(_Reader)  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        gguf.GGUFReader = plain  # type: ignore[misc]


def unpack_gguf(source: Path, target: Path) -> None:
    """De-quantise `source` and write config, safetensors and tokenizer into the folder `target`."""
    folder, name = str(source.parent), source.name
    with _read_once():
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    # A model that came from GGUF refuses save_pretrained: its weights go into a fresh one.
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = type(model)(config)
    fresh.load_state_dict(model.state_dict())
    fresh = fresh.to(torch.bfloat16)
    fresh.save_pretrained(target)
    tokenizer.save_pretrained(target)
