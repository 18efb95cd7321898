"""Freeze the rows of a capability: written once for each content, known by their hash."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from ecomai.models import Store
from ml.capabilities import Capability, load
from ml.models import Comparison, DatasetSnapshot, TrainingRun
from ml.sources import swap_in

PARTS = ("train", "valid", "test")


class NoData(Exception):
    """There is too little to train on; the text says what is missing."""


def folder(snapshot: DatasetSnapshot) -> Path:
    """Where its parts lie as JSON lines: train.jsonl, valid.jsonl, test.jsonl."""
    return settings.MODELS_DIR / snapshot.folder


def rows(snapshot: DatasetSnapshot, part: str) -> list[dict]:
    """The rows of one part, in file order."""
    text = (folder(snapshot) / f"{part}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def class_of(row: Mapping[str, Any]) -> str:
    """The class that a row is counted under: its label, polarity, or the polarity of its stars."""
    if row.get("label") is not None:
        return str(row["label"])
    if row.get("polarity"):
        return str(row["polarity"])
    if stars := row.get("stars"):
        return "negative" if stars < 3 else "neutral" if stars < 4 else "positive"
    return ""


def _counts(found: list[dict]) -> dict[str, Any]:
    return {
        "rows": len(found),
        "languages": dict(Counter(str(row.get("language") or "und") for row in found).most_common()),
        "classes": dict(Counter(kind for row in found if (kind := class_of(row))).most_common()),
    }


def freeze(capability: Capability, store: Store | None) -> DatasetSnapshot:
    """The snapshot of the rows as they are now; the same rows give the same snapshot. Raises NoData."""
    built = load(capability.dataset)(store)
    parts = {part: list(built[part]) for part in PARTS}
    for part in ("train", "valid"):
        if not parts[part]:
            raise NoData(f"{capability.title}: the {part} part has no rows yet; label or import some first")
    lines = {
        part: [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in found] for part, found in parts.items()
    }
    digest = hashlib.sha256()
    for part in PARTS:
        digest.update(f"{part} {len(lines[part])}\n".encode())
        for line in lines[part]:
            digest.update(line.encode() + b"\n")
    key = digest.hexdigest()
    relative = f"snapshots/{capability.name}/{store.pk if store else 'house'}/{key[:20]}"
    target = settings.MODELS_DIR / relative
    if not (target / "complete").exists():
        fresh = target.with_name(f"{target.name}.new-{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for part in PARTS:
            (fresh / f"{part}.jsonl").write_text("".join(f"{line}\n" for line in lines[part]), encoding="utf-8")
        (fresh / "complete").touch()
        swap_in(fresh, target)
    snapshot, _made = DatasetSnapshot.objects.get_or_create(
        capability=capability.name, store=store, hash=key,
        defaults={"folder": relative, "counts": {part: _counts(found) for part, found in parts.items()}},
    )  # fmt: skip
    return snapshot


def forget(store: Store, capability: str, ids: Iterable[object]) -> int:
    """Take rows out of all that was frozen of a store's data: snapshots, the copies that trainings read, and the examples
    of comparisons; returns how many lines of files. What a model has learned from them is not undone. Run again it
    finds nothing."""
    gone = {str(pk) for pk in ids}
    if not gone:
        return 0
    frozen = DatasetSnapshot.objects.filter(store=store, capability=capability)
    runs = TrainingRun.objects.filter(store=store, capability=capability).exclude(folder="")
    places = [folder(snapshot) for snapshot in frozen] + [settings.MODELS_DIR / run.folder for run in runs]
    count = 0
    for place in places:
        for name in (*(f"{part}.jsonl" for part in PARTS), "predictions.jsonl"):
            count += _without(place / name, gone)
    for found in Comparison.objects.filter(store=store, capability=capability):
        shown = found.changed.get("examples", [])
        kept = [example for example in shown if str(example.get("id")) not in gone]
        if len(kept) != len(shown):
            Comparison.objects.filter(pk=found.pk).update(changed={**found.changed, "examples": kept})
    return count


def _without(path: Path, gone: set[str]) -> int:
    """Rewrite a file of rows without those; the old or the new one stands at any kill."""
    if not path.exists():
        return 0
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    kept = [line for line in lines if str(json.loads(line).get("id")) not in gone]
    if len(kept) != len(lines):
        fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
        fresh.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        fresh.rename(path)
    return len(lines) - len(kept)
