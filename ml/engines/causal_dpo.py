"""Direct preference optimisation of a LoRA adapter by trl, resumable after a kill. No Django here.

The loss is that of Rafailov et al. 2023 (arXiv 2305.18290, eq. 7): -log sigmoid(beta * (r(chosen) - r(rejected))) with
r(y) = log p(y | x) - log p_ref(y | x); the reference is a frozen copy of the adapter that the training starts from. Part
of the plain loss of the chosen text goes beside it, against the known drift of both likelihoods downwards (Pang et al.
2024, arXiv 2404.19733). Prompts are tokenised as in training on completions and as when writing.
"""

import functools
import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.trainer.utils import FusedCausalLMOutput

from ml.configs import LoraTrainConfig
from ml.engines.causal_lora import CompletionModel, Progress, TrainingCancelled, _replace, save_adapter
from ml.engines.packing import Packed

LEAST_PAIRS = 20  # of the training part below which there is nothing to learn
PAIRS_AT_ONCE = 2  # of one forward pass; a step accumulates `pairs_per_step`


@dataclass(frozen=True)
class PreferencePair:
    """For the prompt `prefix` + `suffix`, `chosen` was preferred to `rejected`."""

    prefix: str
    suffix: str
    chosen: str
    rejected: str


@dataclass(frozen=True)
class DpoResult:
    """Where the adapter lies, and what the start and it reached on the held-out pairs. `accuracy`: share of pairs whose
    chosen text is likelier per token; `reward_accuracy`: share whose likelihood ratio moved towards the chosen one."""

    adapter_dir: Path
    start: dict[str, float]
    end: dict[str, float]
    steps: int
    best_epoch: int
    pairs_per_second: float


def read_pairs(path: Path) -> list[PreferencePair]:
    """Pairs of a JSON-lines file: {"prefix": …, "pairs": [{"suffix", "chosen", "rejected"}, …]}."""
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip())
    return [
        PreferencePair(row["prefix"], p["suffix"], p["chosen"], p["rejected"])
        for row in rows
        for p in row.get("pairs", ())
    ]


def token_ids(model: CompletionModel, pair: PreferencePair) -> dict[str, list[int]]:
    """The prompt and both texts, each with its end of line, as trl names them."""
    prompt = [model.tokenizer.bos_token_id, *model.tokenize(pair.prefix), *model.tokenize(pair.suffix)]
    return {
        "prompt_ids": prompt, "chosen_ids": model.tokenize(pair.chosen + "\n"),
        "rejected_ids": model.tokenize(pair.rejected + "\n"),
    }  # fmt: skip


def both(model: CompletionModel, prompt: list[int], chosen: list[int], rejected: list[int]) -> tuple[Tensor, Tensor]:
    """Log-probability of each token of the chosen and of the rejected text, in one pass that reads the prompt once."""
    packed = Packed()
    packed.add(prompt[:-1], 1, -1, 0, 0)
    for number, text in enumerate((chosen, rejected)):
        packed.add([prompt[-1], *text], 1, number, len(prompt) - 1, len(text))
    losses, _learned = model.token_losses(packed)
    return -losses[: len(chosen)], -losses[len(chosen) :]


@torch.no_grad()
def log_probabilities(
    model: CompletionModel, pairs: Sequence[PreferencePair], check: Callable[[], None] = lambda: None
) -> Tensor:
    """(n, 4): log p of the chosen text and its tokens, log p of the rejected one and its tokens."""
    was = model.model.training
    model.model.eval()
    out = torch.zeros(len(pairs), 4)
    for row, pair in enumerate(pairs):
        check()
        ids = token_ids(model, pair)
        for at, found in zip((0, 2), both(model, *ids.values()), strict=True):
            out[row, at], out[row, at + 1] = found.sum(), len(found)
    model.model.train(was)
    return out


def measures(now: Tensor, start: Tensor) -> dict[str, float]:
    """Accuracies of (n, 4) log-probabilities against those of the start; ties of the ratio count one half."""
    per_token = now[:, 0] / now[:, 1] - now[:, 2] / now[:, 3]
    ratio = (now[:, 0] - start[:, 0]) - (now[:, 2] - start[:, 2])
    moved = (ratio > 0).float() + 0.5 * (ratio == 0).float()
    return {
        "accuracy": float((per_token > 0).float().mean()), "reward_accuracy": float(moved.mean()),
        "margin": float(ratio.mean()),
    }  # fmt: skip


def _forward(writer: CompletionModel, plain: Callable, *args, fused_lm_head: bool = False, **kwargs):
    """What trl asks of a model: the log-probabilities of the labelled tokens (2 n, T - 1), the chosen texts first. Figures
    that the loss doesn't need are left at 0."""
    if not fused_lm_head:
        return plain(*args, **kwargs)
    ids, labels = kwargs["input_ids"], kwargs["labels"]
    half = len(ids) // 2
    parts: list[tuple[int, int, Tensor]] = []
    for row in range(half):
        start = int((labels[row] != -100).nonzero()[0])
        prompt = ids[row, :start].tolist()
        texts = [labels[at][labels[at] != -100].tolist() for at in (row, row + half)]
        parts += [(at, start, found) for at, found in zip((row, row + half), both(writer, prompt, *texts), strict=True)]
    rows = [
        functional.pad(found, (start - 1, ids.shape[1] - start - len(found)))
        for _at, start, found in sorted(parts, key=lambda p: p[0])
    ]
    log_probs = torch.stack(rows)
    nothing = torch.zeros_like(log_probs)
    return FusedCausalLMOutput(
        loss=-log_probs.sum(), log_probs=log_probs, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool(),
        label_mask=labels[:, 1:] != -100,
    )  # fmt: skip


class _Trainer(DPOTrainer):
    """trl's trainer on tokens of ours. The log-probabilities of the reference are in the data: the model holds one adapter.
    A checkpoint holds it alone, in full precision."""

    def __init__(self, writer: CompletionModel, **kwargs):
        super().__init__(model=writer.model, processing_class=writer.tokenizer, **kwargs)
        self.model.delete_adapter("ref")
        self.precompute_ref_logps = True
        # trl's own pass reads each prompt twice and, without Triton, multiplies every position by the vocabulary.
        base = self.model.get_base_model()
        base.forward = functools.partial(_forward, writer, base.forward)

    def _prepare_dataset(self, dataset, *_args):
        return dataset

    def create_model_card(self, *_args, **_kwargs) -> None:
        pass

    def _own(self) -> dict[str, Tensor]:
        return {name: p for name, p in self.model.named_parameters() if ".default." in name}

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(adapter_state(self._own()), folder / "adapter.safetensors")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model=None) -> None:
        self.put(load_file(Path(resume_from_checkpoint) / "adapter.safetensors"))

    def put(self, state: dict[str, Tensor]) -> None:
        """Set the adapter's weights."""
        own = self._own()
        for name, value in state.items():
            own[name].data.copy_(value)

    def state_now(self) -> dict[str, Tensor]:
        """The adapter's weights."""
        return adapter_state(self._own())


def adapter_state(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the processor, in full precision."""
    return {name: p.detach().to("cpu", torch.float32).clone().contiguous() for name, p in parameters.items()}


class _Follow(TrainerCallback):
    """Tells of steps and epochs, keeps the best weights, stops when they get no better or when asked to."""

    def __init__(
        self, out: Path, config: LoraTrainConfig, start_loss: float, check: Callable[[], None], tell: Progress
    ):
        self.out, self.config, self.start_loss, self.check, self.tell = out, config, start_loss, check, tell
        self.trainer: _Trainer
        self.began, self.first = time.monotonic(), 0

    def on_train_begin(self, args, state, control, **_):
        self.began, self.first = time.monotonic(), state.global_step

    def on_substep_end(self, args, state, control, **_):
        self.check()

    def on_step_end(self, args, state, control, **_):
        self.check()

    def on_prediction_step(self, args, state, control, **_):
        self.check()

    def on_log(self, args, state, control, logs=None, **_):
        if not logs or "loss" not in logs or state.global_step <= self.first:
            return
        done, elapsed = state.global_step - self.first, max(1e-9, time.monotonic() - self.began)
        self.tell({
            "event": "step", "step": state.global_step, "total": state.max_steps,
            "epoch": min(int(state.epoch or 0), self.config.dpo_epochs - 1), "loss": round(float(logs["loss"]), 4),
            "rate": round(done * self.config.pairs_per_step / elapsed, 2), "lr": logs.get("learning_rate"),
            "seconds_left": round((state.max_steps - state.global_step) * elapsed / done),
        })  # fmt: skip

    def on_save(self, args, state, control, **_):
        # Written last: a checkpoint without it was killed half-way.
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / "complete").touch()

    def on_evaluate(self, args, state, control, metrics=None, **_):
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        earlier = min([self.start_loss, *losses[:-1]])
        improved = losses[-1] < earlier - 1e-4
        if improved:
            save_best(self.out, self.trainer.state_now(), len(losses) - 1)
        told = {"dpo_loss": metrics["eval_loss"], "reward_accuracy": metrics["eval_rewards/accuracies"]}
        self.tell({
            "event": "epoch", "epoch": len(losses) - 1, "step": state.global_step, "best": improved,
            "metrics": {name: round(float(value), 4) for name, value in told.items()},
        })  # fmt: skip
        best, bad = self.start_loss, 0
        for loss in losses:
            bad = 0 if loss < best - 1e-4 else bad + 1
            best = min(best, loss)
        control.should_training_stop |= bad > self.config.patience


def save_best(out: Path, state: dict[str, Tensor], epoch: int) -> None:
    """Keep the weights of an epoch beside the checkpoints."""

    def write(target: Path) -> None:
        save_file(state, target / "adapter.safetensors")
        (target / "epoch").write_text(str(epoch), encoding="utf-8")

    _replace(out / "best", write)


def _checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; what was killed half-way is removed."""
    whole = []
    for found in folder.glob("checkpoint-*"):
        if (found / "complete").exists():
            whole.append((int(found.name.split("-")[1]), found))
        else:
            shutil.rmtree(found)
    return max(whole)[1] if whole else None


def _fingerprint(config: LoraTrainConfig, *parts: Sequence[PreferencePair]) -> str:
    told = [config.as_json(), *([asdict(pair) for pair in part] for part in parts)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _fitting(model: CompletionModel, pairs: Sequence[PreferencePair], most: int) -> list[PreferencePair]:
    """The pairs of which neither text ends beyond `most` tokens."""
    sizes = [[len(part) for part in token_ids(model, pair).values()] for pair in pairs]
    return [pair for pair, (start, *texts) in zip(pairs, sizes, strict=True) if start + max(texts) <= most]


def _data(model: CompletionModel, pairs: Sequence[PreferencePair], reference: Tensor) -> Dataset:
    """The pairs as trl wants them, with what the reference says of them."""
    return Dataset.from_list([
        {**token_ids(model, pair), "ref_chosen_logps": told[0], "ref_rejected_logps": told[2]}
        for pair, told in zip(pairs, reference.tolist(), strict=True)
    ])  # fmt: skip


def arguments(config: LoraTrainConfig, folder: Path, bf16: bool) -> DPOConfig:
    """The settings as trl names them. Each step is told; checkpoints come in between the epochs."""
    at_once = min(PAIRS_AT_ONCE, config.pairs_per_step)
    kept = config.chosen_weight > 0
    return DPOConfig(
        output_dir=str(folder), beta=config.beta, loss_type=["sigmoid", "sft"] if kept else ["sigmoid"],
        loss_weights=[1.0, config.chosen_weight] if kept else [1.0], learning_rate=config.dpo_learning_rate,
        num_train_epochs=config.dpo_epochs, per_device_train_batch_size=at_once, per_device_eval_batch_size=at_once,
        gradient_accumulation_steps=math.ceil(config.pairs_per_step / at_once), lr_scheduler_type="cosine",
        warmup_steps=config.warmup_share, weight_decay=config.weight_decay, max_grad_norm=config.max_grad_norm,
        adam_beta2=0.98, eval_strategy="epoch", save_strategy="steps", save_steps=config.checkpoint_every, save_total_limit=2,
        logging_strategy="steps", logging_steps=1, bf16=bf16, use_cpu=not torch.cuda.is_available(), seed=config.seed,
        data_seed=config.seed, gradient_checkpointing=False, max_length=None, report_to=[], disable_tqdm=True,
        dataloader_pin_memory=False, push_to_hub=False,
    )  # fmt: skip


def train(
    base_dir: Path,
    pairs: Sequence[PreferencePair],
    heldout: Sequence[PreferencePair],
    out: Path,
    config: LoraTrainConfig,
    *,
    progress: Progress = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
    init_from: Path | None = None,
) -> DpoResult:
    """Train into `out/adapter`, keeping the weights of the epoch with the least held-out loss, or the start's where no
    epoch is better. An interrupted run goes on from its newest whole checkpoint; one of other data or settings starts anew.

    Raises TrainingCancelled; ValueError for too few pairs or an adapter of another shape.
    """
    out.mkdir(parents=True, exist_ok=True)

    def check() -> None:
        if cancelled():
            raise TrainingCancelled

    torch.manual_seed(config.seed)
    model = CompletionModel(base_dir, config)
    if init_from is not None:
        model.start_from(init_from)
    learned, held = (_fitting(model, part, config.max_tokens) for part in (pairs, heldout))
    if len(learned) < LEAST_PAIRS or not held:
        raise ValueError(
            f"DPO needs {LEAST_PAIRS} preference pairs to train and one held out that fit into {config.max_tokens} tokens; "
            f"there are {len(learned)} and {len(held)}"
        )
    work = out / "trainer"
    mark, fingerprint = work / "fingerprint", _fingerprint(config, pairs, heldout)
    if not mark.exists() or mark.read_text() != fingerprint:
        for old in (work, out / "best"):
            shutil.rmtree(old, ignore_errors=True)
        work.mkdir()
        mark.write_text(fingerprint)
    known = work / "reference.safetensors"
    if not known.exists():
        told = {name: log_probabilities(model, part, check) for name, part in (("train", learned), ("held", held))}
        save_file(told, work / "reference.new")
        (work / "reference.new").rename(known)
    reference = load_file(known)
    first = reference["held"]
    follow = _Follow(out, config, math.inf, check, progress)
    trainer = _Trainer(
        model, args=arguments(config, work, model.bf16), train_dataset=_data(model, learned, reference["train"]),
        eval_dataset=_data(model, held, first),
    )  # fmt: skip
    resume = _checkpoint(work)
    start_loss = trainer.evaluate()["eval_loss"] if resume is None else json.loads((work / "start.json").read_text())
    if resume is None:
        (work / "start.json").write_text(json.dumps(start_loss))
        progress({"event": "base", "heldout_loss": start_loss})
    else:
        state = json.loads((resume / "trainer_state.json").read_text(encoding="utf-8"))
        progress({"event": "resumed", "step": state["global_step"], "base": start_loss})
    follow.start_loss, follow.trainer = start_loss, trainer
    trainer.add_callback(follow)
    begin = trainer.state_now()
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    steps, spent = trainer.state.global_step - follow.first, max(1e-9, time.monotonic() - follow.began)
    best = out / "best"
    epoch = int((best / "epoch").read_text()) if best.exists() else -1
    trainer.put(load_file(best / "adapter.safetensors") if best.exists() else begin)
    end = log_probabilities(model, held, check)
    save_adapter(model, out / "adapter")
    return DpoResult(
        out / "adapter", measures(first, first), measures(end, first), trainer.state.global_step, epoch,
        steps * config.pairs_per_step / spent,
    )  # fmt: skip
