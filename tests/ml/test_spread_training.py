"""One training in two processes by torchrun, on the processor: it learns, stops, dies and goes on like one process."""

import json
import os
import signal
import subprocess
import threading
from dataclasses import replace

import numpy as np
import psutil
import pytest
from django.conf import settings
from django.db import connection
from safetensors.numpy import load_file

from ml import capabilities, processes, training
from ml.models import TrainingRun
from tests.ml.test_text_training import _events, _run, _train
from tests.ml.test_training import _engines, _in_thread, _until

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]
SAME = {"method": "lora", "epochs": 2, "learning_rate": 1e-3, "precision": "fp32", "dropout": 0.0, "patience": 9}


def _spread(run, processes_=2):
    """The finished torchrun of a run's folder."""
    spec = json.loads((run / "spec.json").read_text())
    (run / "spec.json").write_text(json.dumps({**spec, "threads": 1}))
    line = processes.command("ml.engines.text_trainer", str(run), processes=processes_)
    return subprocess.run(line, cwd=settings.BASE_DIR, capture_output=True, text=True)


def _weights(run):
    return load_file(run / "checkpoint" / "weights.safetensors")


def _apart(one, two):
    assert one.keys() == two.keys()
    return max(float(np.abs(one[k] - two[k]).max()) for k in one)


def test_two_processes_take_the_steps_of_one_that_accumulates_two_batches(tmp_path):
    begun = _run(tmp_path / "begun", **{**SAME, "epochs": 1})
    _train(begun)
    whole, halves = (_run(tmp_path / name, **SAME, accumulate=n) for name, n in (("whole", 2), ("halves", 1)))
    for run in (whole, halves):  # both merge an earlier result first, which two processes must not do at once
        spec = json.loads((run / "spec.json").read_text())
        (run / "spec.json").write_text(json.dumps({**spec, "init_from": str(begun / "result")}))
    _train(whole)
    done = _spread(halves)
    assert done.returncode == 0, done.stderr[-2000:]
    assert _apart(_weights(whole), _weights(halves)) < 1e-4
    one, two = (_events(run) for run in (whole, halves))
    assert [e["event"] for e in two if e["event"] != "step"] == ["start", "epoch", "epoch", "done"], (
        "one log, one voice"
    )
    assert two[0]["total"] == one[0]["total"]
    last = [next(e["loss"] for e in reversed(events) if e["event"] == "step") for events in (one, two)]
    assert last[0] == pytest.approx(last[1], abs=1e-3), "the loss told is that of all rows, not of the leader's half"


def test_asked_to_stop_all_stop_at_one_step_and_the_checkpoint_is_whole(tmp_path):
    run = _run(tmp_path, **SAME)
    (run / "cancel").touch()
    done = _spread(run)
    assert done.returncode and (run / "checkpoint" / "complete").exists() and not (run / "result").exists()
    assert [e["event"] for e in _events(run)] == ["start", "cancelled"]
    (run / "cancel").unlink()
    again = _spread(run)
    assert again.returncode == 0, again.stderr[-2000:]
    assert _events(run)[-1]["event"] == "done" and any(e["event"] == "resumed" for e in _events(run))


def test_a_search_is_led_by_one_process(tmp_path):
    run = _run(tmp_path, method="lora", epochs=2, trials=2, objective="classes", learning_rate=1e-3)
    done = _spread(run)
    assert done.returncode == 0, done.stderr[-2000:]
    events = _events(run)
    assert [e["number"] for e in events if e["event"] == "trial"] == [0, 1]
    best = [e for e in events if e["event"] == "best"]
    assert len(best) == 1 and sum(e["event"] == "done" for e in events) == 1
    told = json.loads((run / "result" / "result.json").read_text())["config"]
    assert told["learning_rate"] == best[0]["settings"]["learning_rate"]


def test_private_training_stays_in_one_process(tmp_path):
    run = _run(tmp_path, method="lora", epochs=1, learning_rate=1e-3, batch_tokens=256, dp_noise=1.0)
    done = _spread(run)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [e["event"] for e in _events(run) if e["event"] in ("start", "done")] == ["start", "done"]
    assert _events(run)[-1]["metrics"]["epsilon"] > 0


@pytest.mark.django_db(transaction=True)
def test_a_run_of_two_processes_goes_on_when_one_of_them_is_killed(words, store, alice, monkeypatch):
    monkeypatch.setattr("ml.tasks.send", lambda job: None)
    monkeypatch.setattr(processes, "gpus", lambda: 2)  # as on a machine with two; here they share the processor
    real = replace(words, trainer="ml.engines.text_trainer", config="ml.configs.TextTrainConfig")
    monkeypatch.setitem(capabilities._known, "words", real)
    config = {"objective": "classes", "epochs": 4, "batch_tokens": 256, "max_tokens": 32, "checkpoint_seconds": 0.5,
              "patience": 4}  # fmt: skip
    run = training.start(capability_name="words", store=store, config=config, by=alice)
    worker = threading.Thread(target=_in_thread, args=(run.job_id,))
    worker.start()
    _until(lambda: TrainingRun.objects.get(pk=run.pk).step > 2, 240)
    ranks = [pid for pid in _engines(run) if "torch.distributed.run" not in psutil.Process(pid).cmdline()]
    assert len(ranks) == 2
    os.kill(ranks[-1], signal.SIGKILL)
    worker.join(400)
    connection.close()
    run.refresh_from_db()
    assert run.status == "done", run.error
    assert run.resumed >= 1 and run.step == run.total and run.metrics["test_acc"] > 0.9
