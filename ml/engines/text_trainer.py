"""Fine-tune the encoder with heads: resumable after a kill, with a live log. No Django here.

`python -m ml.engines.text_trainer RUN` reads RUN/spec.json {"base", "train", "valid", "test", "config", "init_from",
"goes_on_from"}, the data as JSON lines, and writes RUN/log.jsonl, RUN/checkpoint, RUN/result and RUN/predictions.jsonl. A
file RUN/cancel asks it to stop. Under torchrun each process takes its share of every step's batches.
"""

import hashlib
import json
import math
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ml.configs import TextTrainConfig
from ml.engines import spread
from ml.engines.adapting import Adapted
from ml.engines.adversarial import perturbed
from ml.engines.batches import TextData, load_tokenizer, read_rows
from ml.engines.calibration import calibrate
from ml.engines.causal_lora import TrainingCancelled, _checkpoint_folder, _replace
from ml.engines.objectives import OBJECTIVES, Model, Objective
from ml.engines.precision import bf16_is_fast
from ml.engines.results import base_of, heads_of, save_result
from ml.engines.run_log import RunLog


def learning_rate(step: int, total: int, config: TextTrainConfig) -> float:
    """Share of the peak rate at a step: linear warm-up, then the schedule."""
    warmup = max(1, round(total * config.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, total - warmup))
    if config.schedule == "constant":
        return 1.0
    return 1 - share if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * share))


class Training:
    """One run: model, data, optimizer, and where it stands."""

    def __init__(self, run: Path, spec: dict):
        self.run, self.spec = run, spec
        self.config = TextTrainConfig.from_json(spec["config"])
        self.device = spread.join()
        self.rank, self.world = spread.rank(), spread.world()
        if threads := int(spec.get("threads") or 0):
            torch.set_num_threads(threads)
        self.bf16 = self.config.precision == "bf16" or (self.config.precision == "auto" and bf16_is_fast(self.device))
        torch.manual_seed(self.config.seed + self.rank)
        rows = {part: read_rows(run / spec[part]) if spec.get(part) else [] for part in ("train", "valid", "test")}
        if not rows["train"] or not rows["valid"]:
            raise ValueError("train and valid need at least one row each")
        self.objective: Objective = OBJECTIVES[self.config.objective](self.config, rows["train"], rows["valid"])
        init = Path(spec["init_from"]) if spec.get("init_from") else None
        base = spread.leader_first(lambda: base_of(Path(spec["base"]), init, run / "start"))
        self.data = {}
        for part, found in rows.items():
            if found:
                self.data[part] = TextData(found, load_tokenizer(base), self.config.max_tokens, self.objective.key)
                self.objective.prepare(self.data[part])
        self.fingerprint = hashlib.sha256(
            json.dumps(
                [self.config.as_json(), rows["train"], rows["valid"], spec.get("init_from"), spec.get("goes_on_from")],
                sort_keys=True,
            ).encode()
        ).hexdigest()
        self.per_epoch = max(
            math.ceil(len(self.data["train"].epoch(self.config.seed + e, self.config.batch_tokens)) / self._group)
            for e in range(min(2, self.config.epochs))
        )
        encoder = Adapted(base, self.config, self.per_epoch * self.config.epochs)
        self.objective.encoder = encoder  # type: ignore[attr-defined]
        heads = self.objective.heads(encoder.width)
        if spec.get("init_from") and (known := heads_of(Path(spec["init_from"]), heads.state_dict())):
            heads.load_state_dict(known)
        self.model: Any = Model(encoder, heads).to(self.device)
        if spec.get("goes_on_from"):
            # The same method's weights, trained further: unlike `init_from` they are not merged first.
            self.load(load_file(Path(spec["goes_on_from"]) / "weights.safetensors"))
        spread.same_weights(self.model)
        self.private = None
        self.optimizer: Any = torch.optim.AdamW(self._groups(), betas=(0.9, 0.999), eps=1e-6)
        if self.config.dp_noise:
            from ml.engines.private import PrivateTraining

            self.private = PrivateTraining(self.model, self.optimizer, self.config, len(rows["train"]))
            self.optimizer = self.private.optimizer
            self.per_epoch = self.private.steps_per_epoch
        self.total = self.per_epoch * self.config.epochs
        if self.config.max_steps:
            self.total = min(self.total, self.config.max_steps)
        self.state: dict[str, Any] = {
            "epoch": 0,
            "step_in_epoch": 0,
            "step": 0,
            "best": -math.inf,
            "best_step": 0,
            "bad": 0,
        }
        self.best: dict[str, torch.Tensor] | None = None
        self.log = RunLog(run, quiet=self.rank > 0)

    @property
    def _group(self) -> int:
        """Batches of one step, over all processes."""
        return self.config.accumulate * self.world

    def _groups(self) -> list[dict]:
        """Encoder and heads at their own rates; no decay for biases, norms and thresholds."""
        groups: dict[tuple[bool, bool], list] = {}
        for name, p in self.model.named_parameters():
            if p.requires_grad:
                groups.setdefault((name.startswith("heads."), p.dim() > 1), []).append(p)
        config = self.config
        return [
            {"params": found, "lr": 0.0, "peak": config.head_learning_rate if head else config.learning_rate,
             "weight_decay": config.weight_decay if decay else 0.0}
            for (head, decay), found in sorted(groups.items())
        ]  # fmt: skip

    # --- what is kept
    def trainable(self) -> dict[str, torch.Tensor]:
        """The trained weights by name, on the CPU."""
        return {
            name: p.detach().float().cpu().clone()
            for name, p in self.model.named_parameters() if p.requires_grad or "lora_E" in name
        }  # fmt: skip

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        own = dict(self.model.named_parameters())
        for name, value in weights.items():
            own[name].data.copy_(value)

    def checkpoint(self) -> None:
        """Write everything that going on needs; old or new stands whole at any kill."""
        if self.rank:
            return

        def write(target: Path) -> None:
            save_file(self.trainable(), target / "weights.safetensors")
            if self.best is not None:
                save_file(self.best, target / "best.safetensors")
            history = self.private.accountant.history if self.private else []
            torch.save(
                {"state": self.state, "optimizer": self._optimizer_state(), "rng": torch.get_rng_state(),
                 "fingerprint": self.fingerprint, "privacy": [tuple(h) for h in history]},
                target / "state.pt",
            )  # fmt: skip
            (target / "complete").touch()

        _replace(self.run / "checkpoint", write)

    def _optimizer_state(self) -> dict:
        return (self.optimizer.original_optimizer if self.private else self.optimizer).state_dict()

    def resume(self) -> bool:
        """Go on from the newest whole checkpoint of the same data and settings."""
        folder = _checkpoint_folder(self.run)
        saved = torch.load(folder / "state.pt", weights_only=True) if folder else None
        if not folder or not saved or saved["fingerprint"] != self.fingerprint:
            return False
        self.state = saved["state"]
        (self.optimizer.original_optimizer if self.private else self.optimizer).load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"])
        if self.rank:
            torch.manual_seed(self.config.seed + self.rank + 1000 * self.state["step"])  # what is saved is the leader's
        self.load(load_file(folder / "weights.safetensors"))
        if (folder / "best.safetensors").exists():
            self.best = load_file(folder / "best.safetensors")
        if self.private:
            self.private.accountant.history = [tuple(h) for h in saved["privacy"]]
        return True

    # --- one step
    def _losses(
        self, rows: list[int], embeds: torch.Tensor | None = None, batch: Any = None
    ) -> tuple[torch.Tensor, Any]:
        data = self.data["train"]
        if batch is None:
            batch = data.batch(rows)
            batch.ids, batch.mask = batch.ids.to(self.device), batch.mask.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return self.objective.loss(self.model, data, batch, embeds)

    def _backward(self, rows: list[int], scale: float, rng: int) -> float:
        """Gradients of one batch, its second passes included; returns the sum of the clean losses."""
        config, data = self.config, self.data["train"]
        batch = data.batch(rows)
        batch.ids, batch.mask = batch.ids.to(self.device), batch.mask.to(self.device)
        adversarial = config.adversarial != "none" and (rng % 1000) / 1000 < config.adversarial_share
        embeds = None
        if adversarial:
            # The word vectors of frozen embeddings carry no gradient of their own.
            embeds = self.model.encoder.plain.embeddings.word_embeddings(batch.ids).detach().requires_grad_(True)
        each, outputs = self._losses(rows, embeds, batch)
        loss = each.sum() * scale
        if config.rdrop:
            second, again = self._losses(rows, None, batch)
            loss = (loss + second.sum() * scale) / 2 + config.rdrop * self.objective.divergence(
                outputs, again
            ).sum() * scale
        if config.method == "adalora":
            loss = loss + self.model.encoder.regularisation() * (scale * len(rows))
        loss.backward()
        if embeds is not None:
            moved = perturbed(
                embeds, embeds.grad, lambda e: self._losses(rows, e, batch)[0], kind=config.adversarial,
                epsilon=config.epsilon, steps=config.pgd_steps,
            )  # fmt: skip
            (self._losses(rows, moved, batch)[0].sum() * scale).backward()
        return float(each.detach().sum())

    def step(self, group: list[list[int]]) -> tuple[float, int]:
        """One step over its batches; returns (sum of losses, rows)."""
        rate = learning_rate(self.state["step"], self.total, self.config)
        for found in self.optimizer.param_groups:
            found["lr"] = found["peak"] * rate
        count = sum(len(rows) for rows in group)
        if self.private:
            return self.private.step(group, lambda rows: self._losses(rows)[0]), count
        mine = group[self.rank :: self.world]
        total = sum(
            self._backward(rows, 1 / count, self.state["step"] * 7919 + at * 104729) for at, rows in enumerate(mine)
        )
        total = spread.total(total, self.device)
        parameters = [p for found in self.optimizer.param_groups for p in found["params"]]
        spread.sum_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm)
        self.optimizer.step()
        self.model.encoder.allocate(self.state["step"] + 1)
        self.optimizer.zero_grad(set_to_none=True)
        return total, count

    def _steps(self, epoch: int) -> list[list[list[int]]]:
        if self.private:
            return list(self.private.sample(self.data["train"]))
        batches = self.data["train"].epoch(self.config.seed + epoch, self.config.batch_tokens)
        return [batches[at : at + self._group] for at in range(0, len(batches), self._group)]

    def evaluate(self, part: str) -> tuple[dict[str, float], list[dict]]:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return self.objective.evaluate(self.model, self.data[part])

    def look(self) -> None:
        """Measure on the valid part; keep the weights when they are the best so far."""
        told = spread.leaders(self.evaluate("valid")[0])
        better = told[self.objective.main] > self.state["best"] + 1e-5
        if better:
            self.state.update(best=told[self.objective.main], best_step=self.state["step"], bad=0)
            self.best = self.trainable()
        else:
            self.state["bad"] += 1
        if self.private:
            told["epsilon"] = self.private.epsilon()
        self.log.tell("epoch", epoch=self.state["epoch"], step=self.state["step"], metrics=_short(told), best=better)

    # --- the loop
    def train(self) -> dict[str, float]:
        """Train to the end (or the patience's), then write the result. Raises TrainingCancelled."""
        config, state = self.config, self.state
        resumed = self.resume()
        spread.wait()  # or the leader writes a new checkpoint while another still reads
        state = self.state
        self.log.tell(
            "resumed" if resumed else "start", total=self.total, step=state["step"], bf16=self.bf16, device=str(self.device),
            trainable=sum(p.numel() for p in self.model.parameters() if p.requires_grad), rows=len(self.data["train"]),
        )  # fmt: skip
        saved = time.monotonic()
        started, first, seen = time.monotonic(), state["step"], 0
        self.model.train()
        while state["epoch"] < config.epochs and state["step"] < self.total and state["bad"] <= config.patience:
            for group in self._steps(state["epoch"])[state["step_in_epoch"] :]:
                if state["step"] >= self.total:
                    break
                if spread.any_says((self.run / "cancel").exists(), self.device):
                    self.checkpoint()
                    spread.wait()
                    raise TrainingCancelled
                loss, count = self.step(group)
                seen += count
                state["step"] += 1
                state["step_in_epoch"] += 1
                elapsed = time.monotonic() - started
                self.log.step(
                    step=state["step"], total=self.total, epoch=state["epoch"], loss=round(loss / max(1, count), 4),
                    rate=round(seen / elapsed, 1), lr=round(self.optimizer.param_groups[0]["lr"], 7),
                    seconds_left=round((self.total - state["step"]) * elapsed / (state["step"] - first)),
                )  # fmt: skip
                if config.evaluate_every and state["step"] % config.evaluate_every == 0:
                    self.look()
                if time.monotonic() - saved > config.checkpoint_seconds:
                    self.checkpoint()
                    saved = time.monotonic()
            else:
                state["epoch"] += 1
                state["step_in_epoch"] = 0
                if not config.evaluate_every:
                    self.look()
                self.checkpoint()
                continue
            break
        if self.best is None or state["best_step"] != state["step"]:
            self.look()
        if self.best is not None:
            self.load(self.best)
        return self.finish(time.monotonic() - started)

    def finish(self, seconds: float) -> dict[str, float]:
        told, held_out = self.evaluate("valid")
        out = {f"valid_{k}": v for k, v in told.items()}
        predictions = []
        if "test" in self.data:
            test, predictions = self.evaluate("test")
            out |= {f"test_{k}": v for k, v in test.items()}
        if self.private:
            out["epsilon"] = self.private.epsilon()
        out |= {"seconds": round(seconds, 1), "best_step": self.state["best_step"],
                "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "trainable_parameters": sum(p.numel() for p in self.model.parameters() if p.requires_grad)}  # fmt: skip
        if self.rank == 0:
            calibration = calibrate(held_out, self.data["valid"].rows) if self.config.objective == "review" else {}
            save_result(
                self.run / "result", self.trainable(), self.config, _short(out), calibration, self.spec, self.objective
            )
            with (self.run / "predictions.new").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in predictions)
            (self.run / "predictions.new").rename(self.run / "predictions.jsonl")
        self.log.tell("done", metrics=_short(out))
        return out


def _short(told: dict) -> dict:
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in told.items()}


def train(run: Path, **changes: Any) -> dict[str, float]:
    """Train the run of a folder; returns its metrics. `changes` replace settings of its configuration."""
    spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
    if changes:
        spec["config"] = replace(TextTrainConfig.from_json(spec["config"]), **changes).as_json()
    return Training(run, spec).train()


def main() -> int:
    run = Path(sys.argv[1])
    log = RunLog(run)
    try:
        spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
        # Under DP-SGD each process would draw a sample and noise of its own, and the accountant counts one.
        if spec["config"].get("dp_noise") and not spread.alone():
            return 0
        if spec["config"].get("trials"):
            from ml.engines.search import search

            search(run, spec)
        else:
            Training(run, spec).train()
    except TrainingCancelled:
        if spread.rank() == 0:
            log.tell("cancelled")
        return 3
    except spread.Parted:
        raise  # killed, the run goes on; told as failed, it would end
    except Exception as error:
        log.tell("failed", error=f"{type(error).__name__}: {error}")
        raise
    spread.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
