"""Train a LoRA adapter on completions, resumable after a kill; merge it into its base. No Django here.

`python -m ml.engines.causal_lora --base DIR --data train.jsonl --heldout heldout.jsonl --out DIR [--resume]`
"""

import argparse
import hashlib
import json
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from ml.configs import LoraTrainConfig
from ml.engines.packing import Packed, PrefixExample, pack
from ml.engines.precision import bf16_is_fast

Progress = Callable[[dict], None]


class TrainingCancelled(Exception):
    """The caller asked to stop; the last checkpoint stands."""


@dataclass(frozen=True)
class TrainResult:
    """Where the adapter lies and what it reached: losses per target token on the held-out part."""

    adapter_dir: Path
    heldout_loss: float
    base_heldout_loss: float
    steps: int
    best_epoch: int
    tokens_per_second: float


def read_examples(path: Path) -> list[PrefixExample]:
    """Examples of a JSON-lines file: {"prefix": …, "completions": [[suffix, target], …]}."""
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [PrefixExample(r["prefix"], tuple((s, t) for s, t in r["completions"])) for r in rows]


class CompletionModel:
    """A base with a fresh or loaded adapter, its tokenizer, and the loss of a packed sequence. The base is in bf16 where
    the chip multiplies that, else in fp32."""

    def __init__(self, base_dir: Path, config: LoraTrainConfig, dtype: torch.dtype | None = None):
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = bf16_is_fast(self.device)
        dtype = dtype or (torch.bfloat16 if self.bf16 else torch.float32)
        self.tokenizer = AutoTokenizer.from_pretrained(base_dir)
        base = AutoModelForCausalLM.from_pretrained(base_dir, dtype=dtype, attn_implementation="sdpa")
        base.config.use_cache = False
        lora = LoraConfig(
            r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout,
            target_modules=list(config.targets), task_type="CAUSAL_LM", base_model_name_or_path=base_dir.name,
        )  # fmt: skip
        self.model = get_peft_model(base, lora, autocast_adapter_dtype=True).to(self.device)
        self.inner = self.model.get_base_model()
        self.trainable = [p for p in self.model.parameters() if p.requires_grad]
        for p in self.trainable:
            p.data = p.data.float()

    def tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def packed(self, examples: list[PrefixExample], seed: int | None) -> list[Packed]:
        bos = self.tokenizer.bos_token_id
        return list(pack(examples, self.tokenize, bos=bos, max_tokens=self.config.max_tokens, seed=seed))

    def token_losses(self, packed: Packed) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross entropy of each target token, and the (T,) mask of the positions that predict one.

        The masks are the same for both kinds of layer: sequences are no longer than the sliding window.
        """
        ids, positions, mask, labels = (t.to(self.device) for t in packed.tensors())
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            hidden = self.inner.model(
                input_ids=ids,
                position_ids=positions,
                attention_mask={"full_attention": mask, "sliding_attention": mask},
                use_cache=False,
            ).last_hidden_state[0]
            learned = labels != -100
            logits = self.inner.lm_head(hidden[learned])
        return torch.nn.functional.cross_entropy(logits.float(), labels[learned], reduction="none"), learned

    def loss(self, packed: Packed) -> tuple[torch.Tensor, int]:
        """Sum of the cross entropies of the target tokens, and how many they are."""
        losses, learned = self.token_losses(packed)
        return losses.sum(), int(learned.sum())

    @torch.no_grad()
    def mean_loss(self, sequences: list[Packed], check: Callable[[], None] = lambda: None) -> float:
        """Mean cross entropy per target token."""
        self.model.eval()
        total, count = 0.0, 0
        for packed in sequences:
            check()
            loss, tokens = self.loss(packed)
            total, count = total + float(loss.detach()), count + tokens
        self.model.train()
        return total / max(1, count)

    def adapter_state(self) -> dict[str, torch.Tensor]:
        return {
            name: p.detach().to("cpu", torch.float32).contiguous()
            for name, p in self.model.named_parameters()
            if p.requires_grad
        }

    def start_from(self, adapter: Path) -> None:
        """Take the weights of an earlier adapter. Raises ValueError when its shape is another."""
        own = self.model.state_dict()
        for name, value in load_file(adapter / "adapter_model.safetensors").items():
            key = name.replace(".weight", ".default.weight")
            if key not in own or own[key].shape != value.shape:
                raise ValueError(
                    f"the adapter to start from has another rank or other layers ({name}); start from the base"
                )
            own[key].copy_(value.float())

    def load_adapter_state(self, state: dict[str, torch.Tensor]) -> None:
        own = dict(self.model.named_parameters())
        for name, value in state.items():
            own[name].data.copy_(value)


def _replace(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder beside the old one and swap it in: a kill leaves the old or the new, never a half."""
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    write(fresh)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _checkpoint_folder(out: Path) -> Path | None:
    """The newest whole checkpoint; after a kill between two renames that is the one called .old or .new."""
    for name in ("checkpoint", "checkpoint.new", "checkpoint.old"):
        if (out / name / "state.pt").exists() and (out / name / "complete").exists():
            return out / name
    return None


def _fingerprint(config: LoraTrainConfig, *parts: list[PrefixExample]) -> str:
    """What a checkpoint belongs to: going on with other data or settings would mix two trainings."""
    told = [config.as_json(), *([asdict(example) for example in part] for part in parts)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _rate(step: int, total: int, config: LoraTrainConfig) -> float:
    warmup = max(1, round(total * config.warmup_share))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, total - warmup)
    return config.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def _steps(sequences: list[Packed], size: int) -> Iterator[list[Packed]]:
    for start in range(0, len(sequences), size):
        yield sequences[start : start + size]


def save_adapter(model: CompletionModel, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
    """Write the adapter in peft's own form, in bf16."""
    if state is not None:
        model.load_adapter_state(state)

    def write(target: Path) -> None:
        model.model.save_pretrained(target)
        weights = target / "adapter_model.safetensors"
        save_file(
            {k: v.to(torch.bfloat16).contiguous() for k, v in load_file(weights).items()}, weights, {"format": "pt"}
        )
        (target / "README.md").unlink(missing_ok=True)

    _replace(folder, write)


def train(
    base_dir: Path,
    examples: list[PrefixExample],
    heldout: list[PrefixExample],
    out: Path,
    config: LoraTrainConfig,
    *,
    resume: bool = True,
    progress: Progress = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
    init_from: Path | None = None,
) -> TrainResult:
    """Train an adapter into `out/adapter`, keeping the weights of the epoch with the least held-out loss.

    Checkpoints lie in `out/checkpoint`; with `resume` an interrupted run goes on from there and ends with the same
    weights as one that was never interrupted (one of other data or settings starts anew). `init_from` is the adapter
    of an earlier training to start from, of the same rank. Events go to `progress` and, a JSON line each, to
    `out/log.jsonl`. Raises TrainingCancelled, ValueError for an adapter of another shape.
    """
    out.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(config, examples, heldout)

    def tell(event: dict) -> None:
        with (out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(event) + "\n")
        progress(event)

    random.seed(config.seed)
    torch.manual_seed(config.seed)
    model = CompletionModel(base_dir, config)
    if init_from is not None:
        model.start_from(init_from)
    optimizer = torch.optim.AdamW(
        model.trainable, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
    )
    heldout_sequences = model.packed(heldout, None)
    per_epoch = [math.ceil(len(model.packed(examples, config.seed + e)) / config.sequences_per_step) for e in range(2)]
    total = max(per_epoch) * config.epochs

    def check() -> None:
        if cancelled():
            raise TrainingCancelled

    state = {"epoch": 0, "step_in_epoch": 0, "step": 0, "best": math.inf, "best_epoch": -1, "bad": 0, "base": None}
    best: dict[str, torch.Tensor] | None = None
    folder = _checkpoint_folder(out) if resume else None
    saved = torch.load(folder / "state.pt", weights_only=True) if folder else None
    if folder and saved and saved.get("fingerprint") == fingerprint:
        state = saved["state"]
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"])
        model.load_adapter_state(load_file(folder / "adapter.safetensors"))
        if (folder / "best.safetensors").exists():
            best = load_file(folder / "best.safetensors")
        tell({"event": "resumed", **state})
    else:
        state["base"] = model.mean_loss(heldout_sequences, check)
        tell({"event": "base", "heldout_loss": state["base"]})

    def checkpoint() -> None:
        def write(target: Path) -> None:
            save_file(model.adapter_state(), target / "adapter.safetensors")
            if best is not None:
                save_file(best, target / "best.safetensors")
            torch.save(
                {"state": state, "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state(),
                 "fingerprint": fingerprint},
                target / "state.pt",
            )  # fmt: skip
            (target / "complete").touch()

        _replace(out / "checkpoint", write)

    model.model.train()
    seen, started, first = 0, time.monotonic(), state["step"]
    while state["epoch"] < config.epochs and state["bad"] <= config.patience:
        sequences = model.packed(examples, config.seed + state["epoch"])
        steps = list(_steps(sequences, config.sequences_per_step))
        for group in steps[state["step_in_epoch"] :]:
            check()
            for rate_group in optimizer.param_groups:
                rate_group["lr"] = _rate(state["step"], total, config)
            count = sum(sum(1 for label in p.label if label != -100) for p in group)
            loss_sum = 0.0
            for packed in group:
                loss, _ = model.loss(packed)
                (loss / count).backward()
                loss_sum += float(loss.detach())
                seen += len(packed.ids)
            torch.nn.utils.clip_grad_norm_(model.trainable, config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state["step"] += 1
            state["step_in_epoch"] += 1
            elapsed = time.monotonic() - started
            left = (total - state["step"]) * elapsed / (state["step"] - first)
            tell(
                {"event": "step", "step": state["step"], "total": total, "epoch": state["epoch"],
                 "loss": round(loss_sum / count, 4), "tokens_per_second": round(seen / elapsed, 1), "seconds_left": round(left)}
            )  # fmt: skip
            if state["step"] % config.checkpoint_every == 0:
                checkpoint()
        heldout_loss = model.mean_loss(heldout_sequences, check)
        improved = heldout_loss < state["best"] - 1e-4
        if improved:
            state.update(best=heldout_loss, best_epoch=state["epoch"], bad=0)
            best = model.adapter_state()
        else:
            state["bad"] += 1
        tell({"event": "epoch", "epoch": state["epoch"], "heldout_loss": round(heldout_loss, 4), "best": improved})
        state["epoch"] += 1
        state["step_in_epoch"] = 0
        checkpoint()
        save_adapter(model, out / "adapter.best", dict(best)) if improved and best else None
        if improved:
            model.load_adapter_state(best)
    adapter = out / "adapter"
    save_adapter(model, adapter, best)
    speed = seen / max(1e-9, time.monotonic() - started)
    return TrainResult(adapter, state["best"], state["base"], state["step"], state["best_epoch"], speed)


def merge(base_dir: Path, adapter_dir: Path, out: Path) -> None:
    """Write base + adapter as one plain model folder (bf16), temp-then-rename."""
    base = AutoModelForCausalLM.from_pretrained(base_dir, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, str(adapter_dir)).merge_and_unload()
    merged = merged.to(torch.bfloat16)

    def write(target: Path) -> None:
        merged.save_pretrained(target)
        AutoTokenizer.from_pretrained(base_dir).save_pretrained(target)

    _replace(out, write)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "data", "heldout", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--epochs", type=int, default=LoraTrainConfig.epochs)
    parser.add_argument("--learning-rate", type=float, default=LoraTrainConfig.learning_rate)
    parser.add_argument("--seed", type=int, default=LoraTrainConfig.seed)
    args = parser.parse_args()
    if threads := os.environ.get("TRAIN_THREADS"):
        torch.set_num_threads(int(threads))
    config = LoraTrainConfig(epochs=args.epochs, learning_rate=args.learning_rate, seed=args.seed)
    result = train(
        args.base, read_examples(args.data), read_examples(args.heldout), args.out, config, resume=args.resume,
        progress=lambda event: print(json.dumps(event), flush=True),
    )  # fmt: skip
    print(json.dumps({"event": "done", **{k: str(v) for k, v in vars(result).items()}}))


if __name__ == "__main__":
    main()
