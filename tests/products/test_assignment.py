"""Who sees which arm: even, stable, sticky, targeted, written once."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from ecomai.models import Store
from products import assignment, exposure_tokens, live_experiments
from products.assignment import Viewer, bucket, show, visitor_id
from products.models import Arm, Assignment, Experiment, ExperimentGroup, ExperimentSettings, Exposure
from tests.factories import make_product
from tests.products.storefront_factories import make_experiment

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.fixture
def mug(store):
    return make_product(store, "Stoneware mug")


def see(store, product, number=1, *, locale="en", segment=None, bot=False):
    viewer = Viewer(visitor_id(store, f"v{number}"), locale, segment=segment or {}, bot=bot)
    return show(store, viewer, product.pk, at=NOW)


def arms(store, product, count=400, **how) -> dict[int, str]:
    """Visitor → name of the arm, of those that take part."""
    seen = {n: see(store, product, n, **how) for n in range(count)}
    return {n: shown[0].variant for n, shown in seen.items() if shown}


def change(experiment, **fields):
    Experiment.objects.filter(pk=experiment.pk).update(version=experiment.version + 1, **fields)
    live_experiments.forget(experiment.store_id)


def test_a_bucket_never_moves():
    visitor = UUID("00112233445566778899aabbccddeeff")
    places = [round(bucket(salt, visitor), 9) for salt in ("a", "b", "a:arm")]
    assert places == [0.615479258, 0.939822666, 0.098163863]


def test_buckets_are_even_and_salts_are_independent():
    visitors = [UUID(int=n) for n in range(4000)]
    first, second = ([int(bucket(salt, v) * 10) for v in visitors] for salt in ("one", "two"))
    expected = len(visitors) / 10
    chi2 = sum((first.count(d) - expected) ** 2 / expected for d in range(10))
    assert chi2 < 27.9  # 0.999 of chi-square with 9 degrees
    both = sum(a < 5 and b < 5 for a, b in zip(first, second, strict=True))
    assert 0.22 < both / len(visitors) < 0.28


def test_a_visitor_id_is_a_keyed_hash_of_its_store(store, other_store):
    assert visitor_id(store, "jane") == visitor_id(store, "jane") != visitor_id(other_store, "jane")
    ExperimentSettings.objects.filter(store=store).update(salt="0" * 16)
    live_experiments.forget(store.pk)
    assert visitor_id(store, "jane") == UUID("c21164ee-8829-5743-f344-b08a80ba972d")


def test_the_first_sight_writes_one_assignment_and_one_exposure_for_good(
    store, mug, django_assert_num_queries, django_assert_max_num_queries
):
    plate = make_product(store, "Plate")
    made = make_experiment(store, {mug: {"title": "A mug that stays warm"}, plate: {"title": "A plate"}})
    visitor = visitor_id(store, "v1")
    (shown,) = see(store, mug)
    row = Assignment.objects.get()
    assert (row.store, row.experiment, row.visitor, row.arm_id, row.at) == (store, made, visitor, shown.arm_id, NOW)
    with django_assert_num_queries(1):
        again = see(store, mug)
    assert (again[0].arm_id, Assignment.objects.count(), Exposure.objects.count()) == (shown.arm_id, 1, 1)
    with django_assert_max_num_queries(2):  # the plate's texts, where its number begins another block; the rest
        see(store, plate)
    assert set(Exposure.objects.values_list("product", "arm", "visitor")) == {
        (mug.pk, shown.arm_id, visitor), (plate.pk, shown.arm_id, visitor),
    }  # fmt: skip
    token = exposure_tokens.read(shown.token)
    assert token == exposure_tokens.Token(store.pk, made.pk, shown.arm_id, visitor, mug.pk, NOW)


def test_shares_hold_and_the_control_shows_the_listing(store, mug):
    make_experiment(store, {mug: {"title": "B"}}, weights=(1, 3))
    names = list(arms(store, mug).values())
    assert len(names) == 400 and 0.64 < names.count("B") / 400 < 0.86  # five standard errors: salts are drawn
    shown = [see(store, mug, n)[0] for n in range(80)]
    assert {(s.is_control, tuple(s.texts.items())) for s in shown} == {(True, ()), (False, (("title", "B"),))}


@pytest.mark.parametrize("mode", Experiment.Mode.values)
def test_an_arm_stays_when_the_shares_move(store, mug, mode):
    made = make_experiment(store, {mug: {"title": "B"}}, mode=mode)
    before = arms(store, mug, 100)
    assert set(before.values()) == {"A", "B"}
    Arm.objects.filter(experiment=made, name="A").update(weight=0)
    change(made, traffic=0.0, locales=["de"])
    assert arms(store, mug, 100) == before
    change(made, traffic=1.0, locales=[])
    new = {n: see(store, mug, n)[0].variant for n in range(100, 160)}
    assert set(new.values()) == {"B"}


def test_a_faster_request_wins_and_its_arm_is_what_both_show(store, mug):
    made = make_experiment(store, {mug: {"title": "B"}})
    one, two = made.arms.all()
    viewer = Viewer(visitor_id(store, "v1"), "en")
    write = lambda arm: assignment._write(store.pk, viewer, mug.pk, [(made.pk, arm.pk)], [], NOW)
    assert write(one) == write(two) == {made.pk: one.pk}
    assert Assignment.objects.get().arm == one and Exposure.objects.get().arm == one


def test_who_has_an_arm_keeps_it_and_an_exposure_is_written_once(store, mug, monkeypatch):
    made = make_experiment(store, {mug: {"title": "B"}})
    shown = []
    for arm in made.arms.all():  # what a newcomer would get
        monkeypatch.setattr(assignment, "choose", lambda _experiment, _visitor, arm=arm: arm)
        shown += see(store, mug)
    first = made.arms.first()
    assert [s.arm_id for s in shown] == [first.pk] * 2 and Exposure.objects.get().arm == first
    Assignment.objects.all().delete()  # a newcomer again, seen before
    assert see(store, mug)[0].arm_id == made.arms.last().pk and Exposure.objects.count() == 1


def test_texts_of_a_block_are_fetched_once_and_thrown_away_when_too_many(store, django_assert_num_queries, monkeypatch):
    mugs = [make_product(store, f"Mug {n}") for n in range(3)]
    plain = make_product(store, "Plain")
    make_experiment(store, {mug: {"title": f"B {mug.pk}"} for mug in mugs}, weights=(0, 1))
    monkeypatch.setattr(live_experiments, "BLOCK", 10**9)
    live = live_experiments.live(store.pk)
    with django_assert_num_queries(1):
        told = [live.texts(mug.pk) for mug in mugs]
        assert live.texts(plain.pk) == {}
    assert [next(iter(next(iter(t.values()))["en"]["title"].values())) for t in told] == [f"B {m.pk}" for m in mugs]
    monkeypatch.setattr(live_experiments, "MOST_BYTES", 1)
    monkeypatch.setattr(live_experiments, "BLOCK", 1)
    with django_assert_num_queries(4):  # each throws the other away
        for mug in (mugs[0], mugs[1], mugs[0], mugs[0], mugs[1]):
            assert live.texts(mug.pk)


def test_only_the_oldest_texts_make_room_for_new_ones(store, django_assert_num_queries, monkeypatch):
    mugs = [make_product(store, f"Mug {n}") for n in range(4)]
    make_experiment(store, {mug: {"title": f"B {mug.pk}"} for mug in mugs}, weights=(0, 1))
    for name, value in {"BLOCK": 1, "_texts": {}, "_bytes": 0}.items():
        monkeypatch.setattr(live_experiments, name, value)
    live = live_experiments.live(store.pk)
    with django_assert_num_queries(4):
        for mug in mugs[:3]:
            assert live.texts(mug.pk)
        monkeypatch.setattr(live_experiments, "MOST_BYTES", live_experiments._bytes)
        assert live.texts(mugs[3].pk)
    with django_assert_num_queries(1):  # the first went; one more comes in its place, and the second goes
        for mug in (mugs[3], mugs[2], mugs[1], mugs[0], mugs[3], mugs[2]):
            assert live.texts(mug.pk)


def test_numbers_that_no_product_has_throw_no_text_away(store, mug, django_assert_num_queries, monkeypatch):
    make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    monkeypatch.setattr(live_experiments, "MOST_EMPTY", 2)
    live = live_experiments.live(store.pk)
    assert live.texts(mug.pk)
    with django_assert_num_queries(4):  # the last is known still
        for number in (1, 2, 3, 4, 4):
            assert live.texts(10**12 + number * live_experiments.BLOCK) == {}
    with django_assert_num_queries(0):
        assert live.texts(mug.pk)


def test_traffic_takes_a_share_and_grows_without_moving_anybody(store, mug):
    made = make_experiment(store, {mug: {"title": "B"}}, traffic=0.3)
    few = arms(store, mug)
    assert 0.18 < len(few) / 400 < 0.42 and Assignment.objects.count() == len(few)
    change(made, traffic=0.6)
    more = arms(store, mug)
    assert 0.47 < len(more) / 400 < 0.73 and few.items() <= more.items()
    assert 0.33 < list(more.values()).count("A") / len(more) < 0.67


def test_experiments_of_a_group_share_no_visitor(store, mug):
    plate = make_product(store, "Plate")
    group = ExperimentGroup.objects.create(store=store, name="G")
    make_experiment(store, {mug: {"title": "B"}}, "one", group=group, group_to=0.5)
    make_experiment(store, {plate: {"title": "B"}}, "two", group=group, group_from=0.5)
    first, second = arms(store, mug), arms(store, plate)
    assert not first.keys() & second.keys() and len(first) + len(second) == 400 and min(len(first), len(second)) > 150


def test_only_its_languages_and_segments_take_part(store, mug):
    made = make_experiment(
        store, {mug: {"title": "B"}}, locale="de", locales=["de"], segments={"device": ["mobile", "tablet"]}
    )
    assert see(store, mug, locale="en", segment={"device": "mobile"}) == []
    assert see(store, mug, locale="de", segment={"device": "desktop"}) == see(store, mug, locale="de") == []
    assert Assignment.objects.count() == 0
    assert see(store, mug, locale="de-AT", segment={"device": "tablet", "new": "yes"})[0].experiment_id == made.pk
    row = Assignment.objects.get()
    assert (row.locale, row.segment) == ("de-AT", {"device": "tablet", "new": "yes"})


def test_an_experiment_without_text_in_the_language_is_none(store, mug):
    make_experiment(store, {mug: {"title": "B"}}, locale="en")
    assert see(store, mug, locale="fr") == [] and see(store, make_product(store, "Plate")) == []
    assert see(store, mug, locale="en-GB") != []


def test_the_holdout_sees_nothing_not_even_what_it_had(store, mug):
    make_experiment(store, {mug: {"title": "B"}})
    everybody = arms(store, mug)
    ExperimentSettings.objects.filter(store=store).update(holdout=0.25)
    live_experiments.forget(store.pk)
    rest = arms(store, mug)
    assert 0.18 < 1 - len(rest) / len(everybody) < 0.32 and rest.items() <= everybody.items()


def test_bots_and_visitors_without_an_id_leave_no_row(store, mug, django_assert_num_queries):
    make_experiment(store, {mug: {"title": "B"}})
    with django_assert_num_queries(0):
        assert show(store, Viewer(None, "en"), mug.pk) == []
        assert show(store, Viewer(UUID(int=1), "en", bot=True), mug.pk) == []
    assert Assignment.objects.count() == Exposure.objects.count() == 0


def test_two_experiments_on_one_field_show_the_older_and_on_two_fields_both(store, mug):
    one = make_experiment(store, {mug: {"title": "B"}}, "one", weights=(0, 1))
    make_experiment(store, {mug: {"title": "Other", "seo_title": "Other"}}, "two", weights=(0, 1))
    three = make_experiment(store, {mug: {"seo_title": "S"}}, "three", weights=(0, 1))
    shown = see(store, mug)
    assert [(s.experiment_id, s.texts) for s in shown] == [(one.pk, {"title": "B"}), (three.pk, {"seo_title": "S"})]
    assert Exposure.objects.count() == 2


@pytest.mark.parametrize("status", ["draft", "paused", "finished"])
def test_only_running_experiments_on_visitors_are_live(store, mug, status):
    make_experiment(store, {mug: {"title": "B"}}, status=status)
    make_experiment(store, {mug: {"title": "B"}}, "feed", unit=Experiment.Unit.PRODUCT)
    assert see(store, mug) == []


def test_the_look_is_kept_for_five_seconds_and_the_texts_while_nothing_changes(
    store, mug, django_assert_num_queries, monkeypatch
):
    made = make_experiment(store, {mug: {"title": "B"}}, weights=(0, 1))
    see(store, mug)
    clock = live_experiments.time.monotonic()
    monkeypatch.setattr(live_experiments.time, "monotonic", lambda: clock + 6)
    with django_assert_num_queries(4):  # settings, experiments, arms; the assignment
        see(store, mug)
    made.arms.get(name="B").texts.update(text="New")
    Experiment.objects.filter(pk=made.pk).update(version=made.version + 1)
    assert see(store, mug)[0].texts == {"title": "B"}
    monkeypatch.setattr(live_experiments.time, "monotonic", lambda: clock + 12)
    assert see(store, mug)[0].texts == {"title": "New"}


def test_what_one_experiment_does_costs_no_other_one_its_texts(store, mug, django_assert_num_queries):
    plate = make_product(store, "Plate")
    make_experiment(store, {mug: {"title": "B"}, plate: {"title": "B"}}, "one", weights=(0, 1))
    two = make_experiment(store, {plate: {"seo_title": "S"}}, "two", weights=(0, 1))
    for product in (mug, plate):
        see(store, product)
    change(two, status="paused")
    with django_assert_num_queries(4):  # settings, experiments, arms; the assignment
        assert see(store, mug)[0].texts == {"title": "B"}
    with django_assert_num_queries(1):
        assert [s.texts for s in see(store, plate)] == [{"title": "B"}]


def test_another_stores_experiment_touches_nothing(store, other_store, mug):
    make_experiment(other_store, {make_product(other_store, "Stoneware mug"): {"title": "Theirs"}})
    assert see(store, mug) == [] and Store.objects.count() == 2


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "é", "1.1.1.1.1.zz:sig", "a" * 400])
def test_a_token_that_is_not_ours_says_nothing(text):
    assert exposure_tokens.read(text) is None


def test_a_token_that_was_changed_or_signed_by_another_key_says_nothing(settings):
    token = exposure_tokens.sign(exposure_tokens.Token(1, 2, 3, UUID(int=4), 5, NOW))
    assert exposure_tokens.read(token) and len(token) < 120
    assert exposure_tokens.read("2" + token[1:]) is None
    settings.SECRET_KEY = "another"
    assert exposure_tokens.read(token) is None
    settings.SECRET_KEY_FALLBACKS = []
