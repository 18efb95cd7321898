"""DP-SGD by Opacus: gradients clipped example by example, noise on their sum, and the privacy it has cost so far."""

import random
from collections.abc import Callable, Iterator

import torch
from opacus.accountants import RDPAccountant
from opacus.grad_sample import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import nn

from ml.configs import TextTrainConfig
from ml.engines.batches import TextData


class PrivateTraining:
    """Wraps a model and its optimizer. A step's rows are a Poisson sample, as the accountant assumes; they run through
    in pieces that fit the memory."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, config: TextTrainConfig, rows: int):
        self.config, self.rows = config, rows
        # As many rows as a step of a plain training has, about.
        self.expected = max(1, min(rows, config.accumulate * config.batch_tokens // 32))
        self.rate = self.expected / rows
        self.model = GradSampleModule(model, loss_reduction="sum", strict=False)
        # Noise that a kept seed could draw again would protect nobody, and a resumed run must not repeat its own.
        self.noise = torch.Generator()
        self.noise.seed()
        self.optimizer = DPOptimizer(
            optimizer, noise_multiplier=config.dp_noise, max_grad_norm=config.dp_clip, expected_batch_size=self.expected,
            loss_reduction="mean", generator=self.noise,
        )  # fmt: skip
        self.accountant = RDPAccountant()

    @property
    def steps_per_epoch(self) -> int:
        return max(1, round(1 / self.rate))

    def sample(self, data: TextData) -> Iterator[list[list[int]]]:
        """One epoch of steps: each a Poisson sample, in batches by length. Drawn anew each time: the accountant's promise
        rests on nobody knowing who was drawn, so no seed stands behind it."""
        rng = random.SystemRandom()
        for _ in range(self.steps_per_epoch):
            chosen = [i for i in range(self.rows) if rng.random() < self.rate]
            yield data.cut(sorted(chosen, key=lambda i: len(data.ids[i])), self.config.batch_tokens) if chosen else []

    def step(self, pieces: list[list[int]], loss_of: Callable[[list[int]], torch.Tensor]) -> float:
        """One private step over the pieces; returns the sum of the losses. An empty sample takes a step of noise
        alone and is counted like any other."""
        total = 0.0
        for number, piece in enumerate(pieces):
            loss = loss_of(piece).sum()
            loss.backward()
            total += float(loss.detach())
            self.optimizer.signal_skip_step(do_skip=number < len(pieces) - 1)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        if not pieces:
            self._noise_alone()
        self.accountant.step(noise_multiplier=self.config.dp_noise, sample_rate=self.rate)
        return total

    def _noise_alone(self) -> None:
        """The step of an empty sample: noise and no gradient. Without it the absence of a step would tell that nobody was
        drawn."""
        scale = self.config.dp_noise * self.config.dp_clip / self.expected
        for group in self.optimizer.original_optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.randn(p.shape, generator=self.noise, dtype=p.dtype).to(p.device) * scale
        self.optimizer.original_optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def epsilon(self) -> float:
        """The privacy spent: (epsilon, dp_delta)-differential privacy holds so far."""
        return float(self.accountant.get_epsilon(delta=self.config.dp_delta)) if self.accountant.history else 0.0
