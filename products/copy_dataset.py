"""Training data of the copy model: our own product → asset pairs, semiPQA for faithful sentences, and what stores teach.

The split is by product and written in the files; held-out products never train, and those of "test" choose no
epoch and no setting either.
"""

import csv
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from ecomai.models import Store
from products.channels import HOUSE_LIMITS
from products.copy_prompts import Facts, Order, prefix, suffix
from products.models import AdAsset

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


def part_of(store: Store, product: int) -> str:
    """ "train", "valid" or "test": a product of a store is always in the same part, with all its texts and pairs."""
    draw = int(hashlib.sha256(f"copy:{store.pk}:{product}".encode()).hexdigest()[:13], 16) / 16**13
    return "test" if draw < 0.1 else "valid" if draw < 0.2 else "train"


def for_store(store: Store | None) -> dict[str, list[dict]]:
    """{"train", "valid", "test"} rows {"id", "language", "prefix", "facts", "completions": [[suffix, text], …], "pairs":
    [{"suffix", "chosen", "rejected", "source", "weight"}, …]}: our own products, and of a store the texts that its
    people approved and the pairs of what was preferred, with the facts that the model read. A product is in one part
    alone, always the same."""
    parts: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    for split, part in (("train", "train"), ("heldout", "valid"), ("test", "test")):
        for at, row in enumerate(products(split)):
            facts = asdict(Facts(**row["facts"]))
            parts[part].append(
                {"id": f"{split}-{at}", "language": row["locale"], "facts": facts, **example(row), "pairs": []}
            )
    if store is None:
        return parts
    for part, rows in _of_store(store).items():
        parts[part] += rows
    return parts


def _of_store(store: Store) -> dict[str, list[dict]]:
    from products import preferences
    from products.copywriting import facts_read

    found: dict[tuple[int, str, str], dict] = {}

    def row(product: int, locale: str, facts: Facts) -> dict:
        start = prefix(facts)
        plain = {"id": f"p{product}", "language": locale, "prefix": start, "facts": asdict(facts)}
        return found.setdefault((product, locale, start), {**plain, "completions": [], "pairs": []})

    approved = AdAsset.objects.filter(store=store, status=AdAsset.Status.APPROVED).exclude(text="")
    for asset in approved.select_related("product__brand", "product__category", "request").order_by("id"):
        own = row(asset.product_id, asset.locale, facts_read(asset))
        own["completions"].append([suffix(preferences.order_of(asset)), asset.text])
    for pair in preferences.of_store(store):
        row(pair.product, pair.order.locale, pair.facts)["pairs"].append({
            "suffix": suffix(pair.order), "chosen": pair.chosen, "rejected": pair.rejected, "source": pair.source,
            "weight": round(pair.weight, 4),
        })  # fmt: skip
    parts: dict[str, list[dict]] = defaultdict(list)
    for (product, _locale, _start), told in found.items():
        parts[part_of(store, product)].append(told)
    return parts


def new_labels(store: Store, since: datetime | None = None) -> int:
    """How many texts were approved after that time (in all for None)."""
    rows = AdAsset.objects.filter(store=store, status=AdAsset.Status.APPROVED)
    return (rows.filter(decided_at__gt=since) if since else rows).count()
