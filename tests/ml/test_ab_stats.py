"""Verdicts on experiments: they agree with the interval that they show, and poor data never raise."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.ab_arms import Conversions, Ratio, Sums
from ml.ab_stats import Guardrail, Rules, judge

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = Rules(minimum_per_arm=100, minimum_days=0)
few = settings(max_examples=40, deadline=None)


def test_importing_the_rooms_loads_neither_scipy_nor_django():
    names = ", ".join(f"ml.{path.stem}" for path in sorted((ROOT / "ml").glob("ab_*.py")))
    code = (
        f"import sys, {names}; bad = {{'scipy', 'django', 'torch'}} & set(sys.modules); print(bad); sys.exit(bool(bad))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class TestVerdict:
    def one(self, a, b, rules=RULES, **more):
        verdict = judge([a, b], rules, days=10, **more)
        return verdict, verdict.comparisons[0]

    def test_a_clear_winner_and_its_mirror(self):
        verdict, c = self.one(Conversions(5000, 250), Conversions(5000, 340))
        assert (verdict.status, verdict.winner, verdict.reasons) == ("winner", 1, ())
        assert c.low > 0 and c.lift_low > 0 and c.chance_to_win > 0.999
        assert verdict.probability_best[1] == pytest.approx(c.chance_to_win)
        assert verdict.expected_loss == pytest.approx((c.loss_if_kept, c.loss_if_chosen))
        mirror, m = self.one(Conversions(5000, 340), Conversions(5000, 250))
        assert (mirror.status, mirror.winner) == ("loser", None)
        assert (m.low, m.high) == pytest.approx((-c.high, -c.low))
        assert m.chance_to_win == pytest.approx(1 - c.chance_to_win)

    def test_no_winner_while_the_interval_crosses_zero(self):
        seen = set()
        for x in range(100, 150):
            verdict, c = self.one(Conversions(1000, 100), Conversions(1000, x))
            assert (verdict.status == "winner") == (c.low > 0) == (c.chance_to_win >= 0.975)
            seen.add((c.chance_to_win > 0.95, verdict.status))
        assert (True, "not_yet") in seen and (True, "winner") in seen

    def test_the_level_moves_interval_and_verdict(self):
        a, b = Conversions(1000, 100), Conversions(1000, 126)
        strict, loose = (self.one(a, b, dataclasses.replace(RULES, level=level)) for level in (0.95, 0.9))
        assert (strict[0].status, loose[0].status) == ("not_yet", "winner")
        assert strict[1].low < 0 < loose[1].low

    def test_a_control_of_zero_has_an_answer(self):
        verdict, c = self.one(Conversions(500, 0), Conversions(500, 5))
        assert c.chance_to_win == pytest.approx(0.98461, abs=1e-5)
        assert verdict.status == "winner" and c.low > 0
        assert c.lift_low > 0 and c.lift_high > c.lift > c.lift_low

    def test_lower_is_better(self):
        rules = dataclasses.replace(RULES, higher_is_better=False)
        verdict, c = self.one(Conversions(5000, 340), Conversions(5000, 250), rules)
        assert verdict.status == "winner" and c.high < 0 and c.chance_to_win > 0.999
        assert verdict.probability_best[1] > 0.999 and verdict.expected_loss[1] < 1e-6
        assert self.one(Conversions(5000, 250), Conversions(5000, 340), rules)[0].status == "loser"
        spend = [Sums.of(np.random.default_rng(8).gamma(2, m, 900)) for m in (30, 20)]
        assert self.one(*spend, rules)[0].status == "winner"

    def test_poor_data_say_what_is_missing(self):
        verdict = judge([Conversions(40, 2), Conversions(60, 3)], Rules(), days=1)
        assert verdict.status == "not_yet"
        assert verdict.reasons == ("minimum_per_arm", "minimum_days")
        assert (verdict.needed_per_arm, verdict.needed_days) == (110, 2)
        verdict = judge([Conversions(400, 20), Conversions(400, 21)], Rules(smallest_effect=0.1), days=9)
        assert verdict.reasons == ("uncertain",)
        assert verdict.needed_per_arm == pytest.approx(30_000, rel=0.2)
        verdict = judge([Conversions(0, 0), Conversions(0, 0)], Rules())
        assert verdict.reasons[:2] == ("no_visitors", "minimum_per_arm") and verdict.needed_per_arm == 150

    def test_a_fixed_test_waits_for_its_size(self):
        rules = dataclasses.replace(RULES, planned_per_arm=5000)
        verdict, c = self.one(Conversions(4000, 200), Conversions(4000, 260), rules)
        assert c.low > 0 and verdict.status == "not_yet"
        assert (verdict.reasons, verdict.needed_per_arm) == (("planned_size",), 1000)
        assert self.one(Conversions(5000, 250), Conversions(5000, 325), rules)[0].status == "winner"
        assert self.one(Conversions(5000, 250), Conversions(5000, 255), rules)[0].status == "no_difference"
        assert self.one(Conversions(4000, 250), Conversions(4000, 150), rules)[0].status == "stopped_harm"

    def test_a_narrow_interval_is_no_difference(self):
        rules = dataclasses.replace(RULES, smallest_effect=0.1)
        assert self.one(Conversions(10**5, 10**4), Conversions(10**5, 10_040), rules)[0].status == "no_difference"
        assert self.one(Conversions(10**3, 100), Conversions(10**3, 100), rules)[0].status == "not_yet"
        # Better by too little to matter is still better.
        assert self.one(Conversions(10**6, 10**5), Conversions(10**6, 101_000), rules)[0].status == "winner"

    def test_a_broken_split_says_nothing(self):
        a, b = Conversions(5000, 250), Conversions(5600, 400)
        verdict, _c = self.one(a, b)
        assert (verdict.status, verdict.reasons) == ("not_yet", ("sample_ratio",))
        assert self.one(a, b, dataclasses.replace(RULES, weights=(50, 56)))[0].status == "winner"
        verdict, _c = self.one(a, Conversions(5000, 400), in_several=150)
        assert verdict.reasons == ("multiple_exposure",)
        three = judge([a, b, Conversions(5, 0)], dataclasses.replace(RULES, weights=(50, 56, 0)), days=9)
        assert three.warnings == ("stray",)

    def test_guardrails_stop_a_winner(self):
        arms = Conversions(5000, 250), Conversions(5000, 340)
        bad = Guardrail("refund", (Conversions(5000, 50), Conversions(5000, 110)), higher_is_better=False)
        verdict, c = self.one(*arms, guardrails=[bad])
        assert (verdict.status, verdict.winner, c.harms) == ("stopped_harm", None, ("refund",))
        small = (Conversions(90_000, 9000), Conversions(90_000, 8600))
        assert self.one(*arms, guardrails=[Guardrail("cart", small)])[0].status == "stopped_harm"
        assert self.one(*arms, guardrails=[Guardrail("cart", small, tolerance=0.05)])[0].status == "winner"
        fresh = Guardrail(
            "refund", (Conversions(5000, 0), Conversions(5000, 60)), higher_is_better=False, tolerance=0.05
        )
        assert self.one(*arms, guardrails=[fresh])[0].status == "stopped_harm"

    def test_watching_needs_more_evidence(self):
        watched = dataclasses.replace(RULES, mode="sequential")
        arms = Conversions(5000, 250), Conversions(5000, 300)
        (fixed, f), (looked, s) = self.one(*arms), self.one(*arms, watched)
        assert (fixed.status, looked.status) == ("winner", "not_yet")
        assert s.low < 0 < f.low and s.p_value > 0.05
        assert looked.needed_per_arm > 0
        assert self.one(Conversions(5000, 250), Conversions(5000, 380), watched)[0].status == "winner"
        early = judge(
            [Conversions(2000, 200), Conversions(2000, 60)], dataclasses.replace(watched, minimum_days=9), days=2
        )
        assert (early.status, early.comparisons[0].harms) == ("stopped_harm", ("primary",))

    def test_several_arms_share_the_error(self):
        control, better = Conversions(2000, 200), Conversions(2000, 243)
        assert judge([control, better], RULES, days=9).status == "winner"
        six = judge([control, better, *[control] * 4], RULES, days=9)
        assert six.comparisons[0].level == pytest.approx(0.99)
        assert six.status == "not_yet" and sum(six.probability_best) == pytest.approx(1)
        verdict = judge(
            [control, Conversions(2000, 270), Conversions(2000, 280), Conversions(2000, 190)], RULES, days=9
        )
        assert (verdict.status, verdict.winner) == ("winner", 2)
        assert [c.status for c in verdict.comparisons] == ["winner", "winner", "not_yet"]

    def test_revenue(self):
        rng = np.random.default_rng(9)

        def arm(mean: float, n: int = 4000) -> Sums:
            return Sums.of(rng.gamma(2, mean / 2, n) * (rng.random(n) < 0.1))

        verdict, c = self.one(arm(50), arm(80))
        assert verdict.status == "winner" and c.lift_low > 0
        assert c.loss_if_chosen < 0.01 < c.loss_if_kept
        few_buyers = Sums.of([0.0] * 990 + [30.0] * 10)
        verdict, _c = self.one(few_buyers, few_buyers)
        assert verdict.reasons == ("few_events",) and verdict.needed_per_arm == 1000
        assert self.one(arm(50), Sums(4000, 0.0, 0.0))[0].status == "loser"

    def test_arms_that_cannot_be_judged_together(self):
        for arms in ([Conversions(10, 1)], [Conversions(10, 1), Sums(10, 1.0, 1.0)]):
            with pytest.raises(ValueError):
                judge(arms, RULES)
        with pytest.raises(ValueError):
            judge([Conversions(9, 1)] * 2, RULES, guardrails=[Guardrail("x", (Conversions(9, 1),))])
        with pytest.raises(ValueError):
            Rules(mode="eventually")

    conversions = st.integers(0, 3000).flatmap(lambda n: st.builds(Conversions, st.just(n), st.integers(0, n)))
    values = st.lists(st.sampled_from([0.0, 0.0, 0.0, 19.99, 5.0, -19.99, 1e6]), max_size=300)
    sums = st.builds(lambda v, times: Sums.of(v * times), values, st.integers(1, 20))
    ratios = st.builds(lambda v: Ratio.of(v, [float(x != 0) for x in v]), values)

    @settings(max_examples=120, deadline=None)
    @given(
        st.one_of(*(st.lists(kind, min_size=2, max_size=4) for kind in (conversions, sums, ratios))),
        st.sampled_from(["fixed", "sequential", "bandit"]), st.sampled_from([0.8, 0.95, 0.99]), st.booleans(),
        st.sampled_from([0, 150]), st.sampled_from([None, 500]), st.sampled_from([None, 0.05]),
    )  # fmt: skip
    def test_any_data_have_a_verdict_that_agrees_with_its_interval(
        self, arms, mode, level, higher, least, planned, smallest
    ):
        rules = Rules(mode, level, higher, least, 0, planned, smallest)
        verdict = judge(arms, rules, days=1, guardrails=[Guardrail("g", tuple(arms[::-1]), not higher)])
        assert verdict.status in ("not_yet", "winner", "loser", "no_difference", "stopped_harm")
        assert bool(verdict.reasons) == (verdict.status == "not_yet")
        assert (verdict.winner is not None) == (verdict.status == "winner")
        assert sum(verdict.probability_best) == pytest.approx(1)
        for number in json.loads(json.dumps(dataclasses.astuple(verdict)), parse_constant=lambda c: pytest.fail(c)):
            assert number is None or number == number
        for c in verdict.comparisons:
            assert 0 <= c.chance_to_win <= 1 and 0 <= c.p_value <= 1
            assert c.level == pytest.approx(1 - (1 - level) / (len(arms) - 1))
            if c.low is None:
                assert c.status in ("not_yet", "stopped_harm")
                continue
            assert c.low <= c.difference <= c.high
            tail = (1 - c.level) / 2
            if c.status == "winner":
                assert (c.low > 0 if higher else c.high < 0) and c.chance_to_win >= 1 - tail
            if c.status == "loser":
                assert (c.high < 0 if higher else c.low > 0) and c.chance_to_win <= tail
            if c.status == "no_difference":
                assert planned or max(abs(c.lift_low), abs(c.lift_high)) <= smallest
            if c.lift_low is not None and c.control > 0:
                assert c.lift_low <= c.lift <= c.lift_high
                assert (c.lift_low > 1e-9) <= (c.low > 0) and (c.lift_high < -1e-9) <= (c.high < 0)

    @few
    @given(st.integers(0, 10**6), st.sampled_from([0.01, 7.0, 1000.0]), st.sampled_from(["fixed", "sequential"]))
    def test_the_currency_changes_no_verdict(self, seed, scale, mode):
        rng = np.random.default_rng(seed)
        a, b = (rng.lognormal(3, 1, 400) * (rng.random(400) < 0.3) * (1 + i * rng.random()) for i in range(2))
        rules = dataclasses.replace(RULES, mode=mode)
        one, other = (judge([Sums.of(a * s), Sums.of(b * s)], rules, days=9) for s in (1.0, scale))
        assert one.status == other.status
        c, d = one.comparisons[0], other.comparisons[0]
        assert d.chance_to_win == pytest.approx(c.chance_to_win)
        assert d.difference == pytest.approx(scale * c.difference)
        assert d.lift == pytest.approx(c.lift) and d.loss_if_kept == pytest.approx(
            scale * c.loss_if_kept, abs=1e-9 * scale
        )
