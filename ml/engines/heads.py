"""Heads on the encoder's token states, and their losses. The numpy twins of their forward passes are in ml/review_model.py.

Stars: one score and four ordered thresholds, P(stars > k) = sigmoid(score - threshold_k) (proportional odds, McCullagh
1980), so that the classes derived from it can't contradict each other. Aspects: each has a query of its own that
attends over the tokens (label attention, Mullenbach et al. 2018) and four classes: absent, negative, neutral, positive;
the attention says which words speak for it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STARS = 5
CLASSES = 4
UNKNOWN = -100


class Thresholds(nn.Module):
    """Four ascending thresholds that a score is compared with: the first, and gaps that softplus keeps above 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.tensor([-1.5]))
        self.gaps = nn.Parameter(torch.full((STARS - 2,), 0.54))

    def forward(self, score: Tensor) -> Tensor:
        """(n, 1) → (n, 4) score - threshold."""
        return score - torch.cat([self.first, self.first + torch.cumsum(F.softplus(self.gaps), 0)])


class AspectClasses(nn.Module):
    """A linear layer of its own for each aspect."""

    def __init__(self, width: int, aspects: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(aspects, width, CLASSES) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(aspects, CLASSES))

    def forward(self, about: Tensor) -> Tensor:
        """(n, aspects, width) → (n, aspects, 4)."""
        return torch.einsum("naw,awc->nac", about, self.weight) + self.bias


class ReviewHeads(nn.Module):
    """Heads for stars and aspects over token states (n, tokens, width). Every parameter lies in a leaf module, as
    gradients of single examples (DP-SGD) need it."""

    def __init__(self, width: int, aspects: int, dropout: float = 0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.star_query = nn.Linear(width, 1, bias=False)
        self.star_hidden = nn.Linear(2 * width, width)
        self.star_out = nn.Linear(width, 1)
        self.thresholds = Thresholds()
        self.queries = nn.Linear(width, aspects, bias=False)
        self.classes = AspectClasses(width, aspects)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 4) logits of "more than k stars", (n, aspects, 4) logits of the aspects' classes."""
        states = self.dropout(states.float())
        away = ~mask.bool()[..., None]
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        at = self.star_query(states).masked_fill(away, -1e4).softmax(1)
        pooled = torch.cat([mean, (at * states).sum(1)], -1)
        score = self.star_out(F.gelu(self.star_hidden(pooled)))
        attention = self.queries(states).masked_fill(away, -1e4).softmax(1)
        about = torch.einsum("nta,ntw->naw", attention, states)
        return self.thresholds(score), self.classes(about)


class ClassHead(nn.Module):
    """Plain classes over the mean of the token states."""

    def __init__(self, width: int, classes: int, dropout: float = 0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, classes)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(n, classes) logits."""
        mean = (states.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.out(self.dropout(F.gelu(self.hidden(self.dropout(mean)))))


def star_probabilities(more: Tensor) -> Tensor:
    """(n, 5) probabilities of 1 to 5 stars from the logits of "more than k"."""
    above = torch.sigmoid(more)
    one = torch.ones_like(above[:, :1])
    return (torch.cat([one, above], 1) - torch.cat([above, 0 * one], 1)).clamp_min(1e-7)


def star_loss(more: Tensor, low: Tensor, high: Tensor, smoothing: float) -> Tensor:
    """(n,) -log P(low <= stars <= high): a polarity is an interval of stars. Rows with low 0 give 0."""
    known = low > 0
    probabilities = star_probabilities(more)
    k = torch.arange(1, STARS + 1, device=more.device)
    # A row without stars takes all of them: its loss is 0, and so is the gradient (0 times infinity is neither).
    inside = (((k >= low[:, None]) & (k <= high[:, None])) | ~known[:, None]).float()
    inside = inside * (1 - smoothing) + smoothing / STARS
    return -torch.log((probabilities * inside).sum(1)) * known


def aspect_loss(logits: Tensor, wanted: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """(n,) mean cross entropy over the aspects that are known; rows without any give 0."""
    each = F.cross_entropy(
        logits.flatten(0, 1), wanted.flatten(), weight=weights, ignore_index=UNKNOWN, reduction="none",
        label_smoothing=smoothing,
    ).view(wanted.shape)  # fmt: skip
    known = wanted != UNKNOWN
    return each.sum(1) / known.sum(1).clamp_min(1)
