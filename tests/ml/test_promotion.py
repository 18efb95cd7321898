"""Promotion behind the gate, roll-back, the re-scoring that follows, and an audit trail that nobody changes."""

import pytest
from django.db import DatabaseError, connection, transaction

from ecomai.models import Job
from ml import comparison, conversion, promotion, registry, tasks, training
from ml.models import AuditEntry, Comparison, ModelVersion, Promotion
from ml.models.audit import AppendOnly
from tests.ml import conftest


@pytest.fixture
def sent(monkeypatch):
    """What would go to the broker."""
    found: list[Job] = []
    monkeypatch.setattr("ml.tasks.send", found.append)
    return found


def trained(store, by, **config) -> ModelVersion:
    """A version that was trained and compared."""
    run = training.start(capability_name="words", store=store, config=config, by=by, start_from="base")
    tasks.train(run.job_id)
    run.refresh_from_db()
    tasks.compare(run.version.comparisons.get().job_id)
    return run.version


def go_live(version, by, **wish) -> Promotion:
    made = promotion.request(version=version, by=by, **wish)
    tasks.promote(made.job_id)
    made.refresh_from_db()
    version.refresh_from_db()
    return made


def test_from_training_to_live_and_back_with_everything_on_record(words, store, alice, sent):
    first = trained(store, alice, spoil="bad")
    assert first.comparisons.get().verdict == "first"
    made = go_live(first, alice)
    assert made.status == "done" and first.status == "live" and registry.live("words", store.pk) == first
    assert first.metrics["agreement"] == {"agreement": 1.0} and first.path == f"versions/words-{first.pk}"
    assert sent[-1] == conftest.RESCORED[-1] and sent[-1].store == store

    second = trained(store, alice)
    told = second.comparisons.get()
    assert told.live == first and told.verdict == "better" and told.rows == 160
    assert {s["group"] for s in told.scores if s["kind"] == "language"} == {"en", "de"}
    go_live(second, alice)
    first.refresh_from_db()
    assert registry.live("words", store.pk) == second and first.status == "retired"

    version, again = promotion.roll_back(capability_name="words", store=store, by=alice)
    assert version == first and again == [conftest.RESCORED[-1]] and len(conftest.RESCORED) == 3
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "version_label")) == [
        ("requested", ""), ("trained", first.label), ("compared", first.label), ("promoted", first.label),
        ("requested", ""), ("trained", second.label), ("compared", second.label), ("promoted", second.label),
        ("rolled_back", first.label),
    ]  # fmt: skip
    second.refresh_from_db()
    go_live(second, alice)
    assert second.status == "live", "what was live before may come back"


def test_a_closed_gate_wants_an_override_and_an_override_a_reason(words, store, alice, sent):
    go_live(trained(store, alice), alice)
    worse = trained(store, alice, spoil="good")
    assert worse.comparisons.get().verdict == "worse"
    with pytest.raises(promotion.GateClosed, match="worse beyond its interval"):
        promotion.request(version=worse, by=alice)
    with pytest.raises(promotion.GateClosed, match="Say why"):
        promotion.request(version=worse, by=alice, override=True, reason="  ")
    assert not Promotion.objects.filter(version=worse).exists()
    made = go_live(worse, alice, override=True, reason="The old one offends customers")
    assert made.override and worse.status == "live" and worse.reason == "The old one offends customers"
    entry = AuditEntry.objects.get(action="overridden")
    assert entry.by == alice and entry.reason == "The old one offends customers" and "worse" in str(entry.details)


def test_a_comparison_with_what_is_no_longer_live_opens_nothing(words, store, alice, sent):
    first, second = trained(store, alice, spoil="bad"), trained(store, alice)
    go_live(first, alice)
    opened, reasons, _found = promotion.gate(second)
    assert not opened and reasons == ["It was not compared with what is live now."]
    tasks.compare(comparison.request(version=second, by=alice).job_id)
    assert promotion.gate(second)[0]


def test_a_promotion_asked_for_twice_or_run_twice_happens_once(words, store, alice, sent):
    version = trained(store, alice)
    made = promotion.request(version=version, by=alice)
    with pytest.raises(promotion.GateClosed, match="already"):
        promotion.request(version=version, by=alice)
    tasks.promote(made.job_id)
    Job.objects.filter(pk=made.job_id).update(status="queued")  # the message came twice
    tasks.promote(made.job_id)
    assert AuditEntry.objects.filter(action="promoted").count() == 1 and len(conftest.RESCORED) == 1


def test_a_converted_model_that_disagrees_never_goes_live(words, store, alice, sent, monkeypatch):
    monkeypatch.setattr("tests.ml.word_engine.export", lambda base, result, target: {"agreement": 0.5})
    run = training.start(capability_name="words", store=store, config={}, by=alice)
    tasks.train(run.job_id)
    run.refresh_from_db()
    with pytest.raises(conversion.ConversionError):
        tasks.compare(run.version.comparisons.get().job_id)
    assert run.version.comparisons.get().status == "failed"
    made = promotion.request(version=run.version, by=alice, override=True, reason="trust me")
    with pytest.raises(conversion.ConversionError):
        tasks.promote(made.job_id)
    made.refresh_from_db()
    assert made.status == "failed" and "does not agree" in made.error and registry.live("words", store.pk) is None
    assert AuditEntry.objects.filter(action="refused").count() == 1


def test_a_comparison_without_test_rows_says_what_to_do(words, store, alice, sent, monkeypatch):
    monkeypatch.setattr(conftest, "ROWS", {**conftest.ROWS, "test": []})
    run = training.start(capability_name="words", store=store, config={}, by=alice)
    tasks.train(run.job_id)
    with pytest.raises(comparison.ComparisonError, match="gold"):
        tasks.compare(Comparison.objects.get().job_id)
    assert "gold" in Comparison.objects.get().error


def test_the_audit_trail_refuses_changes_by_hand_and_in_the_database(words, store, alice):
    training.start(capability_name="words", store=store, config={}, by=alice)
    entry = AuditEntry.objects.get()
    entry.reason = "something else"
    with pytest.raises(AppendOnly):
        entry.save()
    with pytest.raises(AppendOnly):
        entry.delete()
    with pytest.raises(AppendOnly):
        AuditEntry.objects.all().delete()
    with pytest.raises(AppendOnly):
        AuditEntry.objects.update(reason="x")
    for statement in ("UPDATE ml_auditentry SET reason = 'x'", "DELETE FROM ml_auditentry"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    alice.delete()
    store.delete()
    entry.refresh_from_db()
    assert entry.by is None and entry.store is None and entry.scope == "alice", "an erasure takes the reference alone"
