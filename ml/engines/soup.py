"""One model out of several trainings of the same start (model soup, Wortsman et al. 2022, arXiv 2203.05482).

The runs differ in the order of their rows and in what they add (adversarial passes, say), not in their first heads. Heads
are averaged; of LoRA the changes of the weights are, exactly, by standing side by side at a rank that is as many times
greater; of adapters the answers are, in the same way. No Django here.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ml.configs import TextTrainConfig
from ml.engines.results import HEADS, read_result
from ml.engines.text_trainer import Training


def averaged(parts: list[dict[str, Tensor]], method: str) -> dict[str, Tensor]:
    """The weights of the joint model by name, from those of each run."""
    out = {}
    for name in parts[0]:
        found = [part[name].float() for part in parts]
        mean = torch.stack(found).mean(0)
        if name.startswith(HEADS) or method == "full" or name.endswith(".up.bias"):
            out[name] = mean
        elif "lora_A" in name or ".down." in name:
            out[name] = torch.cat(found, 0)
        elif "lora_B" in name or ".up.weight" in name:
            out[name] = torch.cat(found, 1) / len(found)
        else:
            raise ValueError(f"{name}: can't average weights of method {method}")
    return out


def joint_config(configs: list[TextTrainConfig]) -> TextTrainConfig:
    """The configuration that the averaged weights fit. Raises ValueError when the runs don't go together."""
    first, many = configs[0], len(configs)
    for other in configs[1:]:
        for name in ("method", "objective", "rank", "alpha", "bottleneck", "max_tokens", "seed"):
            if getattr(other, name) != getattr(first, name):
                raise ValueError(f"{name}: {getattr(first, name)} and {getattr(other, name)} can't be averaged")
    if first.method == "adalora":
        raise ValueError("method=adalora: its runs end with different ranks")
    return replace(first, rank=first.rank * many, alpha=first.alpha * many, bottleneck=first.bottleneck * many)


def cook(runs: list[Path], out: Path) -> dict[str, float]:
    """Average the results of `runs` (folders of the trainer) into `out`/result; metrics and temperatures are taken on
    the first run's valid part. Returns the metrics."""
    results = [run / "result" for run in runs]
    config = joint_config([TextTrainConfig.from_json(read_result(r)["config"]) for r in results])
    out.mkdir(parents=True, exist_ok=True)
    spec = json.loads((runs[0] / "spec.json").read_text(encoding="utf-8"))
    for part in ("train", "valid", "test"):
        if spec.get(part):
            spec[part] = str((runs[0] / spec[part]).resolve())
    training = Training(out, {**spec, "config": config.as_json()})
    training.load(averaged([load_file(r / "weights.safetensors") for r in results], config.method))
    return training.finish(sum(read_result(r)["metrics"]["seconds"] for r in results))
