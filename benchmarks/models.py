"""Encoder and generator on CTranslate2 int8 against plain transformers fp32: same inputs, same run, same threads.

Encoder: 192 product texts of mixed length; transformers takes batches of 16 in the given order, padded to the longest.
Generator: 16 prompts of one product, 40 new tokens each, sampled; transformers `generate` on the same batch.
Both sides start warm and run twice in turn; the better time of each counts, so that a busy machine spoils neither.
"""

import os
import time
from collections.abc import Callable

import numpy as np
from django.conf import settings

from ml import encoder, sources
from ml.generation import Prompt, SamplingOptions
from ml.local_generator import LocalGenerator

NEW_TOKENS = 40
NOUNS = ["mug", "lamp", "shirt", "blanket", "kettle", "backpack", "candle", "notebook"]


def _in_turn(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """The better of two runs of each, in seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _round in range(2):
        for side, run_side in enumerate((ours, theirs)):
            started = time.perf_counter()
            run_side()
            times[side].append(time.perf_counter() - started)
    return min(times[0]), min(times[1])


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
    ours = encoder.embed(texts)
    folder = sources.hf_dir(settings.ENCODER)
    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        AutoModel.from_pretrained(folder, dtype=torch.float32).eval(),
    )
    torch.set_num_threads(os.cpu_count() or 1)

    @torch.no_grad()
    def plain(part: list[str]) -> np.ndarray:
        rows = []
        for at in range(0, len(part), 16):
            batch = tokenizer(
                [f"passage: {t}" for t in part[at : at + 16]],
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=512,
            )
            hidden = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
            mask = batch.attention_mask[..., None]
            rows.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy())
        return np.concatenate(rows)

    theirs = plain(texts)
    our_seconds, their_seconds = _in_turn(lambda: encoder.embed(texts), lambda: plain(texts))
    cosine = float((theirs * ours).sum(axis=1).mean())
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

    def ours() -> None:
        rows = engine.generate(prompts, 1, options, ignore, lambda: False)
        our_tokens.append(sum(c.tokens for row in rows for c in row))

    our_tokens: list[int] = []
    engine.generate(prompts[:2], 1, options, ignore, lambda: False)
    folder = sources.hf_dir(settings.GENERATOR)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    torch.set_num_threads(os.cpu_count() or 1)
    batch = tokenizer([prefix + suffix for suffix in suffixes], return_tensors="pt", padding=True)
    torch.manual_seed(1)

    @torch.no_grad()
    def theirs(count: int = NEW_TOKENS) -> None:
        model.generate(
            **batch, max_new_tokens=count, min_new_tokens=count, do_sample=True, temperature=0.8, top_k=50
        )  # fmt: skip

    theirs(2)
    our_seconds, their_seconds = _in_turn(ours, theirs)
    # Ours may end a text early and is then faster by that much: the rate counts what was written.
    our_rate, their_rate = min(our_tokens) / our_seconds, NEW_TOKENS * len(prompts) / their_seconds
    return {
        "generator_ratio": round(our_rate / their_rate, 2),
        "generator_tokens_per_second": round(our_rate, 1),
        "generator_baseline_tokens_per_second": round(their_rate, 1),
    }


def run() -> dict:
    """All figures; the models are prepared first."""
    for name in (settings.ENCODER, settings.GENERATOR):
        sources.prepare(name)
    figures = {**encoder_figures(), **generator_figures()}
    print(figures, flush=True)
    return figures
