"""CUPED, tests that split products, bandits and planning: against other oracles, and what simulation shows."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml import ab_design as design
from ml import ab_planning as planning
from ml import ab_sequential
from ml.ab_arms import Conversions, Ratio, Summary, Sums
from ml.ab_bandit import allocate
from ml.ab_effects import difference
from ml.ab_stats import Rules, judge_items

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "research" / "stats_golden.json"


class TestCuped:
    def arms(self, seed: int, lift: float = 0.0, n: int = 800):
        rng = np.random.default_rng(seed)
        pre = rng.gamma(2, 10, 2 * n)
        post = 0.8 * pre + rng.normal(0, 5, 2 * n)
        post[n:] += lift
        return (post[:n], pre[:n]), (post[n:], pre[n:])

    def test_theta_is_the_slope_within_the_arms(self):
        arms = self.arms(1, lift=3)
        found = design.cuped([design.PairedSums.of(*arm) for arm in arms])
        y = np.concatenate([arm[0] - arm[0].mean() for arm in arms])
        x = np.concatenate([arm[1] - arm[1].mean() for arm in arms])
        assert found.theta == pytest.approx(np.polyfit(x, y, 1)[0])
        assert found.reduction == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
        level = np.concatenate([arm[1] for arm in arms]).mean()
        adjusted = arms[1][0] - found.theta * (arms[1][1] - level)
        assert found.arms[1].mean == pytest.approx(adjusted.mean())
        assert found.arms[1].variance == pytest.approx(adjusted.var(ddof=1))

    def test_it_narrows_without_bias(self):
        raw, less = [], []
        for seed in range(200):
            arms = self.arms(seed, lift=1.0, n=200)
            raw.append(difference(*(Sums.of(post).summary() for post, _ in arms)))
            less.append(difference(*design.cuped([design.PairedSums.of(*arm) for arm in arms]).arms))
        assert np.mean([e.estimate for e in less]) == pytest.approx(1.0, abs=0.1)
        assert np.std([e.estimate for e in less]) == pytest.approx(np.mean([e.error for e in less]), rel=0.12)
        assert np.mean([e.error for e in less]) < 0.5 * np.mean([e.error for e in raw])

    def test_without_a_past_nothing_changes(self):
        found = design.cuped([design.PairedSums.of([1, 2, 3], [0, 0, 0]), design.PairedSums.of([2, 2], [0, 0])])
        assert (found.theta, found.reduction, found.arms[0]) == (0.0, 0.0, Summary(3, 2.0, 1.0))
        assert design.cuped([design.PairedSums.of([], []), design.PairedSums.of([1], [1])]).arms[0].n == 0


def history(items: int = 400, days: int = 60, seed: int = 3) -> np.ndarray:
    """Clicks per item and day: a heavy tail of items, weekdays, Poisson noise."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(0.5, 1.2, items)[:, None] * (1 + 0.3 * np.sin(np.arange(days) * 2 * np.pi / 7))
    return rng.poisson(level).astype(float)


class TestItems:
    @pytest.mark.parametrize("trim", [0.0, 0.1, 0.2])
    def test_yuen_is_scipy_s(self, trim):
        rng = np.random.default_rng(4)
        value, treated = rng.lognormal(0, 1.5, 151), np.arange(151) % 3 == 0
        found = design.item_effect(value, treated, adjust="none", trim=trim)
        wanted = stats.ttest_ind(value[treated], value[~treated], equal_var=False, trim=trim)
        assert found.p_value == pytest.approx(wanted.pvalue)
        assert found.effect / found.error == pytest.approx(wanted.statistic)
        assert found.df == pytest.approx(wanted.df)
        assert found.lift == pytest.approx(found.effect / found.control)

    def test_the_difference_to_the_time_before_removes_what_items_are(self):
        rng = np.random.default_rng(5)
        pre = rng.gamma(1, 50, 1000)
        treated = rng.permutation(1000) < 500
        post = pre + 5 + 4 * treated + rng.normal(0, 3, 1000)
        plain = design.item_effect(post, treated, adjust="none")
        moved = design.item_effect(post, treated, pre)
        both = design.item_effect(post, treated, pre, adjust="cuped")
        assert moved.effect == pytest.approx(4, abs=0.6) and moved.low > 0
        assert both.effect == pytest.approx(4, abs=0.6)
        assert moved.error < plain.error / 5
        assert moved.carry_over is None and moved.enough_items

    def test_a_crossover_cancels_items_and_periods(self):
        rng = np.random.default_rng(6)
        level, first = rng.gamma(1, 50, 600), rng.permutation(600) < 300
        one = level + 3 * first + rng.normal(0, 3, 600)
        two = level + 20 + 3 * ~first + rng.normal(0, 3, 600)
        found = design.crossover(one, two, first, trim=0)
        assert found.effect == pytest.approx(3, abs=0.4) and found.low > 0
        d = two - one
        assert found.p_value == pytest.approx(stats.ttest_ind(d[~first], d[first], equal_var=False).pvalue)
        assert found.carry_over > 0.05
        again = design.crossover(one, two + 40 * first, first, trim=0)
        assert again.carry_over < 0.001

    def test_windows_leave_the_wash_out_out(self):
        assert design.crossover_windows(35) == (slice(0, 14), slice(21, 35))
        assert design.crossover_windows(36) == (slice(0, 14), slice(21, 35))
        assert design.crossover_windows(4, 0) == (slice(0, 2), slice(2, 4))
        with pytest.raises(ValueError):
            design.crossover_windows(8)

    def test_heroes_go_by_the_time_before(self):
        found = design.trim_heroes([1.0] * 98 + [500.0, 900.0], 0.02)
        assert (found.dropped, found.kept.sum()) == (2, 98)
        assert found.dropped_share == pytest.approx(1400 / 1498)
        assert design.trim_heroes([5.0] * 100, 0.02).dropped == 0
        assert design.trim_heroes([0.0] * 100, 0.5).dropped_share == 0
        assert design.trim_heroes([], 0.1).dropped == 0

    def test_no_answer_from_nothing(self):
        treated = [True, False] * 10
        assert design.item_effect([0.0] * 20, treated, [0.0] * 20) is None
        assert design.crossover([1.0] * 20, [1.0] * 20, treated) is None
        assert design.item_effect([1.0, 2.0], [True, False], adjust="none") is None
        assert design.item_effect([], [], adjust="none") is None
        with pytest.raises(ValueError):
            design.item_effect([1.0], [True], adjust="difference")

    def test_verdicts_on_products(self):
        rng = np.random.default_rng(7)
        pre, treated = rng.gamma(1, 50, 1200), rng.permutation(1200) < 600
        noise = rng.normal(0, 5, 1200)

        def verdict(effect: float, finished: bool = True, **rules):
            found = design.item_effect(pre + effect * treated + noise, treated, pre)
            return judge_items(found, Rules(**rules), finished=finished)

        assert (verdict(3).status, verdict(3).winner, verdict(-3).status) == ("winner", 1, "loser")
        assert verdict(-3, higher_is_better=False).status == "winner"
        assert verdict(0).status == "no_difference" and 0 < verdict(0).probability_best[1] < 1
        assert (verdict(3, False).status, verdict(3, False).reasons) == ("not_yet", ("running",))
        assert judge_items(None, Rules(), finished=True).reasons == ("few_events",)
        few = design.item_effect(pre[:100] + 9 * treated[:100] + noise[:100], treated[:100], pre[:100])
        assert judge_items(few, Rules(), finished=True).warnings == ("few_items",)

    def test_power_by_simulation(self):
        data = history()
        found = planning.item_power(data, 21, washout=7, lifts=(0.1, 0.5), runs=150)
        assert found.lifts == (0.0, 0.1, 0.5) and found.items == 396 and not found.enough_items
        assert found.false_alarms < 0.1
        assert found.power[1] <= found.power[2] and found.power[2] > 0.9
        assert found.detectable in (0.1, 0.5)
        assert found == planning.item_power(data, 21, washout=7, lifts=(0.1, 0.5), runs=150)
        plain = planning.item_power(data, 21, design="none", lifts=(0.1,), runs=150)
        before = planning.item_power(data, 21, design="difference", lifts=(0.1,), runs=150)
        assert before.power[1] > plain.power[1] + 0.2
        assert planning.item_power(np.zeros((10, 60)), 14, washout=2, runs=5).detectable is None
        with pytest.raises(ValueError):
            planning.item_power(data, 40, design="cuped")


class TestBandit:
    def test_the_reference_numbers(self):
        if not GOLDEN.exists():
            pytest.skip("the reference numbers are not beside this clone")
        for case in json.loads(GOLDEN.read_text())["bandit"]:
            # The reference draws from the Normal approximation.
            arms = [Sums(n, x, x) for n, x in case["arms"]]
            found = allocate(arms)
            assert found.probability_best == pytest.approx(case["best_arm_probabilities"], abs=0.015)
            assert found.weights == pytest.approx(case["weights"], abs=0.015)

    def test_weights_follow_the_best_and_keep_the_floor(self):
        arms = [Conversions(5000, x) for x in (100, 104, 150, 90, 99)]
        found = allocate(arms, seed=1)
        assert found.ready and sum(found.weights) == pytest.approx(1) and min(found.weights) >= 0.01
        assert found.weights[2] > 0.9
        assert found.weights == pytest.approx([0.01 + 0.95 * p for p in found.probability_best])
        assert found == allocate(arms, seed=1)

    @pytest.mark.parametrize("top", [1, 2])
    def test_lower_is_better_never_starves_the_best(self, top):
        arms = [Conversions(5000, x) for x in (150, 100, 60)]
        found = allocate(arms, higher_is_better=False, top=top)
        assert found.weights[2] == max(found.weights) and found.probability_best[2] > 0.99
        if top == 2:
            assert found.weights[1] == pytest.approx(0.495, abs=0.02)
        two = allocate([Sums.of(np.arange(200.0)), Sums.of(np.arange(200.0) / 2)], higher_is_better=False, top=top)
        assert two.weights[1] >= two.weights[0]

    def test_equal_until_every_arm_has_its_visitors(self):
        found = allocate([Conversions(5000, 500), Conversions(99, 0), Conversions(5000, 100)])
        assert (found.ready, found.weights) == (False, (1 / 3,) * 3)
        assert allocate([Conversions(5000, 500), Conversions(100, 0)]).ready

    def test_poor_data(self):
        nobody, all_buy = Sums.of([0.0] * 200), Sums.of([5.0] * 200)
        assert allocate([nobody, nobody]).weights == (0.5, 0.5)
        assert allocate([nobody, nobody], top=2).weights == (0.5, 0.5)
        assert allocate([nobody, all_buy]).weights == (0.01, 0.99)
        some = Sums.of([0.0] * 195 + [20.0] * 5)
        assert 0.01 < allocate([nobody, some]).weights[0] < 0.2
        assert allocate([Ratio.of([0.0] * 200, [0.0] * 200)] * 2).weights == (0.5, 0.5)
        for bad in ({"floor": 0.6}, {"floor": 0.0}, {"top": 3}):
            with pytest.raises(ValueError):
                allocate([nobody, some], **bad)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 200), min_size=2, max_size=6), st.booleans(), st.sampled_from([1, 2]))
    def test_the_best_arm_is_never_the_least_served(self, hits, higher, top):
        arms = [Conversions(200, x) for x in hits]
        weights = allocate(arms, higher_is_better=higher, top=top, draws=4000).weights
        assert sum(weights) == pytest.approx(1) and min(weights) >= 0.01 - 1e-12
        best = hits.index(max(hits) if higher else min(hits))
        assert weights[best] > 0.1


class TestPlanning:
    def test_size_of_a_textbook_case(self):
        # 5 % against 6 %: (1.95996 + 0.84162)² (0.05·0.95 + 0.06·0.94) / 0.01².
        found = planning.size(*planning.conversion_variances(0.05, 0.2), visitors_per_day=1000)
        assert (found.per_arm, found.total, found.days, found.inflation) == (8155, 16310, 17, 1.0)
        mean = planning.size(*planning.mean_variances(50, 100, 0.1))
        assert mean.per_arm == math.ceil(2 * (1.959964 + 0.841621) ** 2 * (100 / 5) ** 2)
        assert planning.size(*planning.mean_variances(50, 100, 0.1), arms=4).per_arm > mean.per_arm
        for bad in ((0.0, 0.1), (0.5, 1.5), (0.1, 0.0), (1.0, -0.1)):
            with pytest.raises(ValueError):
                planning.conversion_variances(*bad)

    def test_the_size_has_the_power_it_promises(self):
        n = planning.size(*planning.conversion_variances(0.1, 0.15)).per_arm
        rng = np.random.default_rng(8)
        a, b = rng.binomial(n, 0.1, 20_000) / n, rng.binomial(n, 0.115, 20_000) / n
        z = (b - a) / np.sqrt((a * (1 - a) + b * (1 - b)) / n)
        assert (z > 1.96).mean() == pytest.approx(0.8, abs=0.02)
        assert planning.power_of(*planning.conversion_variances(0.1, 0.15), n) == pytest.approx(0.8, abs=0.001)

    def test_a_sequence_needs_more_and_says_how_much(self):
        parts = planning.conversion_variances(0.1, 0.15)
        fixed, watched = planning.size(*parts), planning.size(*parts, sequential=True)
        assert 1.2 < watched.inflation < 2.5 and watched.tuning == 2 * fixed.per_arm
        error = math.sqrt((parts[0] + parts[1]) / watched.per_arm)
        wide = ab_sequential.multiplier(2 * watched.per_arm, 0.05, watched.tuning)
        assert stats.norm.cdf(parts[2] / error - wide) == pytest.approx(0.8, abs=0.001)

    @settings(max_examples=30, deadline=None)
    @given(st.floats(0.005, 0.5), st.floats(0.05, 0.9))
    def test_the_detectable_effect_undoes_the_size(self, rate, lift):
        n = planning.size(*planning.conversion_variances(rate, lift)).per_arm
        assert planning.detectable_conversions(rate, n) == pytest.approx(lift, rel=0.03)
        n = planning.size(*planning.mean_variances(20, 20 / rate, lift)).per_arm
        assert planning.detectable_mean(20, 20 / rate, n) == pytest.approx(lift, rel=0.03)

    def test_what_cannot_be_seen(self):
        assert planning.detectable_conversions(0.4, 5) is None
        assert planning.detectable_conversions(0.0, 5000) is None
        assert planning.detectable_mean(0.0, 1.0, 5000) is None

    def test_what_is_still_needed(self):
        a, b = Conversions(1000, 50).cautious(), Conversions(1200, 72).cautious()
        fixed = planning.still_needed(a, b)
        assert fixed == pytest.approx(8155 - 1000, rel=0.02)
        assert planning.still_needed(a, b, 0.4) < fixed < planning.still_needed(a, b, sequential=True)
        assert planning.still_needed(a, a) is None
        assert planning.still_needed(a, a, 0.1) > 1000
        assert planning.still_needed(Summary(10, 0.0, 0.0), Summary(10, 0.0, 0.0), 0.1) is None
        assert planning.still_needed(a, a, 1e-6) is None
