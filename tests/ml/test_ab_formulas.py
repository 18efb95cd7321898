"""Arms, posteriors, effects, sequences and split checks against independent oracles."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln

from ml import ab_effects as effects
from ml import ab_posteriors as post
from ml import ab_sequential as sequential
from ml.ab_arms import Conversions, Ratio, Summary, Sums, winsorise
from ml.ab_health import multiple_exposure, sample_ratio
from ml.ab_posteriors import Beta, Normal

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT.parent / "shared" / "research" / "stats_golden.json"
few = settings(max_examples=40, deadline=None)

# (control n, x), (treatment n, x) → P(treatment is better), loss of choosing it, loss of keeping control; Beta(1, 1).
EXACT = [
    ((1000, 100), (1000, 120), 0.923183, 0.00048461, 0.02044469),
    ((20, 2), (20, 4), 0.795054, 0.01318188, 0.10409097),
    ((8000, 400), (8000, 330), 0.004001, 0.00875191, 0.00000410),
    ((500, 0), (500, 5), 0.984608, 0.00003048, 0.00999064),
]


def golden() -> dict:
    if not GOLDEN.exists():
        pytest.skip("the reference numbers are not beside this clone")
    return json.loads(GOLDEN.read_text())


def moments(case: dict, arm: str) -> Summary:
    found = case[arm]
    if case["kind"] == "proportion":
        return Conversions(*found).summary()
    return Sums(found["n"], found["sum"], found["sum_squares"]).summary()


def finite_sum(a: Conversions, b: Conversions) -> float:
    """P(b is better) by Evan Miller's sum, an oracle of another kind than the integral."""
    aa, ba, ab, bb = 1 + a.x, 1 + a.n - a.x, 1 + b.x, 1 + b.n - b.x
    return sum(
        math.exp(betaln(aa + i, ba + bb) - math.log(bb + i) - betaln(1 + i, bb) - betaln(aa, ba)) for i in range(ab)
    )


class TestArms:
    def test_sums_agree_with_numpy(self):
        values = np.random.default_rng(1).lognormal(3, 1, 500) * (np.arange(500) % 5 == 0)
        arm = Sums.of(values)
        assert arm.summary().mean == pytest.approx(values.mean())
        assert arm.summary().variance == pytest.approx(values.var(ddof=1))
        assert arm.events == 100
        assert dataclasses.replace(arm, nonzero=None).events < 100

    def test_the_ratio_has_the_spread_that_resampling_shows(self):
        rng = np.random.default_rng(2)
        orders = rng.poisson(2, 2000)
        revenue = orders * rng.gamma(2, 20, 2000)
        found = Ratio.of(revenue, orders).summary()
        assert found.mean == pytest.approx(revenue.sum() / orders.sum())
        picks = rng.integers(0, 2000, (3000, 2000))
        resampled = revenue[picks].sum(1) / orders[picks].sum(1)
        assert math.sqrt(found.error2) == pytest.approx(resampled.std(), rel=0.05)
        assert Ratio.of([0, 0, 0], [0, 0, 0]).summary() == Summary(0, 0.0, 0.0)

    @pytest.mark.parametrize(
        "bad",
        [
            lambda: Conversions(10, 11), lambda: Conversions(10, -1), lambda: Sums(2, 100.0, 10.0),
            lambda: Sums(2, math.nan, 1.0), lambda: Sums(3, 1.0, 1.0, nonzero=4), lambda: Ratio(2, 1, 1, 1, 1, 9),
        ],
    )  # fmt: skip
    def test_impossible_counts_are_an_error(self, bad):
        with pytest.raises(ValueError):
            bad()

    def test_winsorising_caps_both_arms_at_one_value_and_ignores_zeros(self):
        a, b = [0.0] * 900 + list(range(1, 101)), [0.0] * 950 + [10.0] * 49 + [9999.0]
        found = winsorise([a, b], 99)
        assert found.raw[1].total == 490 + 9999
        assert found.cap == pytest.approx(np.percentile([*range(1, 101), *[10] * 49, 9999], 99))
        assert found.changed == 2
        assert found.capped[1].total == pytest.approx(490 + found.cap)
        assert winsorise([[0, 0], [0]]).cap == 0
        assert winsorise([[-500.0, 1, 1, 1], [1, 1, 1, 1]], 80).capped[0].total == 2


class TestBeta:
    @pytest.mark.parametrize("a,b,won,loss_b,loss_a", EXACT)
    def test_exact_values(self, a, b, won, loss_b, loss_a):
        control, treatment = Beta.of(Conversions(*a)), Beta.of(Conversions(*b))
        assert float(post.chance(treatment, control)) == pytest.approx(won, abs=1e-6)
        assert won == pytest.approx(finite_sum(Conversions(*a), Conversions(*b)), abs=1e-6)
        assert float(post.expected_loss(treatment, [control])) == pytest.approx(loss_b, abs=1e-8)
        assert float(post.expected_loss(control, [treatment])) == pytest.approx(loss_a, abs=1e-8)

    def test_the_reference_numbers(self):
        for case in golden()["beta_binomial_exact"]:
            control, treatment = Beta.of(Conversions(*case["a"])), Beta.of(Conversions(*case["b"]))
            assert float(post.chance(treatment, control)) == pytest.approx(case["p_b_beats_a"], abs=1e-6)
            assert float(post.expected_loss(treatment, [control])) == pytest.approx(case["loss_choose_b"], abs=1e-9)
            assert float(post.expected_loss(control, [treatment])) == pytest.approx(case["loss_choose_a"], abs=1e-9)

    @pytest.mark.parametrize(
        "a,b",
        [((2, 19), (4, 17)), ((1, 501), (6, 496)), ((1, 1), (1e6, 1e7)), ((0.5, 0.5), (30, 3)), ((1e6, 9e6), (3, 9))],
    )
    def test_intervals_agree_with_draws(self, a, b):
        control, treatment = Beta(*a), Beta(*b)
        rng = np.random.default_rng(3)
        c, t = rng.beta(*a, 400_000), rng.beta(*b, 400_000)
        for level, found in zip(
            (0.025, 0.5, 0.975), post.difference_quantiles(control, treatment, (0.025, 0.5, 0.975)), strict=True
        ):
            assert (t - c <= found).mean() == pytest.approx(level, abs=0.003)
        for level, found in zip(
            (0.025, 0.5, 0.975), post.lift_quantiles(control, treatment, (0.025, 0.5, 0.975)), strict=True
        ):
            assert (t / c - 1 <= found).mean() == pytest.approx(level, abs=0.003)
        assert float(post.chance(treatment, control)) == pytest.approx((t > c).mean(), abs=0.003)
        assert float(post.expected_loss(control, [treatment])) == pytest.approx(np.maximum(t - c, 0).mean(), abs=0.002)

    def test_the_chance_is_the_difference_s_and_the_lift_s_at_zero(self):
        control, treatment = Beta(31, 970), Beta(45, 956)
        won = float(post.chance(treatment, control))
        assert 1 - float(post.difference_cdf(control, treatment, 0.0)) == pytest.approx(won, abs=1e-9)
        assert 1 - float(post.lift_cdf(control, treatment, 0.0)) == pytest.approx(won, abs=1e-9)

    def test_arrays_give_what_single_posteriors_give(self):
        a, b = np.array([[3.0, 50], [700, 1]]), np.array([[90.0, 500], [7e4, 9]])
        found = post.chance(Beta(a + 4, b), Beta(a, b))
        assert found.shape == (2, 2)
        assert found[1, 0] == pytest.approx(float(post.chance(Beta(704, 7e4), Beta(700, 7e4))), abs=1e-12)

    def test_the_best_of_many_arms(self):
        arms = [Beta(51, 951), Beta(61, 941), Beta(56, 946), Beta(2, 3)]
        best = post.probability_best(arms)
        draws = np.column_stack([np.random.default_rng(4).beta(arm.a, arm.b, 300_000) for arm in arms])
        assert best == pytest.approx(np.bincount(draws.argmax(1), minlength=4) / 300_000, abs=0.003)
        assert best.sum() == pytest.approx(1)
        loss = float(post.expected_loss(arms[0], arms[1:]))
        assert loss == pytest.approx((draws.max(1) - draws[:, 0]).mean(), abs=0.002)

    @few
    @given(st.integers(0, 60), st.integers(0, 60), st.integers(60, 3000), st.integers(60, 3000))
    def test_symmetry_and_monotony(self, xa, xb, na, nb):
        a, b = Beta.of(Conversions(na, xa)), Beta.of(Conversions(nb, xb))
        won = float(post.chance(b, a))
        assert won + float(post.chance(a, b)) == pytest.approx(1, abs=1e-9)
        assert float(post.chance(b.mirrored(), a.mirrored())) == pytest.approx(1 - won, abs=1e-9)
        # The two losses differ by the difference of the means.
        gap = float(post.expected_loss(a, [b])) - float(post.expected_loss(b, [a]))
        assert gap == pytest.approx(b.a / (b.a + b.b) - a.a / (a.a + a.b), abs=1e-9)
        if xb < nb and 1e-6 < won < 1 - 1e-6:
            assert float(post.chance(Beta.of(Conversions(nb, xb + 1)), a)) > won
        assert float(post.chance(Beta.of(Conversions(nb + 50, xb)), a)) < won + 1e-12


class TestEffects:
    def test_normal_posteriors_and_t_tests_of_the_reference(self):
        checked = 0
        for case in golden()["cases"]:
            a, b = moments(case, "a"), moments(case, "b")
            for key, effect, prior in (
                ("bayes_relative_flat", effects.lift(a, b), None),
                ("bayes_relative_prior0.3", effects.lift(a, b), (0.0, 0.3)),
                ("bayes_absolute_flat", effects.difference(a, b), None),
            ):
                wanted = case[key]
                if wanted["error"]:
                    continue
                found = effects.posterior(effect, prior=prior)
                assert found.chance == pytest.approx(wanted["chance_to_win"], abs=1e-9)
                assert found.expected == pytest.approx(wanted["expected"], abs=1e-9)
                assert (found.low, found.high) == pytest.approx(tuple(wanted["ci"]), abs=1e-9)
                assert found.risk_control == pytest.approx(wanted["risk_control"], abs=1e-9)
                assert found.risk_treatment == pytest.approx(wanted["risk_treatment"], abs=1e-9)
                checked += 1
            if case["bayes_relative_flat"]["error"]:
                continue
            lift = effects.lift(a, b)
            test = effects.t_test(lift)
            assert test.p_value == pytest.approx(case["ttest"]["p"], abs=1e-9)
            assert (test.low, test.high) == pytest.approx(tuple(case["ttest"]["ci"]), abs=1e-9)
            for tuning in (5000, 20000):
                wanted, n = case[f"sequential_{tuning}"], a.n + b.n
                half = sequential.multiplier(n, 0.05, tuning) * lift.error
                assert sequential.p_value(lift.estimate, lift.error, n, 0.05, tuning) == pytest.approx(
                    wanted["p"], abs=1e-9
                )
                assert (lift.estimate - half, lift.estimate + half) == pytest.approx(tuple(wanted["ci"]), abs=1e-9)
        assert checked == 24

    def test_own_facts_of_the_normal_formulas(self):
        a, b = Conversions(1000, 100).summary(), Conversions(1000, 120).summary()
        assert effects.posterior(effects.lift(a, b)).chance == pytest.approx(0.90390, abs=1e-5)
        assert effects.posterior(effects.difference(a, b)).chance == pytest.approx(0.92365, abs=1e-5)
        assert effects.posterior(effects.lift(a, b), prior=(0, 0.3)).expected == pytest.approx(0.15856, abs=1e-5)
        assert effects.t_test(effects.lift(a, b)).p_value == pytest.approx(0.19235, abs=1e-5)

    def test_welch_is_scipy_s(self):
        rng = np.random.default_rng(5)
        a, b = rng.gamma(1, 30, 40), rng.gamma(2, 22, 25)
        wanted = stats.ttest_ind(b, a, equal_var=False)
        found = effects.t_test(effects.difference(Sums.of(a).summary(), Sums.of(b).summary()))
        assert found.p_value == pytest.approx(wanted.pvalue)
        assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval()))
        assert found.chance == pytest.approx(1 - wanted.pvalue / 2)

    def test_an_arm_without_spread_is_not_known_without_error(self):
        nobody, some = Sums.of([0.0] * 200).summary(), Sums.of([0.0] * 197 + [20, 20, 20]).summary()
        found = effects.difference(nobody, some)
        assert found.error >= math.sqrt(some.variance / 200)
        assert effects.difference(nobody, nobody) is None
        assert effects.lift(nobody, some) is None

    @few
    @given(st.integers(0, 10**6), st.floats(0.01, 1000), st.sampled_from([1.645, 1.96, 2.9]))
    def test_fieller_agrees_with_the_difference_and_with_scale(self, seed, scale, width):
        rng = np.random.default_rng(seed)
        a, b = rng.exponential(1, 60), rng.exponential(1 + rng.random(), 80)
        sa, sb = Sums.of(a).summary(), Sums.of(b).summary()
        found, difference = effects.fieller(sa, sb, width), effects.difference(sa, sb)
        assert (found[0] > 0) == (difference.estimate - width * difference.error > 0)
        assert (found[1] < 0) == (difference.estimate + width * difference.error < 0)
        assert found[0] < sb.mean / sa.mean - 1 < found[1]
        scaled = [Sums.of(v * scale).summary() for v in (a, b)]
        assert effects.fieller(*scaled, width) == pytest.approx(found)
        assert effects.lift(*scaled).estimate == pytest.approx(effects.lift(sa, sb).estimate)
        flipped = [Sums.of(-v).summary() for v in (a, b)]
        assert effects.fieller(*flipped, width) == pytest.approx((-found[1], -found[0]))

    def test_fieller_gives_no_interval_around_a_control_near_zero(self):
        assert effects.fieller(Summary(50, 0.1, 4.0), Summary(50, 2.0, 4.0), 1.96) is None

    def test_the_bootstrap_agrees_with_the_normal_and_with_itself(self):
        rng = np.random.default_rng(6)
        a = rng.lognormal(3, 0.6, 6000) * (rng.random(6000) < 0.1)
        b = 1.1 * rng.lognormal(3, 0.6, 5000) * (rng.random(5000) < 0.1)
        found = effects.bootstrap(a, b, seed=1)
        wanted = effects.posterior(effects.difference(Sums.of(a).summary(), Sums.of(b).summary()))
        assert found == effects.bootstrap(a, b, seed=1)
        assert found != effects.bootstrap(a, b, seed=2)
        assert found.chance == pytest.approx(wanted.chance, abs=0.02)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.03)
        assert found.risk_treatment == pytest.approx(wanted.risk_treatment, abs=0.01)
        assert found.lift_low < found.lift < found.lift_high
        nothing = effects.bootstrap([0.0] * 20, [0.0] * 20)
        assert (nothing.chance, nothing.low, nothing.high, nothing.lift) == (0.5, 0, 0, None)
        assert effects.bootstrap([1.0], [2.0, 3.0]) is None

    def test_corrections_for_many_tests(self):
        p = [0.01, 0.04, 0.03, 0.005, 0.8]
        assert effects.holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.8])
        assert effects.benjamini_hochberg(p) == pytest.approx(list(stats.false_discovery_control(p)))
        assert effects.holm([]) == [] and effects.benjamini_hochberg([0.2]) == [0.2]


class TestSequence:
    def test_the_p_value_and_the_interval_agree(self):
        for n in (200, 5000, 80_000):
            edge = sequential.multiplier(n, 0.05, 5000)
            assert sequential.p_value(edge, 1.0, n, 0.05, 5000) == pytest.approx(0.05)
            assert edge > 1.96

    def test_it_is_tightest_where_it_was_tuned(self):
        widths = [sequential.multiplier(4000, 0.05, tuning) for tuning in (400, 4000, 40_000)]
        assert widths[1] < widths[0] and widths[1] < widths[2]

    def test_peeking_after_every_batch_keeps_the_level(self):
        looks, batch, runs = 60, 100, 2000
        rng = np.random.default_rng(7)
        walk = np.cumsum(rng.normal(0, math.sqrt(2 * batch), (runs, looks)), 1)
        n = batch * np.arange(1, looks + 1)
        estimate, error = walk / n, np.sqrt(2 / n)
        assert (np.abs(estimate / error).max(1) > 1.96).mean() > 0.25
        p = sequential.p_value(estimate, error, 2 * n)
        assert (p.min(1) < 0.05).mean() < 0.05


class TestHealth:
    def test_the_reference_numbers(self):
        for case in golden()["srm"]:
            assert sample_ratio(case["users"], case["weights"]).p_value == pytest.approx(case["p"], abs=1e-9)

    def test_an_arm_of_weight_zero_takes_no_degree_of_freedom(self):
        found = sample_ratio([1000, 1083, 0], [0.5, 0.5, 0])
        assert found.p_value == pytest.approx(stats.chisquare([1000, 1083]).pvalue)
        assert (found.df, found.stray, found.alarm) == (1, 0, False)
        assert sample_ratio([1000, 1083, 7], [1, 1, 0]).stray == 7

    def test_alarm_only_with_enough_and_below_a_thousandth(self):
        assert sample_ratio([5000, 5400], [1, 1]).alarm
        assert not sample_ratio([5000, 5300], [1, 1]).alarm
        assert sample_ratio([200, 0], [1, 1]).alarm
        assert sample_ratio([14, 0], [1, 1]).p_value is None
        assert sample_ratio([0, 0], [1, 1]).p_value is None
        for bad in ([1], [0, 0], [-1, 2]):
            with pytest.raises(ValueError):
                sample_ratio([10, 10], bad)

    def test_visitors_in_several_arms(self):
        assert multiple_exposure(1000, 11) and not multiple_exposure(1000, 10)
        assert not multiple_exposure(100, 9)


def test_normal_posteriors_integrate_to_the_closed_form():
    a, b = Normal(1.0, 0.2), Normal(1.3, 1e-4)
    assert float(post.chance(b, a)) == pytest.approx(stats.norm.cdf(0.3 / math.hypot(0.2, 1e-4)), abs=1e-9)
    wanted = effects.posterior(effects.Effect(0.3, math.hypot(0.2, 1e-4), 100))
    assert float(post.expected_loss(b, [a])) == pytest.approx(wanted.risk_treatment, abs=1e-9)
