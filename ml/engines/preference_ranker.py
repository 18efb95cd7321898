"""Train the ranker of ad copy by the protocol of training runs. No Django here, and no torch: it takes seconds.

`python -m ml.engines.preference_ranker RUN` reads RUN/spec.json and writes RUN/log.jsonl and RUN/result. There are no
checkpoints: killed, it begins anew and ends the same. The problem is convex, so that nothing is kept of what it starts from.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml import pooling, ranking
from ml.configs import RankerConfig

LEAST_PAIRS = 10


class Cancelled(Exception):
    """The caller asked to stop."""


def read_rows(path: Path) -> list[dict]:
    """The rows of a JSON-lines file that hold pairs."""
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line)
    return [row for row in rows if row["pairs"]]


def train(rows: list[dict], held: list[dict], embed: ranking.Embed, config: RankerConfig, encoder: str, tell, check):
    """(model, metrics): the pull towards zero is the configuration's, or the best of STRENGTHS on the held-out pairs.
    Raises ValueError for too few pairs."""
    sizes = [sum(len(row["pairs"]) for row in part) for part in (rows, held)]
    if sizes[0] < LEAST_PAIRS or not sizes[1]:
        raise ValueError(
            f"the ranker needs {LEAST_PAIRS} preference pairs to train and one held out; there are {sizes[0]} and {sizes[1]}"
        )
    learned = ranking.Pairs.of(rows, embed)
    check()
    valid = ranking.Pairs.of(held, embed)
    scale = np.sqrt((learned.differences**2).mean(0)) + 1e-6
    strengths = (config.l2,) if config.l2 else ranking.STRENGTHS
    began, best = time.monotonic(), None
    for step, l2 in enumerate(strengths, 1):
        check()
        model = ranking.Model(ranking.fit(learned.differences / scale, learned.weights, l2), scale, encoder)
        margins = model.score(valid.chosen) - model.score(valid.rejected)
        loss = ranking.log_loss(margins, valid.weights)
        metrics = {"heldout_loss": round(loss, 5), "pair_accuracy": round(ranking.accuracy(margins), 5), "l2": l2}
        elapsed = max(1e-9, time.monotonic() - began)
        tell(
            "step", step=step, total=len(strengths), epoch=step - 1, loss=loss, rate=round(sizes[0] * step / elapsed, 1),
            seconds_left=round((len(strengths) - step) * elapsed / step, 1),
        )  # fmt: skip
        tell("epoch", epoch=step - 1, step=step, metrics=metrics)
        if best is None or loss < best[1]["heldout_loss"]:
            best = model, metrics
    model, metrics = best
    return model, {**metrics, "pairs_train": sizes[0], "pairs_valid": sizes[1]}


def run(folder: Path) -> None:
    """Train the run of a folder. Raises Cancelled."""
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    config = RankerConfig(**spec["config"])

    def tell(event: str, **fields: object) -> None:
        with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"event": event, "at": round(time.time(), 2), **fields}) + "\n")

    def check() -> None:
        if (folder / "cancel").exists():
            raise Cancelled

    try:
        tell("start", total=1 if config.l2 else len(ranking.STRENGTHS), step=0)
        threads = int(spec.get("threads") or 1)
        rows, held = read_rows(folder / spec["train"]), read_rows(folder / spec["valid"])
        embed = embedding(Path(spec["base"]), Path(spec["converted"]), threads)
        model, metrics = train(rows, held, embed, config, Path(spec["base"]).parent.name, tell, check)
        fresh = folder / "result.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        with (fresh / "weights.npz").open("wb") as file:
            model.save(file)
        told = {"config": config.as_json(), "metrics": metrics}
        (fresh / "result.json").write_text(json.dumps(told), encoding="utf-8")
        shutil.rmtree(folder / "result", ignore_errors=True)
        fresh.rename(folder / "result")
        tell("done", metrics=metrics)
    except Cancelled:
        tell("cancelled")
        raise
    except Exception as error:
        tell("failed", error=f"{type(error).__name__}: {error}")
        raise


def embedding(base: Path, converted: Path, threads: int) -> ranking.Embed:
    """The encoder on the processor."""
    encoder, tokenizer = pooling.open_encoder(
        converted, device="cpu", compute_type="int8", inter_threads=threads, intra_threads=1
    )
    size = json.loads((base / "config.json").read_text(encoding="utf-8"))["hidden_size"]

    def embed(texts: Sequence[str]) -> np.ndarray:
        places = {text: at for at, text in enumerate(dict.fromkeys(texts))}
        vectors = pooling.embed(encoder, tokenizer, list(places), kind="passage", dimensions=size)
        return vectors[[places[text] for text in texts]]

    return embed


def export(base: Path, result: Path, target: Path) -> dict[str, float]:
    """Put the weights where a version's files lie; what runs is what was trained."""
    shutil.copy(result / "weights.npz", target / "model.bin")
    shutil.copy(result / "result.json", target / "result.json")
    return {}


if __name__ == "__main__":
    if os.environ.get("RANK", "0") != "0":
        sys.exit(0)  # started once a GPU: one process is enough (spread.alone says the same, but brings torch)
    try:
        run(Path(sys.argv[1]))
    except Cancelled:
        sys.exit(3)
