"""Fine-tune a model of any capability: freeze its data, run the engine as a process, follow it, keep the result.

The protocol of an engine (`python -m TRAINER RUN`): it reads RUN/spec.json {"base", "converted", "train", "valid", "test",
"config", "init_from"} and the data beside it, appends events to RUN/log.jsonl ("start" or "resumed" with "total" and "step";
"step" with step, total, epoch, loss, rate, seconds_left; "epoch" with metrics; "done" with metrics; "failed" with error;
"cancelled"), keeps its checkpoints in RUN and goes on from the newest by itself, and leaves RUN/result. A file RUN/cancel
asks it to stop.
"""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ecomai import jobs
from ecomai.models import Job, Store, User
from ml import audit, devices, processes, registry, snapshots, sources
from ml.capabilities import Capability, capability, checked_config
from ml.models import AuditEntry, ModelVersion, TrainingRun
from ml.training_log import Follower

QUEUE = "train"  # a worker of its own: a training takes hours, and scoring must not wait for it
LOOK = 0.5  # seconds between looks at the log
GRACE = 90.0  # seconds that an engine has to stop after a cancel, checkpoint included
RESTARTS = 3  # of an engine that was killed, by the system for want of memory perhaps

log = structlog.get_logger(__name__)


class TrainingError(Exception):
    """The training can't be started or went wrong; the text says why."""


def start(
    *, capability_name: str, store: Store | None, config: dict[str, Any], by: User | None,
    trigger: str = TrainingRun.Trigger.MANUAL, start_from: str = TrainingRun.Start.LIVE,
) -> TrainingRun:  # fmt: skip
    """Write down a run and its job, which the door sends. Raises TrainingError, also when one is open already."""
    try:
        found = capability(capability_name)
        checked = checked_config(found, config)
    except KeyError as error:
        raise TrainingError(f"There is no capability {capability_name}.") from error
    except (TypeError, ValueError) as error:
        raise TrainingError(str(error)) from error
    method = checked.get("method", "lora")
    if method not in found.methods:
        raise TrainingError(f"{found.title}: method {method} is not offered; one of {', '.join(found.methods)}")
    if found.objectives and checked.get("objective") not in found.objectives:
        raise TrainingError(
            f"{found.title}: objective {checked.get('objective')} is not offered; one of {', '.join(found.objectives)}"
        )
    parent = parent_of(found, store, start_from)
    with transaction.atomic():
        if store is not None:
            Store.objects.select_for_update().get(pk=store.pk)
        same = TrainingRun.objects.filter(capability=found.name, store=store)
        if same.filter(status__in=[TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING]).exists():
            raise TrainingError(f"{found.title}: a training is under way already.")
        run = TrainingRun.objects.create(
            capability=found.name, store=store, requested_by=by, trigger=trigger, start_from=start_from,
            config=checked, parent=parent,
        )  # fmt: skip
        run.job = jobs.create(
            store=store, kind="train", title=f"{found.title}: training {run.pk}", task="ml.tasks.train", queue=QUEUE,
            unit="steps", created_by=by,
        )  # fmt: skip
        run.folder = f"runs/{run.pk}"
        run.save(update_fields=["job", "folder"])
        audit.record(
            AuditEntry.Action.REQUESTED, capability=found.name, store=store, by=by,
            details={"run": run.pk, "trigger": trigger, "start_from": start_from, "config": checked},
        )  # fmt: skip
    return run


def moved(job_id: int) -> Job | None:
    """A training that was queued with the other work of the models, put into the queue of its own for the door to send;
    None when it stands there already."""
    if not Job.objects.open().filter(pk=job_id, task="ml.tasks.train").exclude(queue=QUEUE).update(queue=QUEUE):
        return None
    return Job.objects.get(pk=job_id)


def parent_of(found: Capability, store: Store | None, start_from: str) -> ModelVersion | None:
    """The version that a training starts from; None for the plain base. Raises TrainingError when it fits no more."""
    if start_from == TrainingRun.Start.BASE:
        return None
    parent = registry.live(found.name, store.pk if store and start_from == TrainingRun.Start.LIVE else None)
    if parent is None or not parent.trained:
        return None
    if parent.base != found.base_name:
        raise TrainingError(
            f"{parent.label} was trained on {parent.base}, and the base is {found.base_name} now: start from the base."
        )
    return parent


def folder(run: TrainingRun) -> Path:
    """Where the run's files lie."""
    return settings.MODELS_DIR / run.folder


def trained_folder(version: ModelVersion) -> Path:
    """The result of the training behind a version (absolute paths stand for themselves)."""
    return settings.MODELS_DIR / version.trained


def cancel(run: TrainingRun, by: User | None) -> bool:
    """Ask a run to stop; False when it has ended."""
    with transaction.atomic():
        held = TrainingRun.objects.select_for_update(of=("self",)).select_related("store", "job").get(pk=run.pk)
        if not held.is_open:
            return False
        if held.job is not None:
            jobs.cancel(held.job)
            held.job.refresh_from_db()
        if held.job is None or not held.job.is_open:
            _end(held, TrainingRun.Status.CANCELLED)
            audit.record(
                AuditEntry.Action.CANCELLED, capability=held.capability, store=held.store, by=by,
                details={"run": held.pk},
            )  # fmt: skip
    return True


def work(run: TrainingRun, hold: jobs.Run) -> ModelVersion | None:
    """Train to the end and keep the result as a version that is ready; run again it goes on where it was.

    Raises jobs.Cancelled, TrainingError, snapshots.NoData and what the database raises.
    """
    if not run.is_open:
        return run.version
    _change(run, status=TrainingRun.Status.RUNNING, started_at=run.started_at or timezone.now(), stage="data")
    try:
        found = capability(run.capability)
        if run.snapshot is None:
            _change(run, snapshot=snapshots.freeze(found, run.store))
        hold.check()
        _prepare(run, found, hold)
        metrics = _drive(run, found, hold)
        return _keep(run, found, metrics)
    except jobs.Cancelled:
        _close(run, TrainingRun.Status.CANCELLED, AuditEntry.Action.CANCELLED)
        raise
    except (jobs.LeaseLost, *jobs.DATABASE_LOST):
        raise
    except Exception as error:
        _close(run, TrainingRun.Status.FAILED, AuditEntry.Action.FAILED, str(error)[:4000] or type(error).__name__)
        raise


def _change(run: TrainingRun, **fields: Any) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(**fields)
    for name, value in fields.items():
        setattr(run, name, value)


def _end(run: TrainingRun, status: str, error: str = "") -> None:
    _change(run, status=status, error=error, stage="", seconds_left=None, finished_at=timezone.now())


def _close(run: TrainingRun, status: str, action: str, error: str = "") -> None:
    with transaction.atomic():
        _end(run, status, error)
        audit.record(
            action, capability=run.capability, store=run.store, by=run.requested_by, reason=error[:500],
            details={"run": run.pk},
        )  # fmt: skip


def _prepare(run: TrainingRun, found: Capability, hold: jobs.Run) -> None:
    """Write the folder that the engine reads; what stands already stays."""
    _change(run, stage="preparing")
    sources.prepare(found.base_name, cancelled=lambda: hold.cancelled)
    target = folder(run)
    target.mkdir(parents=True, exist_ok=True)
    assert run.snapshot is not None
    names: dict[str, str | None] = {}
    for part in snapshots.PARTS:
        source = snapshots.folder(run.snapshot) / f"{part}.jsonl"
        names[part] = f"{part}.jsonl" if source.stat().st_size else None
        if not (target / f"{part}.jsonl").exists():
            shutil.copyfile(source, target / f"{part}.new")
            (target / f"{part}.new").rename(target / f"{part}.jsonl")
    spec = {
        "base": str(sources.hf_dir(found.base_name)), "converted": str(sources.ct2_dir(found.base_name)), **names, "config": run.config,
        "threads": settings.TRAIN_THREADS or devices.threads(),
        "init_from": str(trained_folder(run.parent)) if run.parent and run.parent.trained else None,
    }  # fmt: skip
    (target / "spec.new").write_text(json.dumps(spec, indent=1), encoding="utf-8")
    (target / "spec.new").rename(target / "spec.json")
    (target / "cancel").unlink(missing_ok=True)


def _drive(run: TrainingRun, found: Capability, hold: jobs.Run) -> dict[str, Any]:
    """Run the engine until it is done, following its log into the row; its metrics."""
    target = folder(run)
    follower = Follower(target)
    follower.look()
    _change(run, stage="training")
    many = processes.gpus()
    for _again in range(RESTARTS + 1):
        if follower.told.done is not None and (target / "result").exists():
            break
        line = processes.command(found.trainer, str(target), lock=target / "lock", processes=many)
        process = processes.start(line, target / "output.txt")
        try:
            _follow(run, follower, process, hold)
        finally:
            processes.end(process)
        follower.look()
        _show(run, follower)
        # Torchrun ends with 1 whether a process of it was killed or failed; one that failed has said so in the log.
        silent = many > 1 and process.returncode and not (follower.told.failed or follower.told.cancelled)
        if process.returncode >= 0 and not silent:
            break
        log.warning("training_engine_killed", run=run.pk, returncode=process.returncode)
    told = follower.told
    if told.cancelled:
        hold.check()
        raise jobs.Cancelled(run.pk)
    if told.done is None or not (target / "result").exists():
        raise TrainingError(
            told.failed or processes.last_words(target / "output.txt") or "the trainer ended without a result"
        )
    return told.done


def _follow(run: TrainingRun, follower: Follower, process: Any, hold: jobs.Run) -> None:
    shown, asked = 0.0, 0.0
    while process.poll() is None:
        time.sleep(LOOK)
        fresh = follower.look()
        now = time.monotonic()
        try:
            if fresh and now - shown > 1:
                _show(run, follower)
                shown = now
                hold.advance(follower.told.step, total=follower.told.total, message=_message(follower))
            hold.check()
        except jobs.Cancelled:
            if not asked:
                (folder(run) / "cancel").touch()
                asked = now
            elif now - asked > GRACE:
                raise
    if asked:
        raise jobs.Cancelled(run.pk)


def _message(follower: Follower) -> str:
    told = follower.told
    return f"epoch {told.epoch + 1}, loss {told.loss:.4f}" if told.loss is not None else ""


def _show(run: TrainingRun, follower: Follower) -> None:
    told = follower.told
    _change(
        run, step=told.step, total=told.total, epoch=told.epoch, loss=told.loss, rate=told.rate,
        seconds_left=told.seconds_left, usage=told.usage, curve=told.curve(), epochs=told.epochs,
        tail="\n".join(told.tail), resumed=told.resumed,
    )  # fmt: skip


def _keep(run: TrainingRun, found: Capability, metrics: dict[str, Any]) -> ModelVersion:
    """One version a run, whoever asks twice."""
    with transaction.atomic():
        held = TrainingRun.objects.select_for_update(of=("self",)).select_related("version").get(pk=run.pk)
        if held.version is not None:
            return held.version
        assert run.snapshot is not None
        scope = run.store.slug if run.store else "house"
        version = registry.new_version(
            capability=run.capability, store_id=run.store_id, base=found.base_name,
            method=str(run.config.get("method", "lora")), label=f"{scope}-{run.capability}-{run.pk}", config=run.config,
            data_hash=run.snapshot.hash, parent=run.parent, by=run.requested_by,
        )  # fmt: skip
        version.trained, version.metrics, version.status = f"{run.folder}/result", metrics, ModelVersion.Status.READY
        version.save(update_fields=["trained", "metrics", "status"])
        _change(run, version=version, metrics=metrics)
        _end(run, TrainingRun.Status.DONE)
        audit.record(
            AuditEntry.Action.TRAINED, capability=run.capability, store=run.store, by=run.requested_by, version=version,
            details={"run": run.pk, "snapshot": run.snapshot.hash, "metrics": metrics},
        )  # fmt: skip
    return version


def forget_files(run: TrainingRun) -> None:
    """Drop what an ended run no longer needs: checkpoints and the copies of its data; the result stays."""
    if run.is_open or not run.folder:
        return
    for name in ("checkpoint", "checkpoint.old", "checkpoint.new", "start", "trials"):
        shutil.rmtree(folder(run) / name, ignore_errors=True)
    for part in snapshots.PARTS:
        if os.path.exists(folder(run) / f"{part}.jsonl"):
            (folder(run) / f"{part}.jsonl").unlink()
