"""Learning from preferences on the repository's own products: DPO of the house adapter, and the ranker.

A store's pairs belong to the store, so these stand in for them: the chosen text is the hand-written one of a product
(ml/house/copy/pairs), the rejected one is what the house adapter itself writes to the same order, and of two samples the one
that breaks a rule of the channel or states what no fact holds, where there is one. They are split by product; what is held
out are products that trained neither the adapter nor DPO. The hand-written texts of the training products trained the
adapter, those of "heldout" chose its epoch; only "test" was never looked at, so it is told apart.
"""

import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from django.conf import settings

from ml import registry, sources
from ml.configs import LoraTrainConfig
from ml.generation import Prompt, SamplingOptions
from ml.local_generator import LocalGenerator
from products import claims
from products.channels import HOUSE
from products.copy_dataset import brands, products
from products.copy_gates import judge, repair
from products.copy_prompts import Facts, Order, prefix, suffix

SEED = 20261127
OPTIONS = SamplingOptions(temperature=0.8, top_k=40, top_p=0.92, repetition_penalty=1.0, max_new_tokens=48, seed=SEED)
LONGEST = 90  # fields that aim at more characters take too long on a processor
PER_PRODUCT = {"train": 3, "heldout": 2, "test": 3}
LEAST_TRAIN = 200


def house_pairs(folder: Path, splits: Sequence[str]) -> list[dict]:
    """Rows {"id", "split", "language", "prefix", "facts", "completions", "pairs"} of the splits, a product each;
    `folder`: the converted house version that writes the rejected texts."""
    engine, rng, out = LocalGenerator(folder), random.Random(SEED), []
    for split in splits:
        for at, row in enumerate(products(split)):
            facts = Facts(**row["facts"])
            short = [asset for asset in row["assets"] if HOUSE[asset["field"]].aim <= LONGEST]
            chosen = rng.sample(short, min(PER_PRODUCT[split], len(short)))
            orders = [Order(a["field"], row["locale"], a["tone"], a["angle"], HOUSE[a["field"]].aim) for a in chosen]
            start = prefix(facts)
            prompts = [Prompt(start, suffix(order)) for order in orders]
            # The engine reads a seed once: later products go on with the same random state.
            options = OPTIONS if not out else SamplingOptions(**{**asdict(OPTIONS), "seed": None})
            written = engine.generate(prompts, 2, options, lambda done, total: None, lambda: False)
            book, pairs = claims.FactBook(facts, brands()), []
            for order, asset, candidates in zip(orders, chosen, written, strict=True):
                limit = HOUSE[order.field]
                told = []
                for candidate in candidates:
                    text = repair(candidate.text, limit)
                    rules, checked = judge(text, limit, row["locale"], facts, book)
                    told.append((bool(rules) or not checked.ok, text))
                broken, text = max(told, key=lambda one: one[0])
                if text and text != asset["text"]:
                    pairs.append({
                        "suffix": suffix(order), "chosen": asset["text"], "rejected": text, "broken": broken,
                        "source": "approved_over_rejected", "weight": 1.0,
                    })  # fmt: skip
            out.append({
                "id": f"{split}-{at}", "split": split, "language": row["locale"], "prefix": start,
                "facts": asdict(facts), "completions": [], "pairs": pairs,
            })  # fmt: skip
    return out


def spread(values: np.ndarray, groups: np.ndarray, resamples: int = 2000) -> list[float]:
    """95 % percentile interval of a mean over resampled groups (products)."""
    rng = np.random.default_rng(SEED)
    names, which = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(which, values), np.bincount(which)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    low, high = np.quantile((weights @ sums) / (weights @ sizes), [0.025, 0.975])
    return [round(float(low), 4), round(float(high), 4)]


def learn(rows: list[dict], init_from: Path, work: Path, config: LoraTrainConfig) -> dict:
    """DPO from the house adapter on the rows of "train"; accuracies on the others by pair."""
    from ml.engines import causal_dpo
    from ml.engines.causal_dpo import PreferencePair
    from ml.engines.causal_lora import CompletionModel

    base = sources.hf_dir(settings.GENERATOR)
    parts: dict[str, list[PreferencePair]] = {"train": [], "held": []}
    groups, fresh = [], []
    for row in rows:
        part = "train" if row["split"] == "train" else "held"
        for p in row["pairs"]:
            parts[part].append(PreferencePair(row["prefix"], p["suffix"], p["chosen"], p["rejected"]))
            if part == "held":
                groups.append(row["id"])
                fresh.append(row["split"] == "test")
    assert len(parts["train"]) >= LEAST_TRAIN or config.dpo_epochs < 1, f"{len(parts['train'])} pairs"
    began = time.monotonic()
    events: list[dict] = []
    # The epoch is chosen on "heldout" alone.
    valid = [pair for pair, new in zip(parts["held"], fresh, strict=True) if not new]
    found = causal_dpo.train(base, parts["train"], valid, work, config, progress=events.append, init_from=init_from)
    seconds = time.monotonic() - began
    model = CompletionModel(base, config)
    scores = []
    for adapter in (init_from, found.adapter_dir):
        model.start_from(adapter)
        scores.append(causal_dpo.log_probabilities(model, parts["held"]).numpy())
    start, end = scores
    return {
        "pairs_train": len(parts["train"]), "groups": np.array(groups), "fresh": np.array(fresh), "start": start,
        "end": end, "seconds": seconds, "epochs": [e for e in events if e["event"] == "epoch"], "adapter": found.adapter_dir,
        "best_epoch": found.best_epoch, "pairs_per_second": found.pairs_per_second,
    }  # fmt: skip


def accuracy(scores: np.ndarray) -> np.ndarray:
    """1 where the chosen text is likelier per token than the rejected one."""
    return (scores[:, 0] / scores[:, 1] > scores[:, 2] / scores[:, 3]).astype(float)


def moved(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """1 where the likelihood ratio moved towards the chosen text (the implicit reward), ½ where it did not move."""
    ratio = (end[:, 0] - start[:, 0]) - (end[:, 2] - start[:, 2])
    return (ratio > 0) + 0.5 * (ratio == 0)


def rank(rows: list[dict]) -> dict:
    """The ranker on the same pairs: trained on "train", its strength chosen on "heldout"; margins of the "test" pairs."""
    from ml import encoder, ranking
    from ml.configs import RankerConfig
    from ml.engines import preference_ranker
    from products.copywriting import about

    told: dict[str, list[dict]] = {split: [] for split in PER_PRODUCT}
    for row in rows:
        pairs = [{**p, "limit": int(p["suffix"].rsplit("|", 1)[1])} for p in row["pairs"]]
        if pairs:
            told[row["split"]].append({"id": row["id"], "about": about(Facts(**row["facts"])), "pairs": pairs})
    nothing = lambda *_args, **_more: None
    model, metrics = preference_ranker.train(
        told["train"], told["heldout"], encoder.embed, RankerConfig(), settings.ENCODER, nothing, nothing
    )
    fresh = ranking.Pairs.of(told["test"], encoder.embed)
    groups = np.array([row["id"] for row in told["test"] for _pair in row["pairs"]])
    return {"margins": model.score(fresh.chosen) - model.score(fresh.rejected), "groups": groups, "metrics": metrics}


def writes(folder: Path, rows: list[dict]) -> dict[str, np.ndarray]:
    """What a converted version writes to the held-out orders, ungated: 1 for texts that are valid, that state what no fact
    holds."""
    from products import copy_held_out

    told = copy_held_out.completions(folder, rows)
    texts = [text for found in told for text in found.get("texts", ())]
    return {name: np.array([float(t[name]) for t in texts]) for name in ("valid", "violates")}


def run() -> dict:
    """All figures of preferences.json."""
    from django.core.management import call_command

    from ml.engines import causal_run

    call_command("migrate", verbosity=0)
    call_command("prepare_models")
    version = registry.live("copy")
    folder, init_from = registry.folder(version), settings.MODELS_DIR / version.trained
    began = time.monotonic()
    rows = house_pairs(folder, tuple(PER_PRODUCT))
    sampled = time.monotonic() - began
    print(f"{sum(len(r['pairs']) for r in rows)} pairs in {sampled:.0f} s", flush=True)
    ranked = rank(rows)
    right = (ranked["margins"] > 0) + 0.5 * (ranked["margins"] == 0)
    print(f"ranker: {right.mean():.3f}", flush=True)
    config = LoraTrainConfig(objective="dpo")
    with tempfile.TemporaryDirectory() as work:
        told = learn(rows, init_from, Path(work), config)
        converted = Path(work) / "converted"
        converted.mkdir()
        causal_run.export(sources.hf_dir(settings.GENERATOR), told["adapter"], converted)
        held = [row for row in rows if row["split"] != "train"]
        before, after = writes(folder, held), writes(converted, held)
    fresh, start, end, groups = told["fresh"], told["start"], told["end"], told["groups"]
    figures: dict = {}
    for name, mask in (("", fresh), ("_heldout", ~fresh)):
        one, two = accuracy(start[mask]), accuracy(end[mask])
        gone = moved(start[mask], end[mask])
        figures |= {
            f"dpo_accuracy_before{name}": round(float(one.mean()), 4),
            f"dpo_accuracy_before{name}_interval": spread(one, groups[mask]),
            f"dpo_accuracy_after{name}": round(float(two.mean()), 4),
            f"dpo_accuracy_after{name}_interval": spread(two, groups[mask]),
            f"dpo_accuracy_gain{name}_interval": spread(two - one, groups[mask]),
            f"dpo_reward_accuracy{name}": round(float(gone.mean()), 4),
            f"dpo_reward_accuracy{name}_interval": spread(gone, groups[mask]),
            f"pairs{name or '_test'}": int(mask.sum()),
        }
    rates = {
        f"{name}_share_{when}": round(float(found[name].mean()), 4)
        for when, found in (("before", before), ("after", after))
        for name in ("valid", "violates")
    }
    return {
        **figures,
        "ranker_accuracy": round(float(right.mean()), 4),
        "ranker_accuracy_interval": spread(right, ranked["groups"]),
        "ranker_l2": ranked["metrics"]["l2"],
        **rates,
        "texts_written": len(before["valid"]),
        "pairs_train": told["pairs_train"],
        "pairs_broken_share": round(float(np.mean([p["broken"] for r in rows for p in r["pairs"]])), 4),
        "dpo_seconds": round(told["seconds"]),
        "dpo_pairs_per_second": round(told["pairs_per_second"], 2),
        "dpo_best_epoch": told["best_epoch"],
        "dpo_epochs": told["epochs"],
        "config": {
            name: getattr(config, name) for name in ("beta", "dpo_learning_rate", "dpo_epochs", "chosen_weight")
        },
        "data": "hand-written text over the house adapter's own sample (of two the one that breaks a gate, if any); "
        "ml/house/copy/pairs by product: train learns, heldout chooses the epoch, test is only measured",
        "interval": "95 %, percentile bootstrap over products",
        "seed": SEED,
        "model": version.label,
    }
