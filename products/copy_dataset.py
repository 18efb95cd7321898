"""Training data of the copy model: our own product → asset pairs, and semiPQA for faithful sentences.

The split is by product and written in the files; held-out products never train, and those of "test" choose no
epoch and no setting either.
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from products.channels import HOUSE_LIMITS
from products.copy_prompts import Facts, Order, prefix, suffix

PAIRS = Path(__file__).resolve().parent.parent / "ml" / "house" / "copy" / "pairs"
SPLITS = ("train", "heldout")
SENTENCE = "sentence"
SENTENCE_LIMIT = 160
_QUOTED = re.compile(r'(\w+):\s*"([^"]*)"|(\w+):\s*([^\s,}]+)')


def products(split: str) -> list[dict]:
    """The hand-written products of a split ("train", "heldout" or "test") with their facts and assets, in file order."""
    rows = []
    for path in sorted(PAIRS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["split"] == split:
                rows.append(row)
    return rows


@lru_cache(maxsize=1)
def brands() -> frozenset[str]:
    """The invented brands of all pairs: a small model may repeat one for another's product, so the gate knows them."""
    return frozenset(row["facts"]["brand"] for split in SPLITS for row in products(split) if row["facts"].get("brand"))


def example(row: dict) -> dict:
    """One product as a training example: {"prefix", "completions": [[suffix, target], …]}."""
    completions = [
        [suffix(Order(a["field"], row["locale"], a["tone"], a["angle"], HOUSE_LIMITS[a["field"]])), a["text"]]
        for a in row["assets"]
    ]
    return {"prefix": prefix(Facts(**row["facts"])), "completions": completions}


def semipqa(path: Path) -> Iterator[dict]:
    """Rows of a semiPQA data-to-text file (Amazon, CDLA-Sharing-1.0): one attribute, one faithful English sentence."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            name, _sep, rest = row["data"].partition(":")
            values = [q or bare for _k, q, _k2, bare in _QUOTED.findall(rest)]
            value = ", ".join(v.strip("[] ") for v in values if v.strip("[] "))
            if not value or len(row["text"]) > SENTENCE_LIMIT:
                continue
            facts = Facts(title="", attributes={name.replace("_", " ").strip(): value})
            order = Order(SENTENCE, "en", "neutral", "feature", SENTENCE_LIMIT)
            yield {"prefix": prefix(facts), "completions": [[suffix(order), row["text"].strip()]]}


def build(semipqa_folder: Path | None = None, semipqa_rows: int = 600) -> tuple[list[dict], list[dict], str]:
    """(train examples, held-out examples, SHA-256 of both).

    Of semiPQA only the official train split trains, every k-th row of it, so that it flavours and doesn't drown; the
    held-out part is our own held-out products alone.
    """
    train = [example(row) for row in products("train")]
    heldout = [example(row) for row in products("heldout")]
    if semipqa_folder is not None:
        rows = list(semipqa(semipqa_folder / "data_to_text.train.csv"))
        train += rows[:: max(1, len(rows) // semipqa_rows)]
    digest = hashlib.sha256()
    for row in train + heldout:
        digest.update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode())
    return train, heldout, digest.hexdigest()
