"""What a fine-tuning learns: each objective knows its heads, its loss on a batch, and how good it is on held-out rows."""

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ml import metrics
from ml.aspects import ASPECTS, POLARITIES
from ml.configs import TextTrainConfig
from ml.engines.adapting import Adapted
from ml.engines.batches import Batch, TextData
from ml.engines.heads import UNKNOWN, ClassHead, ReviewHeads, aspect_loss, star_loss, star_probabilities

INTERVALS = {"negative": (1, 2), "neutral": (3, 3), "positive": (4, 5)}
# A polarity says less than a star: it counts less beside one.
POLARITY_WEIGHT = 0.5


class Objective(ABC):
    """Base of the objectives. `main` names the metric that decides which weights are kept; higher is better."""

    main = ""
    key = "text"

    def __init__(self, config: TextTrainConfig, train: list[dict], valid: list[dict]):
        self.config = config

    @abstractmethod
    def heads(self, width: int) -> nn.Module:
        """The trainable modules beside the encoder."""

    @abstractmethod
    def prepare(self, data: TextData) -> None:
        """Look at the rows once (targets as tensors)."""

    @abstractmethod
    def loss(self, model: "Model", data: TextData, batch: Batch, embeds: Tensor | None = None) -> tuple[Tensor, Any]:
        """((n,) losses of the rows, outputs for `divergence`)."""

    def divergence(self, one: Any, two: Any) -> Tensor:
        """(n,) symmetric KL between two passes over the same rows, for R-Drop. Raises ValueError where two passes see
        different inputs, which the configuration refuses before."""
        raise ValueError(f"{type(self).__name__} can't compare two passes")

    @abstractmethod
    def evaluate(self, model: "Model", data: TextData) -> tuple[dict[str, float], list[dict]]:
        """(metrics, predictions of the rows)."""


class Model(nn.Module):
    """Encoder and heads in one module."""

    def __init__(self, encoder: Adapted, heads: nn.Module):
        super().__init__()
        self.encoder, self.heads = encoder, heads

    def forward(self, ids: Tensor | None, mask: Tensor, embeds: Tensor | None = None) -> Any:
        return self.heads(self.encoder(ids, mask, embeds), mask)


def _kl(one: Tensor, two: Tensor) -> Tensor:
    """(n,) symmetric KL of (n, …, classes) logits, mean over what lies between."""
    p, q = one.log_softmax(-1), two.log_softmax(-1)
    both = ((p.exp() - q.exp()) * (p - q)).sum(-1) / 2
    return both.flatten(1).mean(1) if both.dim() > 1 else both


class ReviewObjective(Objective):
    """Stars (or a polarity, as an interval of stars) and aspects, from whichever labels a row has.

    Rows: {"text", "stars": 1…5 | None, "polarity": str | None, "aspects": {aspect: polarity} | None, "aspects_rest":
    "absent" | "unknown"}; the rest is what the aspects that aren't named are. A row that teachers have read has their mean
    probabilities too: "soft_stars" (5), "soft_aspects" (aspects, 4).
    """

    main = "score"

    def __init__(self, config: TextTrainConfig, train: list[dict], valid: list[dict]):
        super().__init__(config, train, valid)
        self.aspect_weights: Tensor | None = None
        if config.class_balance:
            counts = np.ones(len(POLARITIES))
            for row in train:
                for polarity in (row.get("aspects") or {}).values():
                    counts[POLARITIES.index(polarity)] += 1
                if row.get("aspects_rest") == "absent":
                    counts[0] += len(ASPECTS) - len(row.get("aspects") or {})
            weights = (counts.sum() / counts / len(counts)) ** config.class_balance
            self.aspect_weights = torch.tensor(weights / (weights * counts).sum() * counts.sum(), dtype=torch.float32)

    def heads(self, width: int) -> nn.Module:
        return ReviewHeads(width, len(ASPECTS), self.config.dropout)

    def prepare(self, data: TextData) -> None:
        low, high, weight, aspects = [], [], [], []
        for row in data.rows:
            stars, polarity = row.get("stars"), row.get("polarity")
            interval = (stars, stars) if stars else INTERVALS.get(polarity or "", (0, 0))
            low.append(interval[0])
            high.append(interval[1])
            weight.append((1.0 if stars else POLARITY_WEIGHT) * float(row.get("weight", 1.0)))
            rest = 0 if row.get("aspects_rest") == "absent" else UNKNOWN
            named = row.get("aspects") or {}
            aspects.append([POLARITIES.index(named[a]) if a in named else rest for a in ASPECTS])
        if any("soft_stars" in row for row in data.rows):
            none = [[0.0] * len(POLARITIES)] * len(ASPECTS)
            data.soft_stars = torch.tensor([row.get("soft_stars") or [0.0] * 5 for row in data.rows])  # type: ignore[attr-defined]
            data.soft_aspects = torch.tensor([row.get("soft_aspects") or none for row in data.rows])  # type: ignore[attr-defined]
        data.low, data.high = torch.tensor(low), torch.tensor(high)  # type: ignore[attr-defined]
        data.weight, data.aspects = torch.tensor(weight), torch.tensor(aspects)  # type: ignore[attr-defined]

    def loss(self, model: Model, data: TextData, batch: Batch, embeds: Tensor | None = None) -> tuple[Tensor, Any]:
        more, aspects = model(None if embeds is not None else batch.ids, batch.mask, embeds)
        at = torch.tensor(batch.rows)
        low, high, weight, wanted = (getattr(data, n)[at].to(more.device) for n in ("low", "high", "weight", "aspects"))
        smoothing = self.config.label_smoothing
        class_weights = self.aspect_weights.to(more.device) if self.aspect_weights is not None else None
        # Twelve aspects in one mean: times four, so that they pull about as hard as the stars.
        each = star_loss(more, low, high, smoothing) * weight + 4 * aspect_loss(
            aspects, wanted, class_weights, smoothing
        )
        if hasattr(data, "soft_stars"):
            stars, others = data.soft_stars[at].to(more.device), data.soft_aspects[at].to(more.device)
            taught = (stars.sum(1) > 0).float() * self.config.distil
            said = -(stars * star_probabilities(more).log()).sum(1) - 4 * (others * aspects.log_softmax(-1)).sum(
                -1
            ).mean(1)
            each = (1 - taught) * each + taught * said
        return each, (more, aspects)

    def divergence(self, one: Any, two: Any) -> Tensor:
        p, q = star_probabilities(one[0]).log(), star_probabilities(two[0]).log()
        return _kl(p, q) + _kl(one[1], two[1])

    @torch.no_grad()
    def outputs(self, model: Model, data: TextData) -> tuple[np.ndarray, np.ndarray]:
        """((n, 4), (n, aspects, 4)) logits of all rows."""
        more = np.zeros((len(data), 4), np.float32)
        aspects = np.zeros((len(data), len(ASPECTS), len(POLARITIES)), np.float32)
        model.eval()
        device = next(model.parameters()).device
        for batch in data.in_order(self.config.batch_tokens * 2):
            m, a = model(batch.ids.to(device), batch.mask.to(device))
            more[batch.rows], aspects[batch.rows] = m.float().cpu().numpy(), a.float().cpu().numpy()
        model.train()
        return more, aspects

    def evaluate(self, model: Model, data: TextData) -> tuple[dict[str, float], list[dict]]:
        more, aspects = self.outputs(model, data)
        stars, found = metrics.star_probabilities(more), metrics.softmax(aspects)
        out: dict[str, float] = {}
        given = np.array([row.get("stars") or 0 for row in data.rows])
        parts = []
        if (given > 0).any():
            out |= {f"stars_{k}": v for k, v in metrics.star_metrics(stars[given > 0], given[given > 0]).items()}
            parts.append(1 - out["stars_mae"] / 4)
        names = list(INTERVALS)
        polarity = np.array([names.index(p) if (p := row.get("polarity")) else -1 for row in data.rows])
        polarity[given > 0] = -1
        if (polarity >= 0).any():
            told = metrics.polarity_metrics(stars[polarity >= 0], polarity[polarity >= 0])
            out |= {f"polarity_{k}": v for k, v in told.items()}
            parts.append(out["polarity_acc"])
        wanted = data.aspects.numpy()  # type: ignore[attr-defined]
        if (wanted >= 0).any():
            rows = (wanted >= 0).any(1)
            out |= {f"aspect_{k}": v for k, v in metrics.aspect_metrics(found[rows], wanted[rows]).items()}
            parts += [out["aspect_micro_f1"], out["aspect_polarity_acc"]]
        out["score"] = float(np.mean(parts)) if parts else 0.0
        taught = (data.soft_stars.sum(1) > 0).float().mean().item() if hasattr(data, "soft_stars") else 0.0
        if share := self.config.distil * taught:
            # What is kept is what training aims at; by labels alone a pupil would never get beyond its first steps.
            out["teachers"] = self._agreement(data, stars, found)
            out["score"] = (1 - share) * out["score"] + share * out["teachers"]
        predictions = [
            {"id": row.get("id"), "language": row.get("language"), "more": m.tolist(), "aspects": a.tolist()}
            for row, m, a in zip(data.rows, more.round(4), aspects.round(4), strict=True)
        ]
        return out, predictions

    @staticmethod
    def _agreement(data: TextData, stars: np.ndarray, aspects: np.ndarray) -> float:
        """How near the taught rows come to their teachers, 0 to 1: 1 less the mean total variation, aspects and stars
        for one half each."""
        soft, others = data.soft_stars.numpy(), data.soft_aspects.numpy()  # type: ignore[attr-defined]
        rows = soft.sum(1) > 0
        apart = [np.abs(a[rows] - b[rows]).sum(-1).mean() / 2 for a, b in ((stars, soft), (aspects, others))]
        return 1 - float(np.mean(apart))


class ClassObjective(Objective):
    """Plain classes. Rows: {"text", "label"}."""

    main = "acc"

    def __init__(self, config: TextTrainConfig, train: list[dict], valid: list[dict]):
        super().__init__(config, train, valid)
        self.labels = sorted({row["label"] for row in train})
        counts = np.array([sum(row["label"] == label for row in train) for label in self.labels], float)
        weights = (counts.sum() / counts / len(counts)) ** config.class_balance
        self.weights = torch.tensor(weights / (weights * counts).sum() * counts.sum(), dtype=torch.float32)

    def heads(self, width: int) -> nn.Module:
        return ClassHead(width, len(self.labels), self.config.dropout)

    def prepare(self, data: TextData) -> None:
        data.label = torch.tensor([self.labels.index(row["label"]) for row in data.rows])  # type: ignore[attr-defined]

    def loss(self, model: Model, data: TextData, batch: Batch, embeds: Tensor | None = None) -> tuple[Tensor, Any]:
        logits = model(None if embeds is not None else batch.ids, batch.mask, embeds)
        wanted = data.label[torch.tensor(batch.rows)].to(logits.device)  # type: ignore[attr-defined]
        each = F.cross_entropy(
            logits, wanted, weight=self.weights.to(logits.device), reduction="none",
            label_smoothing=self.config.label_smoothing,
        )  # fmt: skip
        return each, logits

    def divergence(self, one: Any, two: Any) -> Tensor:
        return _kl(one, two)

    @torch.no_grad()
    def evaluate(self, model: Model, data: TextData) -> tuple[dict[str, float], list[dict]]:
        logits = np.zeros((len(data), len(self.labels)), np.float32)
        model.eval()
        device = next(model.parameters()).device
        for batch in data.in_order(self.config.batch_tokens * 2):
            logits[batch.rows] = model(batch.ids.to(device), batch.mask.to(device)).float().cpu().numpy()
        model.train()
        wanted, found = data.label.numpy(), metrics.softmax(logits)  # type: ignore[attr-defined]
        got = found.argmax(1)
        out = {
            "acc": float((got == wanted).mean()), "macro_f1": metrics.macro_f1(wanted, got, len(self.labels)),
            "ece": metrics.ece(found.max(1), got == wanted), "n": float(len(wanted)),
        }  # fmt: skip
        return out, [
            {"id": row.get("id"), "language": row.get("language"), "label": self.labels[g], "p": round(float(p), 4)}
            for row, g, p in zip(data.rows, got, found.max(1), strict=True)
        ]


class _Mean(nn.Module):
    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        mean = (states.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(mean, dim=-1)


class ContrastiveObjective(Objective):
    """Queries near their passages, away from the batch's others (InfoNCE, van den Oord et al. 2018). Rows: {"query",
    "passage"}; rows with the same passage are not taken for each other's opposite."""

    main = "recall_at_1"
    key = "query"

    def heads(self, width: int) -> nn.Module:
        return _Mean()

    def prepare(self, data: TextData) -> None:
        from ml.engines.batches import TextData as Data

        data.passages = Data(data.rows, data.tokenizer, self.config.max_tokens, "passage")  # type: ignore[attr-defined]

    def loss(self, model: Model, data: TextData, batch: Batch, embeds: Tensor | None = None) -> tuple[Tensor, Any]:
        queries = model(None if embeds is not None else batch.ids, batch.mask, embeds)
        other = data.passages.batch(batch.rows)  # type: ignore[attr-defined]
        passages = model(other.ids.to(queries.device), other.mask.to(queries.device))
        logits = queries @ passages.T / self.config.temperature
        texts = [data.rows[i]["passage"] for i in batch.rows]
        same = torch.tensor([[a == b for b in texts] for a in texts], device=logits.device)
        own = torch.eye(len(texts), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(same & ~own, -1e4)
        wanted = torch.arange(len(logits), device=logits.device)
        each = (
            F.cross_entropy(logits, wanted, reduction="none") + F.cross_entropy(logits.T, wanted, reduction="none")
        ) / 2
        return each, logits

    def divergence(self, one: Any, two: Any) -> Tensor:
        return _kl(one, two)

    @torch.no_grad()
    def evaluate(self, model: Model, data: TextData) -> tuple[dict[str, float], list[dict]]:
        model.eval()
        device = next(model.parameters()).device
        sides = []
        for part in (data, data.passages):  # type: ignore[attr-defined]
            out = np.zeros((len(part), model.encoder.width), np.float32)
            for batch in part.in_order(self.config.batch_tokens * 2):
                out[batch.rows] = model(batch.ids.to(device), batch.mask.to(device)).float().cpu().numpy()
            sides.append(out)
        model.train()
        scores = sides[0] @ sides[1].T
        texts = [row["passage"] for row in data.rows]
        best = scores.argmax(1)
        right = np.array([texts[b] == texts[i] for i, b in enumerate(best)])
        rank = (scores > scores[np.arange(len(scores)), np.arange(len(scores))][:, None]).sum(1) + 1
        told = {"recall_at_1": float(right.mean()), "mrr": float((1 / rank).mean()), "n": float(len(right))}
        return told, [{"id": row.get("id"), "best": int(b)} for row, b in zip(data.rows, best, strict=True)]


class _MaskedHead(nn.Module):
    """The masked-word head of BERT on the tied word embeddings; e5 ships without one, so its transform starts new."""

    def __init__(self, embeddings: nn.Embedding):
        super().__init__()
        width = embeddings.embedding_dim
        self.transform = nn.Linear(width, width)
        nn.init.eye_(self.transform.weight)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(embeddings.num_embeddings))
        self._tied = [embeddings]  # in a list: it is the encoder's parameter, not ours

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return states.float()

    def words(self, states: Tensor) -> Tensor:
        """(n, words) logits of (n, width) states."""
        return self.norm(F.gelu(self.transform(states))) @ self._tied[0].weight.T + self.bias


class MaskedObjective(Objective):
    """Continued masked-language pre-training on the store's own texts (Devlin et al. 2019: of the chosen words 80 % are
    masked, 10 % random, 10 % kept). Rows: {"text"}."""

    main = "negative_loss"

    def __init__(self, config: TextTrainConfig, train: list[dict], valid: list[dict]):
        super().__init__(config, train, valid)
        self.encoder: Adapted | None = None
        self.mask_id = self.words = 0

    def heads(self, width: int) -> nn.Module:
        assert self.encoder is not None
        return _MaskedHead(self.encoder.plain.embeddings.word_embeddings)

    def prepare(self, data: TextData) -> None:
        self.mask_id = data.tokenizer.token_to_id("<mask>")  # type: ignore[attr-defined]
        self.words = data.tokenizer.get_vocab_size()  # type: ignore[attr-defined]

    def masked(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(ids with masks, which places were chosen)."""
        ids = batch.ids.clone()
        chance = torch.rand(ids.shape, generator=generator)
        inside = batch.mask.bool()
        inside[:, 0] = False  # the start
        chosen = (chance < self.config.mlm_share) & inside
        kind = torch.rand(ids.shape, generator=generator)
        ids[chosen & (kind < 0.8)] = self.mask_id
        swap = chosen & (kind >= 0.8) & (kind < 0.9)
        ids[swap] = torch.randint(4, self.words, (int(swap.sum()),), generator=generator)
        return ids, chosen

    def _losses(self, model: Model, batch: Batch, ids: Tensor, chosen: Tensor) -> Tensor:
        states = model(ids.to(batch.mask.device), batch.mask)
        logits = model.heads.words(states[chosen.to(states.device)])  # type: ignore[operator]
        return F.cross_entropy(logits, batch.ids.to(logits.device)[chosen.to(logits.device)], reduction="none")

    def loss(self, model: Model, data: TextData, batch: Batch, embeds: Tensor | None = None) -> tuple[Tensor, Any]:
        ids, chosen = self.masked(batch)
        each = self._losses(model, batch, ids, chosen)
        # One number a row, as the trainer expects: the mean over the words, for each of them.
        mean = each.mean() if len(each) else model.heads.bias.sum() * 0  # type: ignore[union-attr,operator]
        return mean.expand(len(batch.rows)), None

    @torch.no_grad()
    def evaluate(self, model: Model, data: TextData) -> tuple[dict[str, float], list[dict]]:
        model.eval()
        generator = torch.Generator().manual_seed(self.config.seed)  # the same masks each time
        total, count = 0.0, 0
        for batch in data.in_order(self.config.batch_tokens):
            ids, chosen = self.masked(batch, generator)
            each = self._losses(model, batch, ids, chosen)
            total, count = total + float(each.sum()), count + len(each)
        model.train()
        mean = total / max(1, count)
        return {"negative_loss": -mean, "loss": mean, "perplexity": math.exp(min(50.0, mean)), "n": float(count)}, []


OBJECTIVES: dict[str, type[Objective]] = {
    "review": ReviewObjective, "classes": ClassObjective, "contrastive": ContrastiveObjective, "mlm": MaskedObjective,
}  # fmt: skip
