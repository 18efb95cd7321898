"""Processes that share a models folder take turns at making what is missing."""

import os
import subprocess
import sys
import threading

from ml import sources

HOLD = """
import sys, time, django
django.setup()
from ml import sources
with sources.one_at_a_time(), sources.one_at_a_time():  # a thread that holds it doesn't wait for itself
    print("held", flush=True)
    sys.stdin.readline()
"""


def _start(folder) -> subprocess.Popen:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "MODELS_DIR": str(folder)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", HOLD], env=env, stdin=pipe, stdout=pipe, text=True)


def test_a_second_process_waits_and_a_killed_one_lets_go(tmp_path, settings):
    settings.MODELS_DIR = tmp_path / "models"
    with _start(settings.MODELS_DIR) as first:
        assert first.stdout.readline() == "held\n"
        entered = threading.Event()

        def second() -> None:
            with sources.one_at_a_time():
                entered.set()

        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.5), "both made it at once"
        first.kill()
        first.wait()
        assert entered.wait(30)
        waiting.join()
