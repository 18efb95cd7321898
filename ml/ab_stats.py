"""The verdict on an experiment: one function over the arms' counts, its rules, its guardrails.

What is said always agrees with the interval that is shown. A winner's interval lies on one side of 0 *and* its chance to win
is at least 1 - (1 - level) / 2, the same tail. With several treatments the error is shared among them (Bonferroni).

fixed       exact Beta posteriors for conversions, Welch's t for means; one look, at the planned size
sequential  the confidence sequence: may be looked at all the time
bandit      the same sequence, since traffic that follows the results breaks a fixed test
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml import ab_design, ab_effects, ab_health, ab_planning, ab_sequential
from ml.ab_arms import Arm, Conversions, Ratio, Summary
from ml.ab_posteriors import (
    Beta,
    Normal,
    Posterior,
    chance,
    difference_quantiles,
    expected_loss,
    lift_quantiles,
    probability_best,
)

MODES = ("fixed", "sequential", "bandit")
NOT_YET, WINNER, LOSER, NO_DIFFERENCE, STOPPED_HARM = "not_yet", "winner", "loser", "no_difference", "stopped_harm"
EARLY_HARM = 0.001  # of a fixed test before its end; GrowthBook's strict stop
GUARDRAIL_ALPHA = 0.05


@dataclass(frozen=True)
class Rules:
    """Fixed at the start. `smallest_effect` that matters is relative (0.02: 2 %). `weights` are the planned shares (equal
    unless told; a bandit's split is checked only where told). `tuning` is the sequence's N*. `minimum_events`: conversions or
    buyers of both arms together below which a Normal approximation, and so a sequence, says nothing."""

    mode: str = "fixed"
    level: float = 0.95
    higher_is_better: bool = True
    minimum_per_arm: int = 150
    minimum_days: float = 3.0
    planned_per_arm: int | None = None
    smallest_effect: float | None = None
    weights: tuple[float, ...] | None = None
    tuning: int = ab_sequential.TUNING
    minimum_events: int = 40
    prior: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self):
        if self.mode not in MODES or not 0 < self.level < 1 or self.tuning < 1 or min(self.prior) <= 0:
            raise ValueError(f"mode is one of {MODES}, level between 0 and 1, tuning and prior above 0")


@dataclass(frozen=True)
class Guardrail:
    """A metric that the treatment must not worsen by more than `tolerance` (relative); arms in the experiment's order."""

    name: str
    arms: tuple[Arm, ...]
    higher_is_better: bool = True
    tolerance: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Treatment `arm` against control (arm 0), in the metric's unit per visitor. `level` is that of the intervals after
    sharing the error among the arms. None: the data have no such number (a lift over 0, an interval of nothing). `harms`
    names worsened guardrails, and "primary"."""

    arm: int
    control: float
    treatment: float
    chance_to_win: float
    p_value: float
    level: float
    difference: float
    low: float | None = None
    high: float | None = None
    lift: float | None = None
    lift_low: float | None = None
    lift_high: float | None = None
    loss_if_chosen: float | None = None
    loss_if_kept: float | None = None
    status: str = NOT_YET
    harms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """`status` of the whole, `winner` arm where there is one. While not_yet, `reasons` are no_visitors, minimum_per_arm,
    minimum_days, few_events, planned_size, sample_ratio, multiple_exposure, uncertain or running; `needed_per_arm` visitors
    and `needed_days` are still missing, as far as that can be told. `expected_loss` per visitor of choosing each arm.
    `warnings`: stray (visitors in an arm of weight 0), few_items, carry_over."""

    status: str
    winner: int | None
    reasons: tuple[str, ...]
    needed_per_arm: int | None
    needed_days: float | None
    comparisons: tuple[Comparison, ...]
    probability_best: tuple[float, ...]
    expected_loss: tuple[float | None, ...]
    sample_ratio: ab_health.SampleRatio | None = None
    warnings: tuple[str, ...] = ()


def judge(
    arms: Sequence[Arm], rules: Rules, *, days: float = 0.0, guardrails: Sequence[Guardrail] = (), in_several: int = 0
) -> Verdict:
    """Control first. `days` it has run, `in_several`: visitors seen in more than one arm. Poor data give not_yet, never an
    error; ValueError for arms of different kinds, fewer than two, or another number of weights or guardrail arms."""
    k = len(arms)
    if k < 2 or len({type(arm) for arm in arms}) > 1 or any(len(g.arms) != k for g in guardrails):
        raise ValueError("a verdict needs two or more arms of one kind, and every guardrail as many")
    alpha = (1 - rules.level) / (k - 1)
    least = min(_units(arm) for arm in arms)
    ratio = _sample_ratio(arms, rules)
    events = min(arms[0].events + arm.events for arm in arms[1:])
    thin = events < rules.minimum_events and not (rules.mode == "fixed" and isinstance(arms[0], Conversions))

    reasons, needed = [], []
    if ratio and ratio.alarm:
        reasons.append("sample_ratio")
    if ab_health.multiple_exposure(sum(arm.n for arm in arms), in_several):
        reasons.append("multiple_exposure")
    if not least:
        reasons.append("no_visitors")
    if least < rules.minimum_per_arm:
        reasons.append("minimum_per_arm")
        needed.append(rules.minimum_per_arm - least)
    if days < rules.minimum_days:
        reasons.append("minimum_days")
    if thin:
        reasons.append("few_events")
        if events:
            needed.append(math.ceil(max(least, 1) * (rules.minimum_events / events - 1)))
    planned = rules.planned_per_arm is not None and least >= rules.planned_per_arm
    if rules.mode == "fixed" and rules.planned_per_arm is not None and not planned:
        reasons.append("planned_size")
        needed.append(rules.planned_per_arm - least)

    final, enough = not reasons, least >= max(rules.minimum_per_arm, 2) and not thin
    compared = []
    for i in range(1, k):
        found = replace(_compare(arms[0], arms[i], alpha, rules.mode, rules.higher_is_better, rules), arm=i)
        harms = _harms(guardrails, i, rules, final)
        if enough and not final and _early_harm(found, rules):
            harms = ("primary", *harms)
        compared.append(replace(found, harms=harms, status=_status(found, harms, final, planned, rules)))
    status, winner = _whole(compared, rules)
    if status == NOT_YET and final:
        reasons.append("uncertain")
        open_ = [
            ab_planning.still_needed(
                arms[0].cautious(), arms[c.arm].cautious(), rules.smallest_effect, level=1 - alpha,
                sequential=rules.mode != "fixed", tuning=rules.tuning,
            )
            for c in compared if c.status == NOT_YET
        ]  # fmt: skip
        needed += [n for n in open_ if n is not None]
    waiting = status == NOT_YET
    best, losses = _all_arms(arms, rules)
    return Verdict(
        status, winner, tuple(reasons) if waiting else (), max(needed) if waiting and needed else None,
        max(0.0, rules.minimum_days - days) or None if waiting else None, tuple(compared), best, losses, ratio,
        ("stray",) if ratio and ratio.stray else (),
    )  # fmt: skip


def judge_items(effect: ab_design.ItemEffect | None, rules: Rules, *, finished: bool) -> Verdict:
    """The same for a test that splits products: one look, when it has `finished`. The effect's interval is the one shown;
    it must have been made at `rules.level`."""
    reasons = () if finished else ("running",)
    if effect is None:
        return Verdict(NOT_YET, None, (*reasons, "few_events"), None, None, (), (0.5, 0.5), (None, None))
    sign = 1 if rules.higher_is_better else -1
    signed = ab_effects.Effect(sign * effect.effect, effect.error, effect.df)
    risks, test = ab_effects.posterior(signed), ab_effects.t_test(signed)
    found = Comparison(
        1, effect.control, effect.control + effect.effect, test.chance, effect.p_value, rules.level, effect.effect,
        effect.low, effect.high, effect.lift, effect.lift_low, effect.lift_high, risks.risk_treatment, risks.risk_control,
    )  # fmt: skip
    found = replace(found, status=_status(found, (), finished, True, rules))
    status, winner = _whole([found], rules)
    warnings = [] if effect.enough_items else ["few_items"]
    if effect.carry_over is not None and effect.carry_over < 0.05:
        warnings.append("carry_over")
    return Verdict(
        status, winner, reasons, None, None, (found,), (1 - test.chance, test.chance),
        (risks.risk_control, risks.risk_treatment), None, tuple(warnings),
    )  # fmt: skip


def _units(arm: Arm) -> int:
    """Visitors that count; a ratio without a bottom has none."""
    return arm.summary().n if isinstance(arm, Ratio) else arm.n


def _sample_ratio(arms: Sequence[Arm], rules: Rules) -> ab_health.SampleRatio | None:
    if rules.weights is None and rules.mode == "bandit":
        return None
    return ab_health.sample_ratio([arm.n for arm in arms], rules.weights or (1.0,) * len(arms))


def _status(c: Comparison, harms: tuple[str, ...], final: bool, planned: bool, rules: Rules) -> str:
    if harms:
        return STOPPED_HARM
    if not final or c.low is None or c.high is None:
        return NOT_YET
    tail, sign = (1 - c.level) / 2, 1 if rules.higher_is_better else -1
    # The chance's own tail is tested besides: an interval across 0 never goes with a winner, nor the other way round.
    if min(sign * c.low, sign * c.high) > 0 and c.chance_to_win >= 1 - tail:
        return WINNER
    if max(sign * c.low, sign * c.high) < 0 and c.chance_to_win <= tail:
        return LOSER
    narrow = rules.smallest_effect and c.lift_low is not None and c.lift_high is not None
    if planned or (narrow and -rules.smallest_effect <= c.lift_low and c.lift_high <= rules.smallest_effect):
        return NO_DIFFERENCE
    return NOT_YET


def _whole(compared: Sequence[Comparison], rules: Rules) -> tuple[str, int | None]:
    """Status of the experiment and the winning arm: of several winners the one with the largest effect."""
    winners = [c for c in compared if c.status == WINNER]
    if winners:
        sign = 1 if rules.higher_is_better else -1
        return WINNER, max(winners, key=lambda c: sign * c.difference).arm
    told = {c.status for c in compared}
    return next(s for s in (NOT_YET, NO_DIFFERENCE, STOPPED_HARM, LOSER) if s in told), None


def _early_harm(c: Comparison, rules: Rules) -> bool:
    """Clearly worse before the end: a fixed test needs far more than its level for that, a sequence is valid at any time."""
    if rules.mode == "fixed":
        return c.low is not None and c.chance_to_win < EARLY_HARM
    return _worse(c, rules.higher_is_better, 0.0)


def _worse(c: Comparison, higher_is_better: bool, tolerance: float) -> bool:
    """Surely worse by more than the tolerance: the friendlier end of the interval is beyond it."""
    low, high, room = c.lift_low, c.lift_high, tolerance
    if low is None or high is None:
        low, high, room = c.low, c.high, tolerance * abs(c.control)
    if low is None or high is None:
        return False
    return high < -room if higher_is_better else low > room


def _harms(guardrails: Sequence[Guardrail], arm: int, rules: Rules, final: bool) -> tuple[str, ...]:
    alpha = GUARDRAIL_ALPHA if final or rules.mode != "fixed" else EARLY_HARM
    out = []
    for g in guardrails:
        control, treatment = g.arms[0], g.arms[arm]
        exact = rules.mode == "fixed" and isinstance(control, Conversions)
        if min(_units(control), _units(treatment)) < max(rules.minimum_per_arm, 2) or (
            not exact and control.events + treatment.events < rules.minimum_events
        ):
            continue
        if _worse(
            _compare(control, treatment, alpha, rules.mode, g.higher_is_better, rules), g.higher_is_better, g.tolerance
        ):
            out.append(g.name)
    return tuple(out)


def _compare(control: Arm, treatment: Arm, alpha: float, mode: str, higher_is_better: bool, rules: Rules) -> Comparison:
    """One comparison, without status."""
    c, t = control.cautious(), treatment.cautious()
    shape = Comparison(1, c.mean, t.mean, 0.5, 1.0, 1 - alpha, t.mean - c.mean)
    if c.mean and c.n and t.n:
        shape = replace(shape, lift=(t.mean - c.mean) / abs(c.mean))
    exact = isinstance(control, Conversions)
    if exact:
        shape = _exact(shape, Beta.of(control, rules.prior), Beta.of(treatment, rules.prior), higher_is_better, mode)
    effect = ab_effects.difference(c, t)
    if effect is None or (exact and mode == "fixed"):
        return shape
    if not exact:
        sign = 1 if higher_is_better else -1
        signed = ab_effects.Effect(sign * effect.estimate, effect.error, effect.df)
        test, risks = ab_effects.t_test(signed), ab_effects.posterior(signed)
        shape = replace(
            shape, chance_to_win=test.chance, p_value=test.p_value, loss_if_chosen=risks.risk_treatment,
            loss_if_kept=risks.risk_control,
        )  # fmt: skip
    if mode == "fixed":
        width = ab_effects.t_multiplier(effect.df, 1 - alpha)
    else:
        n = c.n + t.n
        width = ab_sequential.multiplier(n, alpha, rules.tuning)
        p = ab_sequential.p_value(effect.estimate, effect.error, n, alpha, rules.tuning)
        shape = replace(shape, p_value=float(p))
    lifts = ab_effects.fieller(c, t, width) if c.variance and t.variance else None
    return replace(
        shape, low=effect.estimate - width * effect.error, high=effect.estimate + width * effect.error,
        lift_low=lifts[0] if lifts else None, lift_high=lifts[1] if lifts else None,
    )  # fmt: skip


def _exact(shape: Comparison, control: Beta, treatment: Beta, higher_is_better: bool, mode: str) -> Comparison:
    """Chance and losses of the Beta posteriors; in a fixed test their intervals and medians too."""
    better, other = (treatment, control) if higher_is_better else (treatment.mirrored(), control.mirrored())
    won = float(chance(better, other))
    shape = replace(
        shape, chance_to_win=won, p_value=min(1.0, 2 * min(won, 1 - won)),
        loss_if_chosen=float(expected_loss(better, [other])), loss_if_kept=float(expected_loss(other, [better])),
    )  # fmt: skip
    if mode != "fixed":
        return shape
    levels = ((1 - shape.level) / 2, 0.5, (1 + shape.level) / 2)
    low, middle, high = difference_quantiles(control, treatment, levels)
    lift_low, lift, lift_high = lift_quantiles(control, treatment, levels)
    return replace(
        shape, difference=middle, low=low, high=high, lift=lift, lift_low=lift_low, lift_high=lift_high
    )  # fmt: skip


def _all_arms(arms: Sequence[Arm], rules: Rules) -> tuple[tuple[float, ...], tuple[float | None, ...]]:
    """P(best) and expected loss of each arm; equal and unknown where nothing varies yet."""
    k = len(arms)
    posteriors: list[Posterior]
    if isinstance(arms[0], Conversions):
        posteriors = [Beta.of(arm, rules.prior) for arm in arms]
    else:
        summaries: list[Summary] = [arm.summary() for arm in arms]
        units = sum(s.n for s in summaries)
        pooled = sum(s.n * s.variance for s in summaries) / units if units else 0.0
        if not pooled or min(s.n for s in summaries) < 2:
            return (1 / k,) * k, (None,) * k
        posteriors = [Normal(s.mean, math.sqrt((s.variance or pooled) / s.n)) for s in summaries]
    if not rules.higher_is_better:
        posteriors = [p.mirrored() for p in posteriors]
    best = tuple(float(p) for p in np.atleast_1d(probability_best(posteriors)))
    losses = tuple(
        float(expected_loss(p, [o for j, o in enumerate(posteriors) if j != i])) for i, p in enumerate(posteriors)
    )
    return best, losses
