"""Training as a process: followed, cancelled, killed, resumed; its data frozen; started by labels and by the calendar."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from devstack.supervisor import procfile
from ecomai import jobs
from ecomai.models import Job
from ecomai.tasks import send
from ml import loading, registry, schedules, snapshots, tasks, training
from ml.capabilities import capability, checked_config
from ml.models import AuditEntry, DatasetSnapshot, RetrainSchedule, TrainingRun
from ml.training_log import Followed, Follower
from reviews import scoring
from reviews.models import Judgement
from tests.ml import conftest
from tests.reviews.factories import make_review
from tests.stack import ROOT, Stack


@pytest.fixture
def quiet(monkeypatch):
    """Nothing is sent to a broker."""
    for module in ("ml.tasks", "ml.admin"):
        monkeypatch.setattr(f"{module}.send", lambda job: None)


def begin(store, by, **config) -> TrainingRun:
    return training.start(capability_name="words", store=store, config=config, by=by)


def test_a_run_freezes_its_data_trains_in_a_process_and_leaves_a_ready_version(words, store, alice, quiet):
    run = begin(store, alice, epochs=1)
    assert run.status == "queued" and run.job.queue == "train" and run.config == {
        "method": "lora", "epochs": 1, "pause": 0.0, "spoil": "", "fail": False,
    }  # fmt: skip
    tasks.train(run.job_id)
    run.refresh_from_db()
    assert (run.status, run.step, run.total, run.metrics["acc"]) == ("done", 160, 160, 0.9)
    assert run.version.status == "ready" and run.version.data_hash == run.snapshot.hash
    assert run.version.label == f"alice-words-{run.pk}" and run.version.created_by == alice
    assert run.snapshot.counts["train"] == {
        "rows": 160, "languages": {"en": 80, "de": 80}, "classes": {"good": 80, "bad": 80},
    }  # fmt: skip
    assert len(snapshots.rows(run.snapshot, "test")) == 160
    assert run.curve[-1][0] == 160 and run.epochs[0]["metrics"] == {"acc": 0.5} and '"done"' in run.tail
    assert run.version.comparisons.count() == 1, "it is compared by itself"
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["trained", "requested"]
    tasks.train(run.job_id)
    assert DatasetSnapshot.objects.count() == 1 and run.snapshot.runs.count() == 1


def test_the_same_rows_give_one_snapshot_and_other_rows_another(words, store, monkeypatch):
    first = snapshots.freeze(words, store)
    assert snapshots.freeze(words, store) == first
    more = {
        **conftest.ROWS,
        "train": [*conftest.ROWS["train"], {"id": "x", "language": "en", "label": "bad", "text": "x"}],
    }
    monkeypatch.setattr(conftest, "ROWS", more)
    second = snapshots.freeze(words, store)
    assert second.hash != first.hash and second.rows == first.rows + 1
    assert snapshots.freeze(words, None).pk not in (first.pk, second.pk)
    monkeypatch.setattr(conftest, "ROWS", {**more, "valid": []})
    with pytest.raises(snapshots.NoData, match="valid"):
        snapshots.freeze(words, store)


def test_a_second_run_waits_until_the_first_has_ended_and_bad_settings_are_named(words, store, other_store, alice):
    begin(store, alice)
    with pytest.raises(training.TrainingError, match="under way"):
        begin(store, alice)
    begin(other_store, None)
    for config, said in (
        ({"epochs": 0}, "epochs=0"), ({"nonsense": 1}, "nonsense"), ({"epochs": 1.5}, "whole number"),
        ({"method": "magic"}, "magic"), ({"fail": 1}, "true or false"),
    ):  # fmt: skip
        with pytest.raises(training.TrainingError, match=said):
            training.start(capability_name="words", store=None, config=config, by=None)
    with pytest.raises(training.TrainingError, match="no capability"):
        training.start(capability_name="nothing", store=store, config={}, by=None)


def test_a_failed_training_says_why_on_its_row_and_its_job(words, store, alice, quiet):
    run = begin(store, alice, fail=True)
    with pytest.raises(training.TrainingError):
        tasks.train(run.job_id)
    run.refresh_from_db()
    assert run.status == "failed" and run.error == "ValueError: no such luck" and run.version is None
    assert Job.objects.get(pk=run.job_id).message == "ValueError: no such luck"
    assert AuditEntry.objects.filter(action="failed").count() == 1


def test_a_training_queued_with_scoring_goes_to_the_queue_of_its_own_and_runs_there(
    words, store, alice, monkeypatch, settings
):
    sent = []
    monkeypatch.setattr("ml.tasks.send", sent.append)
    settings.TRAIN_THREADS = 1
    run = begin(store, alice, epochs=1)
    Job.objects.filter(pk=run.job_id).update(queue="ml")
    tasks.train(run.job_id)
    run.refresh_from_db()
    assert [(job.pk, job.queue) for job in sent] == [(run.job_id, "train")] and run.status == "queued"
    tasks.train(run.job_id)
    run.refresh_from_db()
    assert run.status == "done" and json.loads((training.folder(run) / "spec.json").read_text())["threads"] == 1


@pytest.fixture
def workers(words, settings, transactional_db):
    """The Procfile's workers for trainings and for scoring, with the tests' own capability and the house review model."""
    settings.GENERATOR_BACKEND = "openai"  # the house review model alone
    registry.register_house()
    loading.forget()
    parts = connection.settings_dict
    url = f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT']}/{parts['NAME']}"
    env = {"MODELS_DIR": str(settings.MODELS_DIR), "GENERATOR_BACKEND": "openai"}
    env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    stack = Stack(url, settings.REDIS_URL, env)
    for name, command in procfile(ROOT / "Procfile").items():
        if name in ("train", "ml"):
            line = ["/bin/sh", "-c", f"exec {command} -I tests.ml.words_worker"]
            stack.processes[name] = subprocess.Popen(line, cwd=ROOT, env=stack.env, start_new_session=True)
    yield
    stack.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_reviews_are_scored_while_a_training_is_under_way(workers, store, alice):
    run = begin(store, alice, pause=0.1, epochs=100)
    send(run.job)
    _until(lambda: TrainingRun.objects.get(pk=run.pk).step > 0, 120)
    (engine,) = _engines(run)
    nice = max(10, os.getpriority(os.PRIO_PROCESS, 0))
    assert os.getpriority(os.PRIO_PROCESS, engine) == nice, "it doesn't yield to who waits"
    if (group := Path(f"/proc/{engine}/autogroup")).exists():
        assert group.read_text().split()[-1] == str(nice), "its session doesn't yield"
    make_review(store, "Arrived broken. Terrible.", rating=None)
    (job,) = scoring.queue_waiting()
    send(job)
    _until(lambda: not Job.objects.get(pk=job.pk).is_open, 120)
    assert Job.objects.get(pk=job.pk).status == "done" and Judgement.objects.count() == 1
    run.refresh_from_db()
    assert run.status == "running" and 0 < run.step < run.total == 16_000
    assert training.cancel(run, alice)
    _until(lambda: TrainingRun.objects.get(pk=run.pk).status == "cancelled", 60)


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_training_stops_and_keeps_no_version(words, store, alice, quiet):
    run = begin(store, alice, pause=0.05, epochs=50)
    worker = threading.Thread(target=_in_thread, args=(run.job_id,))
    worker.start()
    _until(lambda: TrainingRun.objects.get(pk=run.pk).step > 0)
    assert training.cancel(run, alice)
    worker.join(120)
    run.refresh_from_db()
    assert run.status == "cancelled" and run.version is None and 0 < run.step < run.total
    assert Job.objects.get(pk=run.job_id).status == "cancelled"
    assert not training.cancel(run, alice)


def test_a_waiting_training_is_cancelled_at_once(words, store, alice):
    run = begin(store, alice)
    assert training.cancel(run, alice)
    run.refresh_from_db()
    assert run.status == "cancelled" and run.finished_at


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_is_killed_goes_on_from_its_checkpoint_with_the_same_result(words, store, alice, quiet):
    run = begin(store, alice, pause=0.03, epochs=1)
    worker = threading.Thread(target=_in_thread, args=(run.job_id,))
    worker.start()
    _until(lambda: TrainingRun.objects.get(pk=run.pk).step > 5)
    os.kill(_engines(run)[0], signal.SIGKILL)
    worker.join(120)
    run.refresh_from_db()
    assert run.status == "done" and run.resumed == 1 and run.metrics["steps"] == 160
    model = json.loads((training.trained_folder(run.version) / "model.json").read_text())
    assert model["words"]["good"]["fine"] == 40, "no row counted twice, none lost"


@pytest.mark.django_db(transaction=True)
def test_killing_the_worker_kills_the_engine_and_the_next_worker_resumes(words, store, alice, quiet, settings):
    run = begin(store, alice, pause=0.03, epochs=1)
    code = (
        "import django; django.setup(); from django.conf import settings; from pathlib import Path\n"
        f"settings.MODELS_DIR = Path({str(settings.MODELS_DIR)!r})\n"
        f"settings.DATABASES['default']['NAME'] = {connection.settings_dict['NAME']!r}\n"
        "from ml import capabilities, tasks; from tests.ml import conftest; tasks.send = lambda job: None\n"
        f"capabilities.register(capabilities.Capability(**{words.__dict__!r}))\n"
        f"tasks.train({run.job_id})\n"
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=settings.BASE_DIR, env=env)
    _until(lambda: TrainingRun.objects.get(pk=run.pk).step > 5 or worker.poll() is not None)
    engine = _engines(run)[0]
    worker.kill()
    worker.wait()
    _until(lambda: not os.path.exists(f"/proc/{engine}") or _zombie(engine))
    run.refresh_from_db()
    assert run.status == "running" and run.version is None
    Job.objects.filter(pk=run.job_id).update(heartbeat_at=datetime.now(UTC) - jobs.LEASE * 2)
    assert [job.pk for job in jobs.stale()] == [run.job_id]
    tasks.train(run.job_id)
    run.refresh_from_db()
    assert run.status == "done" and run.resumed == 1 and run.metrics["steps"] == 160
    model = json.loads((training.trained_folder(run.version) / "model.json").read_text())
    assert model["words"]["bad"]["kaputt"] == 40


def test_a_log_with_a_half_line_and_a_resumption_gives_a_curve_without_the_lost_steps(tmp_path):
    lines = [
        '{"event": "start", "total": 10, "step": 0}', '{"event": "step", "step": 4, "total": 10, "epoch": 0, "loss": 2}',
        '{"event": "step", "step": 6, "total": 10, "epoch": 0, "loss": 1.5}', '{"event": "st{"event": "resumed"',
        '{"event": "resumed", "total": 10, "step": 5}', '{"event": "step", "step": 6, "total": 10, "epoch": 0, "loss": 1}',
    ]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + '\n{"event": "do')
    follower = Follower(tmp_path)
    assert follower.look() and not follower.look()
    assert follower.told.curve() == [[4, 2.0], [6, 1.0]] and follower.told.resumed == 1 and follower.told.done is None
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('ne", "metrics": {"acc": 1}}\n')
    assert follower.look() and follower.told.done == {"acc": 1}
    long = Followed(losses=dict.fromkeys(range(5000), 1.0))
    assert len(long.curve()) <= 301 and long.curve()[-1][0] == 4999


def test_a_schedule_starts_after_enough_labels_and_on_its_calendar_each_once(words, store, alice):
    labels = RetrainSchedule.objects.create(capability="words", store=store, every_n_labels=30, created_by=alice)
    assert schedules.start_due() == []
    conftest.LABELS["count"] = 30
    (run,) = schedules.start_due()
    assert run.trigger == "labels" and run.requested_by == alice and run.job.task == "ml.tasks.train"
    labels.refresh_from_db()
    assert labels.last_run == run
    assert schedules.start_due() == []
    labels.refresh_from_db()
    assert "under way" in labels.last_error, "the first is still open"
    TrainingRun.objects.update(status="done")
    labels.delete()
    weekly = RetrainSchedule.objects.create(capability="words", cron="0 3 * * 1")
    made = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
    RetrainSchedule.objects.filter(pk=weekly.pk).update(created_at=made)
    assert schedules.start_due(made + timedelta(days=4)) == []
    monday = datetime(2026, 11, 30, 3, 5, tzinfo=UTC)
    (run,) = schedules.start_due(monday)
    assert run.trigger == "calendar" and run.store is None
    TrainingRun.objects.update(status="done")
    assert schedules.start_due(monday + timedelta(hours=1)) == []
    assert len(schedules.start_due(monday + timedelta(days=7))) == 1


def test_a_schedule_that_could_never_run_is_refused_with_its_field():
    for fields, wrong in (
        ({"capability": "reviews", "cron": "0 3 * *"}, "cron"), ({"capability": "reviews", "cron": "99 3 * * *"}, "cron"),
        ({"capability": "reviews", "config": {"rank": 0}}, "config"), ({"capability": "none"}, "capability"),
    ):  # fmt: skip
        with pytest.raises(ValidationError) as error:
            schedules.check(RetrainSchedule(**fields))
        assert list(error.value.message_dict) == [wrong]


def test_the_real_capabilities_have_settings_that_their_engines_take():
    assert checked_config(capability("reviews"), {"method": "adalora", "epochs": 2})["epochs"] == 2
    assert checked_config(capability("copy"), {"rank": 8})["targets"][0] == "q_proj"


def _in_thread(job_id: int) -> None:
    try:
        tasks.train(job_id)
    finally:
        connection.close()


def _until(ready, seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < limit
        time.sleep(0.1)


def _engines(run: TrainingRun) -> list[int]:
    """Processes that have the run's folder as an argument."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                command = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(training.folder(run)).encode() in command:
                found.append(int(entry))
    return found


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
