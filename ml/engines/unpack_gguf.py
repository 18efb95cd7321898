"""Turn a GGUF file into a normal transformers folder (bf16). No Django here."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def unpack_gguf(source: Path, target: Path) -> None:
    """De-quantise `source` and write config, safetensors and tokenizer into the folder `target`."""
    folder, name = str(source.parent), source.name
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
