"""Shared-prefix packing: train many completions of one prefix as if each were a sequence of its own, at one price.

A packed sequence holds one or more examples. A token sees the prefix of its own example and the tokens before it in
its own completion, nothing else, and its position counts on from the end of the prefix: the loss is exactly that of
the separate sequences (a test compares them), while the prefix is computed once.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch

Tokenize = Callable[[str], list[int]]


@dataclass(frozen=True)
class PrefixExample:
    """One prefix with its completions: (suffix that is given, target that is learned)."""

    prefix: str
    completions: tuple[tuple[str, str], ...]


@dataclass
class Packed:
    """Token ids and, per token: example number, completion number (-1 = prefix), position, label (-100 = no loss)."""

    ids: list[int] = field(default_factory=list)
    example: list[int] = field(default_factory=list)
    block: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    label: list[int] = field(default_factory=list)

    def add(self, ids: list[int], example: int, block: int, start: int, learned: int) -> None:
        """Append tokens of which the last `learned` are predicted (each by the token before it)."""
        self.ids += ids
        self.example += [example] * len(ids)
        self.block += [block] * len(ids)
        self.position += range(start, start + len(ids))
        labels = [-100] * len(ids)
        for i in range(len(ids) - learned, len(ids)):
            labels[i - 1] = ids[i]
        self.label += labels

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """ids (1, T), positions (1, T), mask (1, 1, T, T) of booleans: may look at, labels (T)."""
        example, block = torch.tensor(self.example), torch.tensor(self.block)
        size = len(self.ids)
        causal = torch.ones(size, size, dtype=torch.bool).tril()
        same = example[:, None] == example[None, :]
        visible = (block[None, :] == -1) | (block[:, None] == block[None, :])
        mask = (causal & same & visible)[None, None]
        return torch.tensor([self.ids]), torch.tensor([self.position]), mask, torch.tensor(self.label)


def pack(
    examples: Iterable[PrefixExample], tokenize: Tokenize, *, bos: int, max_tokens: int, seed: int | None
) -> Iterator[Packed]:
    """Packed sequences of at most `max_tokens`; a seed shuffles examples and completions, None keeps their order.

    An example whose completions don't fit is split, each part with the prefix; a completion longer than the room is
    left out.
    """
    examples = list(examples)
    rng = random.Random(seed) if seed is not None else None
    if rng:
        rng.shuffle(examples)
    packed, count = Packed(), 0
    for item in examples:
        prefix = [bos, *tokenize(item.prefix)]
        completions = [(tokenize(suffix), tokenize(target + "\n")) for suffix, target in item.completions]
        if rng:
            rng.shuffle(completions)
        opened = False
        for number, (suffix, target) in enumerate(completions):
            size = len(suffix) + len(target)
            if len(prefix) + size > max_tokens:
                continue
            needed = size + (0 if opened else len(prefix))
            if len(packed.ids) + needed > max_tokens:
                yield packed
                packed, count, opened = Packed(), 0, False
            if not opened:
                count += 1
                packed.add(prefix, count, -1, 0, 0)
                opened = True
            packed.add(suffix + target, count, number, len(prefix), len(target))
    if packed.ids:
        yield packed
