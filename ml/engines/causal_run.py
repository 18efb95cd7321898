"""Train a LoRA adapter on completions or on preferences by the protocol of training runs, and turn it into a converted
model. No Django here.

`python -m ml.engines.causal_run RUN` reads RUN/spec.json and writes RUN/log.jsonl and RUN/result.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import psutil
import torch

from ml.configs import LoraTrainConfig
from ml.engines import spread
from ml.engines.causal_lora import TrainingCancelled, _replace, merge, read_examples, train
from ml.engines.convert import agreement, convert_int8

CHECK_PROMPTS = (
    "### facts\ntitle: Stoneware mug\nMaterial: stoneware\nVolume: 300 ml\n### google_rsa.headline | en | neutral",
    "### facts\ntitle: Leinenkissen\nMaterial: Leinen\nFarbe: Grau\n### meta.headline | de | friendly",
    "### facts\ntitle: 保温杯\n材质: 不锈钢\n容量: 500 ml\n### seo.title | zh-Hans | neutral",
)


def run(folder: Path) -> None:
    """Train the run of a folder. Raises TrainingCancelled."""
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    if threads := int(spec.get("threads") or 0):
        torch.set_num_threads(threads)
    config = LoraTrainConfig(**{**spec["config"], "targets": tuple(spec["config"]["targets"])})
    process = psutil.Process()
    process.cpu_percent()
    shown = 0.0
    base_loss: float | None = None
    began = False

    def tell(event: str, **fields: object) -> None:
        with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"event": event, "at": round(time.time(), 2), **fields}) + "\n")

    def progress(event: dict) -> None:
        nonlocal shown, began, base_loss
        kind = event["event"]
        if kind in ("base", "resumed"):
            base_loss = event.get("heldout_loss", event.get("base"))
            began = True
            tell("resumed" if kind == "resumed" else "start", total=0, step=event.get("step", 0))
        elif kind == "step" and (time.monotonic() - shown > 1 or event["step"] == event["total"]):
            shown = time.monotonic()
            used = {"cpu_percent": process.cpu_percent(), "memory_mb": process.memory_info().rss >> 20}
            if torch.cuda.is_available():
                used["gpu_memory_mb"] = torch.cuda.max_memory_allocated() >> 20
            tell(
                "step", step=event["step"], total=event["total"], epoch=event["epoch"], loss=event["loss"],
                rate=event.get("rate", event.get("tokens_per_second")), seconds_left=event["seconds_left"], **used,
            )  # fmt: skip
        elif kind == "epoch":
            told = event.get("metrics") or {"heldout_loss": event["heldout_loss"]}
            tell("epoch", epoch=event["epoch"], metrics=told, best=event["best"])

    more: dict = {
        "progress": progress, "cancelled": lambda: (folder / "cancel").exists(),
        "init_from": Path(spec["init_from"]) if spec.get("init_from") else None,
    }  # fmt: skip
    parts = folder / spec["train"], folder / spec["valid"]
    learn = _preferences if config.objective == "dpo" else _completions
    adapter, metrics, prompts = learn(Path(spec["base"]), *parts, folder / "work", config, more)
    if not began:
        tell("start", total=metrics["steps"], step=metrics["steps"])

    def write(target: Path) -> None:
        for file in ("adapter_model.safetensors", "adapter_config.json"):
            shutil.copy(adapter / file, target / file)
        told = {"config": config.as_json(), "metrics": metrics, "prompts": prompts}
        (target / "result.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")

    _replace(folder / "result", write)
    tell("done", metrics=metrics)


# (adapter's folder, metrics, prompts): the held-out part's first prompts check that the converted model answers like this one.
Learned = tuple[Path, dict, list[str]]


def _completions(base: Path, train_: Path, valid: Path, work: Path, config: LoraTrainConfig, more: dict) -> Learned:
    heldout = read_examples(valid)
    found = train(base, read_examples(train_), heldout, work, config, **more)
    metrics = {
        "heldout_loss": round(found.heldout_loss, 5), "base_heldout_loss": round(found.base_heldout_loss, 5),
        "steps": found.steps, "best_epoch": found.best_epoch, "tokens_per_second": round(found.tokens_per_second, 1),
    }  # fmt: skip
    return found.adapter_dir, metrics, [e.prefix + e.completions[0][0] for e in heldout[:8] if e.completions]


def _preferences(base: Path, train_: Path, valid: Path, work: Path, config: LoraTrainConfig, more: dict) -> Learned:
    from ml.engines import causal_dpo  # trl takes seconds to import

    heldout = causal_dpo.read_pairs(valid)
    found = causal_dpo.train(base, causal_dpo.read_pairs(train_), heldout, work, config, **more)
    metrics = {
        **{f"start_{name}": round(value, 5) for name, value in found.start.items()},
        **{name: round(value, 5) for name, value in found.end.items()},
        "steps": found.steps, "best_epoch": found.best_epoch, "pairs_per_second": round(found.pairs_per_second, 2),
    }  # fmt: skip
    return found.adapter_dir, metrics, [pair.prefix + pair.suffix for pair in heldout[:8]]


def export(base: Path, result: Path, target: Path) -> dict[str, float]:
    """Merge the adapter into its base, convert it to int8 into `target`; how both answer alike."""
    merged = target.with_name(target.name + ".merged")
    try:
        merge(base, result, merged)
        convert_int8(merged, target)
        shutil.copy(merged / "tokenizer.json", target / "tokenizer.json")
        told = result / "result.json"
        prompts = json.loads(told.read_text(encoding="utf-8"))["prompts"] if told.exists() else []
        return agreement(merged, target, prompts or list(CHECK_PROMPTS))
    finally:
        shutil.rmtree(merged, ignore_errors=True)


def main() -> int:
    if not spread.alone():  # an adapter this small fits one GPU, and the starter made a process for each
        return 0
    folder = Path(sys.argv[1])
    try:
        run(folder)
    except TrainingCancelled:
        told = {"event": "cancelled"}
    except Exception as error:
        told = {"event": "failed", "error": f"{type(error).__name__}: {error}"}
        with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")
        raise
    else:
        return 0
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(told) + "\n")
    return 3


if __name__ == "__main__":
    if threads := os.environ.get("TRAIN_THREADS"):
        torch.set_num_threads(int(threads))
    sys.exit(main())
