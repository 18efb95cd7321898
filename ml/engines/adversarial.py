"""Adversarial training on the word embeddings: FGM (Miyato et al. 2017, arXiv 1605.07725) and PGD (Madry et al. 2018,
arXiv 1706.06083). The perturbation of an example is at most `epsilon` long, relative to the length of its embeddings'
mean norm, so that one setting fits every model."""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]


def _norm(x: Tensor) -> Tensor:
    """(n, 1, 1) length of each example's (tokens, width) block."""
    return x.flatten(1).norm(dim=1)[:, None, None].clamp_min(1e-12)


def perturbed(embeds: Tensor, gradient: Tensor, loss: Loss, *, kind: str, epsilon: float, steps: int) -> Tensor:
    """Embeddings (n, tokens, width) moved to where the loss is greater. `gradient` is that of the clean pass; PGD walks
    `steps` steps and looks again after each, FGM takes one."""
    radius = epsilon * embeds.detach().norm(dim=-1).mean(dim=1)[:, None, None]
    if kind == "fgm":
        return embeds.detach() + radius * gradient / _norm(gradient)
    moved = embeds.detach().clone()
    step = 1.5 * radius / steps
    for number in range(steps):
        if number:
            moved.requires_grad_(True)
            (gradient,) = torch.autograd.grad(loss(moved).sum(), moved)
        moved = moved.detach() + step * gradient / _norm(gradient)
        away = moved - embeds.detach()
        moved = embeds.detach() + away * (radius / _norm(away)).clamp_max(1.0)
    return moved
