"""A trainer small enough for tests that keeps to the protocol of `ml.training`: it learns which words a class has."""

import json
import sys
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class WordConfig:
    method: str = "lora"
    epochs: int = 2
    pause: float = 0.0
    spoil: str = ""  # a class that is always mistaken
    fail: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 100:
            raise ValueError(f"epochs={self.epochs}: 1 to 100")

    def as_json(self) -> dict:
        return asdict(self)


def train(run: Path) -> int:
    spec = json.loads((run / "spec.json").read_text())
    config = WordConfig(**spec["config"])

    def tell(event: str, **fields) -> None:
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps({"event": event, **fields}) + "\n")

    rows = [json.loads(line) for line in (run / spec["train"]).read_text().splitlines()]
    total = config.epochs * len(rows)
    point = run / "checkpoint.json"
    state = json.loads(point.read_text()) if point.exists() else {"step": 0, "words": {}}
    tell("resumed" if state["step"] else "start", total=total, step=state["step"])
    words = defaultdict(Counter, {k: Counter(v) for k, v in state["words"].items()})
    for step in range(state["step"], total):
        if (run / "cancel").exists():
            tell("cancelled")
            return 3
        if config.fail and step == 3:
            tell("failed", error="ValueError: no such luck")
            return 1
        row = rows[step % len(rows)]
        words[row["label"]].update(row["text"].split())
        point.with_suffix(".new").write_text(json.dumps({"step": step + 1, "words": words}))
        point.with_suffix(".new").rename(point)
        epoch = step // len(rows)
        tell(
            "step",
            step=step + 1,
            total=total,
            epoch=epoch,
            loss=1 / (step + 1),
            rate=9.0,
            seconds_left=1,
            cpu_percent=50.0,
            memory_mb=10,
        )
        if (step + 1) % len(rows) == 0:
            tell("epoch", epoch=epoch, step=step + 1, metrics={"acc": 0.5 + epoch / 10})
        time.sleep(config.pause)
    (run / "result").mkdir(exist_ok=True)
    (run / "result" / "model.json").write_text(json.dumps({"words": words, "spoil": config.spoil}))
    tell("done", metrics={"acc": 0.9, "steps": total})
    return 0


def export(base: Path, result: Path, target: Path) -> dict[str, float]:
    (target / "model.json").write_text((result / "model.json").read_text())
    (target / "model.bin").touch()
    return {"agreement": 1.0}


def predict(folder: Path, rows: list[dict], check=lambda: None) -> list[dict]:
    model = json.loads((folder / "model.json").read_text())
    out = []
    for row in rows:
        scores = {label: sum(known.get(w, 0) for w in row["text"].split()) for label, known in model["words"].items()}
        best = max(sorted(scores), key=lambda label: scores[label])
        out.append({"label": "other" if best == model["spoil"] else best})
    return out


if __name__ == "__main__":
    sys.exit(train(Path(sys.argv[1])))
