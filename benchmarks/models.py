"""Encoder and generator on CTranslate2 int8 against plain transformers fp32: same inputs, same run, same threads.

Encoder: 192 product texts of mixed length; transformers takes batches of 16 in the given order, padded to the longest.
Generator: 16 prompts of one product, 40 new tokens each, sampled; transformers `generate` on the same batch.
"""

import os
import time

import numpy as np
from django.conf import settings

from ml import encoder, sources
from ml.generation import Prompt, SamplingOptions
from ml.local_generator import LocalGenerator

NEW_TOKENS = 40
NOUNS = ["mug", "lamp", "shirt", "blanket", "kettle", "backpack", "candle", "notebook"]


def _texts() -> list[str]:
    out = []
    for i in range(192):
        noun = NOUNS[i % len(NOUNS)]
        text = f"{noun} number {i}, made of stoneware, linen or steel, in moss and sand. "
        out.append((text * (1 + (i * 7) % 6)).strip())
    return out


def encoder_figures() -> dict:
    """encoder_ratio and encoder_cosine."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = _texts()
    encoder.embed(texts[:8])
    started = time.perf_counter()
    ours = encoder.embed(texts)
    our_seconds = time.perf_counter() - started
    folder = sources.hf_dir(settings.ENCODER)
    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        AutoModel.from_pretrained(folder, dtype=torch.float32).eval(),
    )
    torch.set_num_threads(os.cpu_count() or 1)
    plain = []
    with torch.no_grad():
        model(**tokenizer(texts[:8], return_tensors="pt", padding=True))  # both sides start warm
        started = time.perf_counter()
        for at in range(0, len(texts), 16):
            batch = tokenizer(
                [f"passage: {t}" for t in texts[at : at + 16]],
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=512,
            )
            hidden = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
            mask = batch.attention_mask[..., None]
            plain.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy())
    their_seconds = time.perf_counter() - started
    cosine = float((np.concatenate(plain) * ours).sum(axis=1).mean())
    return {
        "encoder_ratio": round(their_seconds / our_seconds, 2),
        "encoder_texts_per_second": round(len(texts) / our_seconds, 1),
        "encoder_baseline_texts_per_second": round(len(texts) / their_seconds, 1),
        "encoder_cosine": round(cosine, 5),
    }


def generator_figures() -> dict:
    """generator_ratio."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    prefix = "### facts\ntitle: Stoneware mug 350 ml\nbrand: Lindgaard\nMaterial: stoneware\nVolume: 350 ml\n###"
    angles = ["benefit", "feature", "material", "use", "audience", "question", "offer", "detail"]
    suffixes = [f" google_rsa.description | en | neutral | {a} | 90\n" for a in angles * 2]
    engine = LocalGenerator(sources.ct2_dir(settings.GENERATOR))
    # No stop but the end: both sides write the same number of tokens, as nearly as sampling allows.
    options = SamplingOptions(
        max_new_tokens=NEW_TOKENS, temperature=0.8, top_k=50, top_p=1.0, repetition_penalty=1.0, stop=()
    )
    prompts = [Prompt(prefix, suffix) for suffix in suffixes]

    def ignore(_done, _total):
        return None

    engine.generate(prompts[:2], 1, options, ignore, lambda: False)
    started = time.perf_counter()
    rows = engine.generate(prompts, 1, options, ignore, lambda: False)
    our_seconds = time.perf_counter() - started
    our_tokens = sum(c.tokens for row in rows for c in row)
    folder = sources.hf_dir(settings.GENERATOR)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    torch.set_num_threads(os.cpu_count() or 1)
    batch = tokenizer([prefix + suffix for suffix in suffixes], return_tensors="pt", padding=True)
    torch.manual_seed(1)
    with torch.no_grad():
        model.generate(**batch, max_new_tokens=2, do_sample=False)  # both sides start warm
        started = time.perf_counter()
        out = model.generate(
            **batch, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=True, temperature=0.8, top_k=50
        )
    their_seconds = time.perf_counter() - started
    their_tokens = (out.shape[1] - batch.input_ids.shape[1]) * out.shape[0]
    return {
        "generator_ratio": round((our_tokens / our_seconds) / (their_tokens / their_seconds), 2),
        "generator_tokens_per_second": round(our_tokens / our_seconds, 1),
        "generator_baseline_tokens_per_second": round(their_tokens / their_seconds, 1),
    }


def run() -> dict:
    """All figures; the models are prepared first."""
    for name in (settings.ENCODER, settings.GENERATOR):
        sources.prepare(name)
    figures = {**encoder_figures(), **generator_figures()}
    print(figures, flush=True)
    return figures
