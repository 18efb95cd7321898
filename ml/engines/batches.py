"""Rows of a training file as token batches: bucketed by length, padded to the longest of the batch."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

# Batches are cut from stretches of this many shuffled rows, sorted by length within: little padding, and order still random.
STRETCH = 64


@dataclass
class Batch:
    """Token ids (n, tokens), their mask, and the rows they come from."""

    ids: Tensor
    mask: Tensor
    rows: list[int]


class TextData:
    """Tokenised texts of rows, "passage: " in front as e5 was trained."""

    def __init__(
        self, rows: list[dict], tokenizer: Tokenizer, max_tokens: int, key: str = "text", prefix: str = "passage: "
    ):
        self.rows = rows
        self.tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
        self.ids = [e.ids for e in tokenizer.encode_batch([prefix + (row.get(key) or "") for row in rows])]
        self.pad = tokenizer.token_to_id("<pad>") if tokenizer.token_to_id("<pad>") is not None else 0

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Sequence[int]) -> Batch:
        """One padded batch of the rows of these numbers."""
        longest = max(len(self.ids[i]) for i in rows)
        ids = torch.full((len(rows), longest), self.pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for at, i in enumerate(rows):
            ids[at, : len(self.ids[i])] = torch.tensor(self.ids[i])
            mask[at, : len(self.ids[i])] = 1
        return Batch(ids, mask, list(rows))

    def cut(self, order: Sequence[int], batch_tokens: int) -> list[list[int]]:
        """Row numbers in batches, each at most `batch_tokens` with padding, in the order given."""
        out: list[list[int]] = []
        longest = 0
        for i in order:
            longest = max(longest, len(self.ids[i]))
            if out and longest * (len(out[-1]) + 1) <= batch_tokens:
                out[-1].append(i)
            else:
                out.append([i])
                longest = len(self.ids[i])
        return out

    def epoch(self, seed: int, batch_tokens: int) -> list[list[int]]:
        """The batches of one epoch, shuffled by the seed."""
        shuffled = list(range(len(self.rows)))
        rng = random.Random(seed)
        rng.shuffle(shuffled)
        mean = max(1, sum(len(i) for i in self.ids) // max(1, len(self.ids)))
        stretch = max(1, batch_tokens // mean) * STRETCH
        batches: list[list[int]] = []
        for start in range(0, len(shuffled), stretch):
            part = sorted(shuffled[start : start + stretch], key=lambda i: len(self.ids[i]))
            batches += self.cut(part, batch_tokens)
        rng.shuffle(batches)
        return batches

    def in_order(self, batch_tokens: int) -> Iterator[Batch]:
        """All rows, the longest first."""
        for rows in self.cut(sorted(range(len(self.rows)), key=lambda i: -len(self.ids[i])), batch_tokens):
            yield self.batch(rows)


def read_rows(path: Path) -> list[dict]:
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def load_tokenizer(folder: Path) -> Tokenizer:
    """The fast tokenizer of a model folder."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))
