"""Looks: the verdict and its words, alarms, guardrails, the one look of a fixed split, bandits, and what happens by itself."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from products import experiment_results, experiment_rules, experiment_words, experiments, publishing
from products.models import Arm, Assignment, Event, Experiment, ExperimentLook, WeightChange
from tests.factories import make_product
from tests.products.experiment_factories import START, arm, draft, events, running, visitors

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOW = START + 6 * DAY


def both(experiment, a: tuple[int, int], b: tuple[int, int], **options) -> None:
    visitors(arm(experiment, "A"), *a, **options)
    visitors(arm(experiment, "B"), *b, **options)


def look(experiment, now=NOW) -> ExperimentLook:
    return experiment_results.look(experiment, now)


def test_without_visitors_it_says_so(store):
    found = look(running(store))
    assert found.status == "not_yet" and experiment_results.sentence(found) == "Not yet: no visitor has seen it."


def test_a_sequential_winner_in_a_sentence(store):
    experiment = running(store)
    both(experiment, (2000, 100), (2000, 200))
    found = look(experiment)
    verdict = found.data["verdict"]
    assert (found.status, verdict["winner"]) == ("winner", 1)
    comparison = verdict["comparisons"][0]
    assert comparison["low"] > 0 and comparison["chance_to_win"] > 0.975
    words = experiment_results.sentence(found)
    assert (
        words.startswith("“B” wins against “As it is”: 100% more visitors who buy (between +")
        and "95% confidence" in words
    )
    assert json.loads(json.dumps(found.data)) == found.data


def test_not_yet_says_how_many_are_missing(store):
    experiment = running(store)
    both(experiment, (500, 25), (500, 30))
    found = look(experiment)
    needed = found.data["verdict"]["needed_per_arm"]
    assert found.status == "not_yet" and found.data["verdict"]["reasons"] == ["uncertain"] and needed > 1000
    words = experiment_results.sentence(found)
    assert words.startswith("Not yet: each variant needs about") and "days at the present pace" in words
    few = running(store, product=make_product(store, "Bowl"), name="few")
    both(few, (20, 1), (20, 2))
    assert "minimum_per_arm" in look(few).data["verdict"]["reasons"]


@pytest.mark.parametrize(
    ("a", "b"),
    [((0, 0), (0, 0)), ((1, 1), (0, 0)), ((1, 0), (1, 1)), ((2, 2), (2, 2)), ((400, 0), (400, 0)), ((400, 400), (400, 400)),
     ((400, 0), (400, 5)), ((1, 1), (900, 3))],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["fixed", "sequential", "bandit"])
@pytest.mark.parametrize("metric", ["purchase", "revenue"])
def test_poor_data_are_never_an_error(store, mode, metric, a, b):
    experiment = running(
        store, mode=mode, metric=metric, planned_per_arm=300, guardrails=[{"metric": "add_to_cart", "margin": 0.02}]
    )
    both(experiment, a, b)
    visitors(arm(experiment, "B"), 1, 1, value="-5")
    Event.objects.filter(value__lt=0).update(value=None)
    found = look(experiment, NOW + 4 * DAY)
    assert found.status in ("not_yet", "no_difference", "winner", "loser", "stopped_harm")
    assert experiment_results.sentence(found) and experiment_words.warnings(found) is not None
    json.dumps(found.data, allow_nan=False)


def test_a_split_that_is_off_raises_the_alarm_and_bars_the_verdict(store):
    experiment = running(store)
    both(experiment, (1000, 50), (1300, 150))
    found = look(experiment)
    assert found.status == "not_yet" and "can't be trusted" in experiment_results.sentence(found)
    assert "As it is: 1,000 / 1,150" in experiment_words.warnings(found)[0]


def test_visitors_of_several_arms_raise_the_alarm(store):
    experiment = running(store)
    both(experiment, (1000, 50), (1000, 150))
    ids = visitors(arm(experiment, "B"), 40)
    Assignment.objects.filter(visitor__in=ids).update(other_arm=True)
    found = look(experiment)
    assert found.data["in_several"] == 40 and found.status == "not_yet"
    assert experiment_words.warnings(found)[0].startswith("40 visitors")


def test_a_guardrail_that_breaks_stops_the_variant(store):
    experiment = running(store, metric="click", guardrails=[{"metric": "purchase", "margin": 0.02}])
    both(experiment, (3000, 600), (3000, 700), kind="click", value=None)
    mug = arm(experiment, "B").texts.get().product
    for name, n in (("A", 400), ("B", 200)):
        ids = list(Assignment.objects.filter(arm=arm(experiment, name)).values_list("visitor", flat=True)[:n])
        events(store, ids, product=mug, at=START + HOUR)
    found = look(experiment)
    assert found.status == "stopped_harm" and found.data["verdict"]["comparisons"][0]["harms"] == ["purchase"]
    assert experiment_results.sentence(found) == "Stop “B”: it clearly harms Purchase."
    assert "worsens the guardrail Purchase by more than 2.0%" in experiment_words.warnings(found)[0]
    assert found.data["guardrails"][0]["harmed"] == [True]


def test_a_fixed_split_is_judged_once_by_its_planned_visitors(store):
    experiment = running(store, mode="fixed", planned_per_arm=1000, min_days=3)
    for name, converted in (("A", 50), ("B", 100)):
        visitors(arm(experiment, name), 1000, converted, step=timedelta(minutes=5))
    reached = START + 999 * timedelta(minutes=5)  # 3.5 days
    early = look(experiment, reached - HOUR)
    assert early.status == "not_yet" and "planned_size" in early.data["verdict"]["reasons"]
    waiting = look(experiment, reached + 10 * HOUR)
    assert waiting.data["verdict"]["reasons"] == ["minimum_days"], "the last visitors' windows are open"
    done = look(experiment, reached + 73 * HOUR)
    assert (done.status, done.data["verdict"]["winner"]) == ("winner", 1)
    visitors(arm(experiment, "A"), 1000, 500, at=reached + 80 * HOUR)
    visitors(arm(experiment, "B"), 1000, 0, at=reached + 80 * HOUR)
    later = look(experiment, reached + 200 * HOUR)
    assert later.data["verdict"]["comparisons"] == done.data["verdict"]["comparisons"], (
        "what comes later changes nothing"
    )


def test_a_fixed_split_whose_days_run_out_claims_no_equality(store):
    experiment = running(store, mode="fixed", planned_per_arm=5000, planned_days=5)
    both(experiment, (900, 45), (900, 46))
    due = START + 8 * DAY
    assert look(experiment, due - HOUR).data["verdict"]["reasons"] == ["minimum_days", "planned_size"]
    found = look(experiment, due)
    assert found.status == "not_yet" and found.data["verdict"]["reasons"] == ["uncertain"]


def test_ended_before_its_size_there_is_no_verdict(store):
    experiment = running(store, mode="fixed", planned_per_arm=5000)
    both(experiment, (900, 20), (900, 100))
    experiments.finish(experiment=experiment, by=None, now=START + 4 * DAY)
    found = look(experiment, START + 20 * DAY)
    assert experiment_results.sentence(found) == "It ended before its planned size: there is no verdict."


def test_the_look_is_kept_once_an_hour_and_thinned_by_day(store):
    experiment = running(store)
    first = look(experiment, NOW)
    assert look(experiment, NOW + timedelta(minutes=20)).pk == first.pk
    assert look(experiment, NOW + timedelta(hours=1)).pk != first.pk
    for hours in range(2, 80, 5):
        look(experiment, NOW + timedelta(hours=hours))
    kept = list(experiment.looks.values_list("at", flat=True))
    old = [at.date() for at in kept if at < NOW + timedelta(hours=77) - 2 * DAY]
    assert len(old) == len(set(old)) == 2
    assert experiment_results.newest(experiment).at == max(kept)


def test_days_and_segments(store):
    experiment = running(store)
    for number in range(4):
        both(
            experiment,
            (200, 10),
            (200, 20),
            at=START + number * DAY,
            segment={"device": "mobile" if number % 2 else "desktop"},
        )
    found = look(experiment)
    days = found.data["days"]
    assert [[x["n"] for x in day["arms"]] for day in days] == [[200, 200]] * 4
    assert days[-1]["means"] == [0.05, 0.1]
    assert days[-1]["lifts"][0][:3] == [
        found.data["verdict"]["comparisons"][0][k] for k in ("lift", "lift_low", "lift_high")
    ]
    segments = found.data["segments"]
    assert [g["key"] for g in segments["groups"]] == ["device"] and segments["comparisons"] == 2
    row = segments["groups"][0]["rows"][0]
    assert row["n"] == [400, 400] and row["holm"][0] >= row["p"][0]


def test_revenue_has_raw_and_capped_and_uses_the_time_before(store):
    experiment = running(store, metric="revenue")
    for name, value in (("A", "20"), ("B", "26")):
        ids = visitors(arm(experiment, name), 600, 300, value=value)
        events(store, ids[:280], product=make_product(store, f"Past {name}"), value="30", at=START - DAY)
    events(store, ids[300:301], product=arm(experiment, "B").texts.get().product, value="9000", at=START + HOUR)
    found = look(experiment)
    b = found.data["arms"][1]
    assert b["cap"] == 26 and b["raw_total"] == 300 * 26 + 9000 and b["total"] == 301 * 26
    assert found.data["reduction"] > 0.5
    assert found.status == "winner" and "more revenue per visitor" in experiment_results.sentence(found)
    raw, capped = found.data["raw_lifts"][0], found.data["verdict"]["comparisons"][0]
    assert raw[0] > 1.5 and capped["lift"] == pytest.approx(0.3, abs=0.05)


# --- by itself
def test_a_bandit_moves_traffic_when_its_turn_comes(store):
    experiment = running(store, mode="bandit", window_hours=1, bandit_minutes=60)
    both(experiment, (400, 20), (400, 60), after=HOUR / 2)
    assert experiment_rules.reweight(experiment, START + timedelta(minutes=59)) is None
    change = experiment_rules.reweight(experiment, START + 2 * HOUR)
    a, b = arm(experiment, "A"), arm(experiment, "B")
    assert b.weight > 0.95 and a.weight >= 0.01 and a.weight + b.weight == pytest.approx(1, abs=1e-5)
    assert change.basis[str(b.pk)] == {"n": 400, "x": 60, "sum": 60, "sum_squares": 60}
    version = Experiment.objects.get().version
    assert experiment_rules.reweight_all(START + 2 * HOUR + timedelta(minutes=1)) == 0, "again changes nothing"
    assert WeightChange.objects.count() == 2 and Experiment.objects.get().version == version


def test_a_bandit_waits_for_visitors_whose_window_has_closed(store):
    experiment = running(store, mode="bandit", window_hours=24, bandit_minutes=60)
    both(experiment, (400, 20), (400, 60), at=START + 2 * HOUR)
    assert experiment_rules.reweight(experiment, START + 20 * HOUR) is None
    assert experiment_rules.reweight(experiment, START + 27 * HOUR) is not None
    few = running(store, mode="bandit", window_hours=1, product=make_product(store, "Bowl"), name="few")
    both(few, (140, 1), (140, 9))
    assert experiment_rules.reweight(few, START + 2 * DAY) is None


def test_a_bandits_split_is_checked_against_its_own_shares(store):
    experiment = running(store, mode="bandit", window_hours=1, bandit_minutes=60)
    a, b = arm(experiment, "A"), arm(experiment, "B")
    both(experiment, (500, 20), (500, 60))
    WeightChange.objects.create(
        store=store, experiment=experiment, at=START + DAY, weights={str(a.pk): 0.1, str(b.pk): 0.9}
    )
    both(experiment, (100, 5), (900, 90), at=START + 2 * DAY)
    assert experiment_results.shares(experiment, NOW) == [600, 1400]
    assert not look(experiment).data["verdict"]["sample_ratio"]["alarm"]


def test_it_finishes_and_publishes_by_itself_only_where_told(store):
    experiment = running(store)
    both(experiment, (2000, 100), (2000, 200))
    assert experiment_rules.look_at_all(NOW) == (1, [])
    experiment.refresh_from_db()
    assert experiment.status == "running"
    experiments.update(experiment=experiment, by=None, auto_finish=True, auto_publish=True)
    for _ in range(2):
        experiment_rules.look_at_all(NOW)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.winner.name, experiment.ended_at) == ("finished", "B", NOW)
    assert experiment.conclusion.startswith("“B” wins") and experiment.published.count() == 1
    assert [h.by for h in experiment.history.filter(action__in=["finished", "published"])] == [None, None]


def test_a_loser_leaves_the_listing_as_it_is(store):
    experiment = running(store, auto_finish=True, auto_publish=True)
    both(experiment, (2000, 200), (2000, 100))
    experiment_rules.look_at_all(NOW)
    experiment.refresh_from_db()
    assert experiment.status == "finished" and experiment.winner.is_control and not experiment.published.exists()


def test_a_fixed_split_ends_at_its_planned_end(store):
    experiment = running(store, mode="fixed", planned_per_arm=1000)
    both(experiment, (1000, 50), (1000, 100))
    experiment_rules.look_at_all(START + 5 * DAY)
    experiment.refresh_from_db()
    assert experiment.status == "running"
    experiment_rules.look_at_all(START + 6 * DAY + HOUR)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.winner.name) == ("finished", "B") and not experiment.published.exists()


def test_one_broken_experiment_keeps_no_other_waiting(store, monkeypatch):
    first, second = running(store), running(store, product=make_product(store, "Bowl"), name="second")
    compute = experiment_results.compute

    def broken(e, now):
        if e.pk == first.pk:
            raise RuntimeError("broken")
        return compute(e, now)

    monkeypatch.setattr(experiment_results, "compute", broken)
    assert experiment_rules.look_at_all(NOW) == (1, [])
    assert second.looks.count() == 1


def test_finished_ones_are_looked_at_until_their_last_window_closes(store):
    experiment = running(store)
    experiments.finish(experiment=experiment, by=None, now=START + 4 * DAY)
    draft(store, product=make_product(store, "Bowl"), name="draft")
    assert experiment_rules.watched(START + 6 * DAY) == [experiment]
    assert experiment_rules.watched(START + 8 * DAY) == []


def test_a_conclusion_by_itself_is_in_the_shops_language(store):
    store.default_locale = "zh-Hans"
    store.save()
    experiment = running(store, auto_finish=True)
    both(experiment, (2000, 100), (2000, 200))
    experiment_rules.look_at_all(NOW)
    experiment.refresh_from_db()
    assert experiment.status == "finished" and experiment.conclusion


def test_the_store_is_the_experiments_everywhere(store):
    experiment = running(store, mode="bandit", window_hours=1, bandit_minutes=60)
    both(experiment, (400, 20), (400, 60))
    experiment_rules.look_at_all(NOW)
    experiment_rules.reweight_all(NOW)
    experiments.finish(experiment=experiment, by=None, winner=arm(experiment, "B"))
    publishing.publish_winner(experiment=experiment, by=None)
    rows = [
        *experiment.looks.all(),
        *experiment.weight_changes.all(),
        *experiment.published.all(),
        *experiment.history.all(),
    ]
    assert len(rows) >= 6 and {row.store_id for row in rows} == {store.pk}
    assert Arm.objects.filter(store=store).count() == 2 and timezone.is_aware(experiment.ended_at)
