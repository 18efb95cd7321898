"""What a training leaves behind, and how a later one starts from it.

RESULT/weights.safetensors (bf16; what was trained, encoder and heads), result.json (method, settings, metrics,
calibration, base), and RESULT/parent, the result it started from, if any: merging goes down the chain.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ml.configs import TextTrainConfig
from ml.engines.adapting import Adapted
from ml.engines.causal_lora import _replace

HEADS = "heads."
ENCODER = "encoder."


def save_result(
    folder: Path, weights: dict[str, Tensor], config: TextTrainConfig, metrics: dict, calibration: dict, spec: dict,
    objective: Any = None,
) -> None:  # fmt: skip
    """Write the result; old or new stands whole at any kill."""

    def write(target: Path) -> None:
        save_file({k: v.to(torch.bfloat16).contiguous() for k, v in weights.items()}, target / "weights.safetensors")
        told = {
            "base": Path(spec["base"]).parent.name, "config": config.as_json(), "metrics": metrics,
            "calibration": calibration, "labels": getattr(objective, "labels", None),
        }  # fmt: skip
        (target / "result.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
        if spec.get("init_from"):
            shutil.copytree(spec["init_from"], target / "parent")

    _replace(folder, write)


def read_result(folder: Path) -> dict:
    """result.json of a result."""
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def merge_into(base: Path, result: Path, out: Path) -> None:
    """Write base + result (and what it started from) as one plain transformers folder, fp32, old or new whole."""
    if (result / "parent").exists():
        merge_into(base, result / "parent", out.with_name(out.name + ".parent"))
        base = out.with_name(out.name + ".parent")
    config = TextTrainConfig.from_json(read_result(result)["config"])
    adapted = Adapted(base, config, 100)
    own = dict(adapted.named_parameters())
    for name, value in load_file(result / "weights.safetensors").items():
        if name.startswith(ENCODER):
            target = own[name.removeprefix(ENCODER)]
            target.data = value.float().reshape(value.shape)
    merged = adapted.merged()

    def write(target: Path) -> None:
        merged.save_pretrained(target)
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            if (base / name).exists():
                shutil.copy2(base / name, target / name)

    _replace(out, write)
    shutil.rmtree(out.with_name(out.name + ".parent"), ignore_errors=True)


def base_of(base: Path, init_from: Path | None, work: Path) -> Path:
    """The folder a training starts from: the base, or the base with an earlier result merged into it (once)."""
    if init_from is None:
        return base
    if not (work / "config.json").exists():
        merge_into(base, init_from, work)
    return work


def heads_of(result: Path, wanted: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """The heads of an earlier result when they have the same shapes, else None."""
    found = {
        k.removeprefix(HEADS): v.float()
        for k, v in load_file(result / "weights.safetensors").items()
        if k.startswith(HEADS)
    }
    same = found.keys() == wanted.keys() and all(found[k].shape == wanted[k].shape for k in wanted)
    return found if same else None
