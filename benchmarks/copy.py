"""The copy model on the held-out products: base few-shot against the house adapter, same options, same gates.

Data: ml/house/copy/pairs, splits "heldout" and "test" (by product; never trained on). "heldout" also chose the kept
epoch, the temperature and the gate's word lists; "test" (English, German, Chinese) chose no weights and no setting, but
false alarms of the gate on its hand-written texts were mended. It is told apart.
Facts come from the files. A request asks for each field once per product with three variants where the channel takes
several; there is one request a language. Baseline: the base model with a whole
training product of the same language in front, an example of every field among it.
"""

import time
from collections import defaultdict

from django.conf import settings

from ml import loading, registry, sources
from ml.generation import Generation, ModelRef, Prompt, SamplingOptions
from ml.local_generator import LocalGenerator
from products import claims, copywriting, editorial
from products.channels import HOUSE
from products.copy_dataset import brands, products
from products.copy_prompts import Facts, Order, prefix, suffix

SEED = 20261125
SAMPLES = 1
UNTRAINED = ("heldout", "test")
OPTIONS = SamplingOptions(temperature=0.7, top_k=40, top_p=0.92, repetition_penalty=1.0, max_new_tokens=80, seed=SEED)
FIELDS = [key for key in HOUSE if key != "google_merchant.description"]
LONG = "google_merchant.description"


def _shots() -> dict[str, str]:
    """Language → few-shot text: one whole training product with an example of every field, in the same prompt form."""
    shots: dict[str, str] = {}
    for row in products("train"):
        examples = {}
        for asset in row["assets"]:
            order = Order(asset["field"], row["locale"], asset["tone"], asset["angle"], HOUSE[asset["field"]].aim)
            examples.setdefault(asset["field"], f"{suffix(order)}{asset['text']}\n")
        if row["locale"] not in shots and all(field in examples for field in FIELDS):
            body = "###".join(examples[field] for field in FIELDS)
            shots[row["locale"]] = prefix(Facts(**row["facts"])) + body + "\n"
    return shots


def _pass_share(engine: LocalGenerator, rows: list[dict], shots: dict | None) -> dict[str, list[int]]:
    """1 for each raw candidate that passes all limits and fact checks, else 0; by language and by split."""
    found_good: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        facts = Facts(**row["facts"])
        book = claims.FactBook(facts, brands())
        angles = copywriting.angles_for(facts)
        orders = [
            Order(k, row["locale"], "neutral", angles[i % len(angles)], HOUSE[k].aim) for i, k in enumerate(FIELDS)
        ]
        lead = (shots[row["locale"]] if shots else "") + prefix(facts)
        prompts = [Prompt(lead, suffix(order)) for order in orders]
        found = engine.generate(prompts, SAMPLES, OPTIONS, lambda d, t: None, lambda: False)
        for order, candidates in zip(orders, found, strict=True):
            for candidate in candidates:
                limit = HOUSE[order.field]
                text = candidate.text.strip()
                good = (
                    candidate.finish == "stop"
                    and not editorial.problems(text, limit, row["locale"], facts)
                    and claims.check(text, book, row["locale"]).ok
                )
                found_good[row["locale"]].append(int(good))
                found_good[row["split"]].append(int(good))
    return found_good


def _figures(name: str, good: dict[str, list[int]]) -> dict:
    def share(values: list[int]) -> float:
        return round(sum(values) / len(values), 4)

    splits = {split: good.pop(split) for split in UNTRAINED}
    return {
        f"pass_{name}": share([value for values in splits.values() for value in values]),
        **{f"pass_{name}_{split}": share(values) for split, values in splits.items()},
        f"pass_{name}_by_language": {language: share(values) for language, values in sorted(good.items())},
    }


def _distinct_2(texts: list[str]) -> float:
    """Different bigrams over all bigrams, words for Latin scripts, characters for the others."""
    grams = []
    for text in texts:
        units = text.casefold().split() if text.isascii() or " " in text else list(text)
        grams += list(zip(units, units[1:], strict=False))
    return len(set(grams)) / max(1, len(grams))


def run() -> dict:
    """All figures of copy.json."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("prepare_models")
    rows = [row for split in UNTRAINED for row in products(split)]
    version = registry.live("copy")
    base = LocalGenerator(sources.ct2_dir(settings.GENERATOR))
    base_figures = _figures("base", _pass_share(base, rows, _shots()))
    print(f"base few-shot: {base_figures}", flush=True)
    del base
    engine = loading.engine(registry.folder(version))
    figures = _figures("adapter", _pass_share(engine, rows, None))
    print(f"house adapter: {figures}", flush=True)

    def generate(prompts: list[Prompt], n: int, options: SamplingOptions) -> Generation:
        found = engine.generate(prompts, n, options, lambda d, t: None, lambda: False)
        return Generation(found, ModelRef(version.pk, version.label, "local"), 0, 0.0)

    asked = delivered = breaks = 0
    texts, seconds = [], []
    wanted = {key: min(3, limit.most) for key, limit in HOUSE.items()}
    # The untouched split first where it has the language.
    requests = {row["locale"]: row for row in rows}
    for row in requests.values():
        facts = Facts(**row["facts"])
        book = claims.FactBook(facts, brands())
        started = time.monotonic()
        sifted, _last = copywriting.write_fields(
            facts,
            wanted,
            HOUSE,
            locale=row["locale"],
            tone="neutral",
            generate=generate,
            seed=SEED,
            others=brands(),
        )
        seconds.append(time.monotonic() - started)
        for key, number in wanted.items():
            chosen = copywriting.choose(sifted[key].drafts, number)
            asked += number
            delivered += len(chosen)
            texts += [draft.text for draft in chosen]
            for draft in chosen:
                broken, checked = copywriting.judge(draft.text, HOUSE[key], row["locale"], facts, book)
                breaks += "too_long" in broken or not checked.ok
    return {
        **base_figures,
        **figures,
        "pass_ratio": round(figures["pass_adapter"] / max(base_figures["pass_base"], 1e-9), 2),
        "raw_candidates": len(rows) * len(FIELDS) * SAMPLES,
        "delivered_share": round(delivered / asked, 4),
        "assets_asked": asked,
        "assets_delivered": delivered,
        "distinct_2": round(_distinct_2(texts), 4),
        "seconds_per_request": round(sum(seconds) / len(seconds), 1),
        "requests": len(seconds),
        "limit_breaks_per_1000": round(breaks / max(1, delivered) * 1000, 2),
        "data": "ml/house/copy/pairs, splits heldout and test (by product)",
        "seed": SEED,
        "model": version.label,
    }
