"""A confidence sequence: intervals that hold at every look at once, so a test may be watched and stopped at any time.

Asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021 (arXiv 2103.06476), theorem 2.2 with
the Normal mixture; `tuning` (N*) is the total number of visitors at which the sequence is tightest. It must stay the same
during a test. All functions take numbers or arrays.
"""

import math

import numpy as np

Array = np.ndarray

TUNING = 5000


def _rho2(alpha: float, tuning: float) -> float:
    """Their equation (17): the mixture variance that is tightest at `tuning`."""
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuning


def multiplier(n: float | Array, alpha: float = 0.05, tuning: float = TUNING) -> float | Array:
    """Half-width of the sequence in standard errors after `n` > 0 visitors of both arms; a fixed test has 1.96 here."""
    grown = np.asarray(n, float) * _rho2(alpha, tuning)
    out = np.sqrt(2 * (grown + 1) / grown * np.log(np.sqrt(grown + 1) / alpha))
    return out if np.ndim(n) else float(out)


def p_value(
    estimate: float | Array, error: float | Array, n: float | Array, alpha: float = 0.05, tuning: float = TUNING
) -> float | Array:
    """Always-valid p value: below `alpha` just when the sequence of that alpha excludes 0. `error` > 0 is the standard
    error; the minimum over all looks so far is valid too."""
    grown = np.asarray(n, float) * _rho2(alpha, tuning)
    z2 = (np.asarray(estimate, float) / error) ** 2
    out = np.minimum(1.0, np.exp(np.log(grown + 1) / 2 - grown * z2 / (2 * (grown + 1))))
    return out if np.ndim(out) else float(out)
