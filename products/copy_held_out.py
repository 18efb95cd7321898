"""What a copy model does on held-out products: how likely the wanted texts are, and what it writes by itself, judged by the
channels' rules and the fact gate."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ml import predictions
from ml.generation import Prompt, SamplingOptions
from ml.local_generator import LocalGenerator
from products import claims
from products.channels import HOUSE
from products.copy_dataset import brands
from products.copy_gates import judge, repair
from products.copy_prompts import Facts

MOST_TEXTS = 160  # written by each version: enough to see three points, minutes on a processor
PER_ROW = 4
LONGEST = 160  # fields that aim at more characters take too long
OPTIONS = SamplingOptions(
    temperature=0.7, top_k=40, top_p=0.92, repetition_penalty=1.0, max_new_tokens=80, seed=20261127
)


def completions(folder: Path, rows: Sequence[dict], check: Callable[[], None] = lambda: None) -> list[dict]:
    """`ml.predictions.completions`, and under "texts" [{"field", "text", "valid", "violates"}, …] of what the model writes
    to the orders of a row: raw, as no gate has seen it, with the same options for each version."""
    told = predictions.completions(folder, rows, check)
    asked = orders(rows)
    written = []
    if asked:
        prompts = [Prompt(rows[at]["prefix"], suffix) for at, suffix in asked]
        # What it is told of is a batch that is done: a cancel comes through there.
        written = LocalGenerator(folder).generate(prompts, 1, OPTIONS, lambda done, total: check(), lambda: False)
    books: dict[int, claims.FactBook] = {}
    for (at, suffix), (candidate,) in zip(asked, written, strict=True):
        field, locale = (part.strip() for part in suffix.split("|")[:2])
        facts, limit = Facts(**rows[at]["facts"]), HOUSE[field]
        if at not in books:
            books[at] = claims.FactBook(facts, brands())
        text = repair(candidate.text, limit)
        broken, checked = judge(text, limit, locale, facts, books[at])
        told[at].setdefault("texts", []).append({
            "field": field, "text": text[:300], "valid": candidate.finish == "stop" and not broken,
            "violates": not checked.ok,
        })  # fmt: skip
    return told


def orders(rows: Sequence[dict]) -> list[tuple[int, str]]:
    """(row, suffix) of the orders that are given again: the first of each row; of many rows fewer, evenly."""
    most = max(1, min(PER_ROW, MOST_TEXTS // max(1, len(rows))))
    every = -(-len(rows) // MOST_TEXTS)
    out = []
    for at, row in enumerate(rows):
        if not row.get("facts") or at % every:
            continue
        known = [suffix for suffix, _text in row["completions"]] + [pair["suffix"] for pair in row.get("pairs", ())]
        fields = {suffix: suffix.split("|")[0].strip() for suffix in known}
        short = [suffix for suffix, field in fields.items() if field in HOUSE and HOUSE[field].aim <= LONGEST]
        out += [(at, suffix) for suffix in short[:most]]
    return out
