"""Whether an experiment's data can be trusted: were visitors split as planned, and did anyone see two arms?"""

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_PER_ARM = 8
ALARM = 0.001


@dataclass(frozen=True)
class SampleRatio:
    """`p_value` of the split under the planned weights, None where an arm expects fewer than 8 visitors; `stray` visitors are in arms of
    weight 0, where nobody should be."""

    p_value: float | None
    df: int
    expected: tuple[float, ...]
    stray: int
    alarm: bool


def sample_ratio(visitors: Sequence[int], weights: Sequence[float]) -> SampleRatio:
    """Pearson's chi² of the visitors per arm; arms of weight 0 take no part, neither in the sum nor in the degrees of
    freedom. Alarm below p = 0.001. Raises ValueError for weights that are negative, all 0 or of another number."""
    if len(visitors) != len(weights) or min(weights, default=-1) < 0 or sum(weights) <= 0:
        raise ValueError("one weight per arm, none negative, not all 0")
    planned = [(n, w) for n, w in zip(visitors, weights, strict=True) if w > 0]
    total, whole = sum(n for n, _ in planned), sum(weights)
    expected = tuple(total * w / whole for w in weights)
    stray = sum(visitors) - total
    df = len(planned) - 1
    # What was expected counts, not what came: an arm that got none of its hundred is the clearest alarm.
    enough = all(total * w / whole >= LEAST_PER_ARM for _, w in planned)
    if df < 1 or not enough:
        return SampleRatio(None, max(df, 0), expected, stray, False)
    from scipy import special

    chi2 = sum((n - total * w / whole) ** 2 / (total * w / whole) for n, w in planned)
    p = float(special.chdtrc(df, chi2))
    return SampleRatio(p, df, expected, stray, p < ALARM)


def multiple_exposure(visitors: int, in_several: int) -> bool:
    """True when visitors seen in more than one arm are above 1 % and at least 10."""
    return in_several >= 10 and in_several > 0.01 * visitors
