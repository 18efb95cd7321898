"""Texts in batches of like length. Free of Django and of torch."""

from collections.abc import Sequence


def batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indexes in batches of like length, each at most `batch_tokens` with padding, the longest first: the cores then
    end together."""
    out: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if out and lengths[out[-1][0]] * (len(out[-1]) + 1) <= batch_tokens:
            out[-1].append(i)
        else:
            out.append([i])
    return out
