"""The real engines behind the same room: the encoder's trainer, and the adapter of the generator with its comparison."""

import os
import signal
import threading
from dataclasses import replace

import pytest
from django.db import connection

from ml import capabilities, training
from ml.models import TrainingRun
from tests.ml.test_training import _engines, _in_thread, _until

pytestmark = pytest.mark.training


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("ml.tasks.send", lambda job: None)


@pytest.mark.django_db(transaction=True)
def test_the_encoders_trainer_is_followed_killed_and_resumed(words, store, alice, monkeypatch):
    real = replace(words, trainer="ml.engines.text_trainer", config="ml.configs.TextTrainConfig")
    monkeypatch.setitem(capabilities._known, "words", real)
    config = {
        "objective": "classes",
        "epochs": 4,
        "batch_tokens": 256,
        "max_tokens": 32,
        "checkpoint_seconds": 0.5,
        "patience": 4,
    }
    run = training.start(capability_name="words", store=store, config=config, by=alice)
    worker = threading.Thread(target=_in_thread, args=(run.job_id,))
    worker.start()
    _until(lambda: TrainingRun.objects.get(pk=run.pk).step > 2, 120)
    os.kill(_engines(run)[0], signal.SIGKILL)
    worker.join(240)
    connection.close()
    run.refresh_from_db()
    assert run.status == "done", run.error
    assert run.resumed >= 1 and run.step == run.total and run.metrics["test_acc"] > 0.9
    assert run.usage["memory_mb"] > 0 and len(run.epochs) >= 4 and run.curve
    assert (training.trained_folder(run.version) / "weights.safetensors").exists()
