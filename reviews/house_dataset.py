"""Training data of the house review model: class-A sets only, split by review; the test parts never train.

- en_womens_clothing.csv (CC0): stars.  - id_prdect.csv (MIT, CC BY 4.0): stars.
- absa/mabsa_phone_16langs.csv.gz (M-ABSA, Apache-2.0): aspects and their polarity in 16 languages; a review whose aspects
  all have one polarity says something about its stars too, as an interval.
- ml/house/reviews/rows/*.jsonl: reviews that we wrote, with stars and aspects, in the languages above: goods of every
  kind, clothes, stays; negation, contrast, irony, lukewarm verdicts, emoji, questions. They come twice an epoch.
"""

import csv
import gzip
import hashlib
import json
from collections import defaultdict
from pathlib import Path

from ml.aspects import ASPECTS

OWN = Path(__file__).resolve().parent.parent / "ml" / "house" / "reviews" / "rows"
POLARITY = {"neg": "negative", "neu": "neutral", "pos": "positive"}
# Of the star sets without a valid part of their own this share measures while training.
VALID_SHARE = 0.06
OWN_TIMES = 2
# Of the sixteen translations of a phone review this share trains: they say the same.
TRANSLATIONS = 0.65


def _held_out(key: str, share: float = VALID_SHARE) -> bool:
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32 < share


def _stars(path: Path, language: str) -> dict[str, list[dict]]:
    parts: dict[str, list[dict]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            part = row["split"]
            if part == "train" and _held_out(row["text"]):
                part = "valid"
            parts[part].append(
                {"id": f"{path.stem}-{number}", "text": row["text"], "language": language, "stars": int(row["label"])}
            )
    return parts


def merged_polarity(labels: list[str]) -> str:
    """Of several opinions on one aspect: the one, or neutral when they differ."""
    return labels[0] if len(set(labels)) == 1 else "neutral"


def mabsa(path: Path, polarity: bool = True) -> dict[str, list[dict]]:
    """Split → rows of an M-ABSA file, one row a text."""
    found: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    ids: dict[tuple[str, str, str], str] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (row["split"], row["lang"], row["text"])
            found.setdefault(key, defaultdict(list))[row["aspect"]].append(POLARITY[row["label"]])
            ids[key] = row["review_id"]
    parts: dict[str, list[dict]] = defaultdict(list)
    for (split, language, text), aspects in found.items():
        named = {a: merged_polarity(labels) for a, labels in aspects.items() if a in ASPECTS}
        all_labels = {label for labels in aspects.values() for label in labels}
        row = {
            "id": f"{ids[split, language, text]}-{language}", "text": text, "language": language, "aspects": named,
            "aspects_rest": "absent",
        }  # fmt: skip
        if polarity and len(all_labels) == 1 and "neutral" not in all_labels:
            row["polarity"] = next(iter(all_labels))
        parts[split].append(row)
    return parts


def own_rows() -> list[dict]:
    """The rows that we wrote; each names all aspects it is about."""
    return [
        {**json.loads(line), "aspects_rest": "absent"}
        for path in sorted(OWN.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines() if line
    ]  # fmt: skip


def own_parts() -> dict[str, list[dict]]:
    """Our rows as {"train", "valid", "test"}, by their ids: a tenth never trains, a tenth measures while training."""
    parts: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    for row in own_rows():
        parts["test" if _held_out(row["id"], 0.1) else "valid" if _held_out(row["id"], 0.2) else "train"].append(row)
    return parts


def build(folder: Path) -> tuple[dict[str, list[dict]], str]:
    """({"train", "valid", "test"} → rows, SHA-256 of all) from the folder of review data."""
    parts: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    sets = [
        _stars(folder / "en_womens_clothing.csv", "en"), _stars(folder / "id_prdect.csv", "id"),
        mabsa(folder / "absa" / "mabsa_phone_16langs.csv.gz"),
    ]  # fmt: skip
    for found in sets:
        for split in parts:
            parts[split] += found.get(split, [])
    parts["train"] = [row for row in parts["train"] if "stars" in row or _held_out("x" + row["id"], TRANSLATIONS)]
    for part, rows in own_parts().items():
        parts[part] += rows * (OWN_TIMES if part == "train" else 1)
    test = {row["text"] for row in parts["test"]}
    parts["train"] = [row for row in parts["train"] if row["text"] not in test]
    seen = {row["text"] for row in parts["train"]}
    parts["valid"] = [row for row in parts["valid"] if row["text"] not in test and row["text"] not in seen]
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    return parts, digest
