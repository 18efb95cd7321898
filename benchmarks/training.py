"""The trainer against the textbook loop, and the methods in one table: same data, model, machine and epochs.

Data: id_prdect.csv (MIT), first TRAIN rows of its train part, its whole test part; three classes from the stars. The
textbook loop: every text padded to 128 tokens, batches of 16, fp32, AdamW 2e-5 on all weights, no schedule.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

from django.conf import settings

from benchmarks.reviews import SEED, rows_of
from ml import sources

TRAIN, EPOCHS = 600, 2
SIDES = {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"}
LOOK_ALIKES = str.maketrans("aeopcxy", "аеорсху")  # Latin → Cyrillic


def _rows(split: str) -> list[dict]:
    return [
        {"id": r["id"], "text": r["text"], "language": "id", "label": SIDES[r["stars"]]}
        for r in rows_of("id_prdect", split)
    ]


def noised(text: str, rng: random.Random) -> str:
    """Typing errors, look-alike letters, casing, stretched letters and emoji, about one change in twelve letters."""
    out = []
    for letter in text:
        kind = rng.random() * 12 if letter.isalpha() else 99
        if kind < 0.2:
            continue
        if kind < 0.4:
            out.append(letter)
        if kind < 0.6:
            letter = letter.translate(LOOK_ALIKES)
        elif kind < 0.8:
            letter = letter.swapcase()
        elif kind < 1:
            letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
        out.append(letter)
    return unicodedata.normalize("NFC", "".join(out)) + rng.choice(["", "", " 🙏", "!!!", " ..."])


def _textbook(train: list[dict], test: list[dict]) -> dict[str, float]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(SEED)
    folder = sources.hf_dir(settings.ENCODER)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    labels = sorted({row["label"] for row in train})
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels), dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    rng = random.Random(SEED)

    def batch(rows):
        return tokenizer(
            [r["text"] for r in rows], padding="max_length", truncation=True, max_length=128, return_tensors="pt"
        )

    model.train()
    started = time.perf_counter()
    for _epoch in range(EPOCHS):
        rows = list(train)
        rng.shuffle(rows)
        for at in range(0, len(rows), 16):
            part = rows[at : at + 16]
            wanted = torch.tensor([labels.index(r["label"]) for r in part])
            model(**batch(part), labels=wanted).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    seconds = time.perf_counter() - started
    model.eval()
    right = 0
    with torch.no_grad():
        for at in range(0, len(test), 32):
            part = test[at : at + 32]
            got = model(**batch(part)).logits.argmax(1).tolist()
            right += sum(labels[g] == r["label"] for g, r in zip(got, part, strict=True))
    return {"seconds": seconds, "accuracy": right / len(test)}


def _ours(train: list[dict], valid: list[dict], test: list[dict], **config) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as work:
        run = Path(work)
        for part, rows in (("train", train), ("valid", valid), ("test", test)):
            (run / f"{part}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        settings_ = {"objective": "classes", "epochs": EPOCHS, "batch_tokens": 1024, "max_tokens": 128, "checkpoint_seconds": 600,
                     "patience": EPOCHS, "seed": SEED, **config}  # fmt: skip
        spec = {"base": str(sources.hf_dir(settings.ENCODER)), "train": "train.jsonl", "valid": "valid.jsonl", "test": "test.jsonl",
                "config": settings_, "init_from": None}  # fmt: skip
        (run / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "ml.engines.text_trainer", str(run)], check=True, capture_output=True)
        told = json.loads((run / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])["metrics"]
        predictions = [
            json.loads(line) for line in (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
        ]
    clean = [
        p["label"] == r["label"] for p, r in zip(predictions, test, strict=True) if not r["id"].endswith("-noised")
    ]
    rough = [p["label"] == r["label"] for p, r in zip(predictions, test, strict=True) if r["id"].endswith("-noised")]
    return {"seconds": told["seconds"], "accuracy": sum(clean) / len(clean), "noised_accuracy": sum(rough) / max(1, len(rough)),
            "trainable_parameters": told["trainable_parameters"]}  # fmt: skip


METHODS = {
    "full": {"method": "full", "learning_rate": 1e-4, "head_learning_rate": 1e-3},
    "lora": {"method": "lora", "rank": 16, "alpha": 32, "learning_rate": 1e-3, "head_learning_rate": 2e-3},
    "adalora": {"method": "adalora", "rank": 8, "alpha": 32, "learning_rate": 2e-3, "head_learning_rate": 2e-3},
    "adapter": {"method": "adapter", "bottleneck": 64, "learning_rate": 1e-3, "head_learning_rate": 2e-3},
}


def run() -> dict:
    """All figures of training.json. The methods' settings are untuned; the valid part (every 21st row) picks the epoch."""
    sources.prepare(settings.ENCODER)
    rows = _rows("train")[: TRAIN + TRAIN // 20]
    valid = rows[::21]
    held = {row["id"] for row in valid}
    train = [row for row in rows if row["id"] not in held]
    test = _rows("test")
    rng = random.Random(SEED)
    both = test + [{**r, "id": r["id"] + "-noised", "text": noised(r["text"], rng)} for r in test]
    table = {}
    for name, config in METHODS.items():
        table[name] = {k: round(v, 4) for k, v in _ours(train, valid, both, **config).items()}
        print(name, table[name], flush=True)
    rough = {
        k: round(v, 4)
        for k, v in _ours(
            train, valid, both, **METHODS["full"], adversarial="fgm", adversarial_share=1.0, epsilon=0.1
        ).items()
    }
    print("full + FGM", rough, flush=True)
    textbook = {k: round(v, 4) for k, v in _textbook(train, test).items()}
    print("textbook", textbook, flush=True)
    return {
        "speed_ratio": round(textbook["seconds"] / table["full"]["seconds"], 2),
        "accuracy_delta": round(table["full"]["accuracy"] - textbook["accuracy"], 4),
        "noised_gain": round(rough["noised_accuracy"] - table["full"]["noised_accuracy"], 4),
        "textbook": textbook, **{f"method_{name}": told for name, told in table.items()}, "full_with_fgm": rough,
        "rows": len(train), "epochs": EPOCHS, "data": "id_prdect.csv, three classes, its own test part", "seed": SEED,
    }  # fmt: skip
