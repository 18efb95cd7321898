"""Convert to CTranslate2 and measure that the converted model agrees with the trained one. No Django here."""

from pathlib import Path

import ctranslate2
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def convert_int8(folder: Path, target: Path) -> None:
    """Write the transformers folder as an int8 CTranslate2 model into `target` (which may exist)."""
    ctranslate2.converters.TransformersConverter(str(folder)).convert(str(target), quantization="int8", force=True)


@torch.no_grad()
def agreement(folder: Path, converted: Path, prompts: list[str]) -> dict[str, float]:
    """How the converted generator answers like the trained one: share of equal top-1 tokens, least correlation."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    generator = ctranslate2.Generator(str(converted), compute_type="int8")
    equal, count, least = 0, 0, 1.0
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        wanted = model(input_ids=ids).logits[0].numpy()
        got = np.array(generator.forward_batch([tokenizer.convert_ids_to_tokens(ids[0])]))[0]
        equal += int((wanted.argmax(-1) == got.argmax(-1)).sum())
        count += len(wanted)
        least = min(least, float(np.corrcoef(wanted[-1], got[-1])[0, 1]))
    return {"top1_agreement": round(equal / max(1, count), 4), "logit_correlation": round(least, 4)}
