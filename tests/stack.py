"""The real thing for browser and flow tests: uvicorn and Celery workers as processes on the test database."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from devstack.servers import free_port

ROOT = Path(__file__).resolve().parent.parent


class Stack:
    """Web and workers; each can be killed and started again."""

    COMMANDS = {
        "web": "-m uvicorn ecomai.asgi:application --host 127.0.0.1 --port {port} --ws websockets-sansio --lifespan off --log-level warning",
        "default": "-m celery -A ecomai worker -n default@%h -Q default -P threads -c 1 --without-gossip --without-mingle -l error",
        "live": "-m celery -A ecomai worker -n live@%h -Q live -P threads -c 1 --without-gossip --without-mingle -l error",
        "ml": "-m celery -A ecomai worker -n ml@%h -Q ml -P threads -c 1 --without-gossip --without-mingle -l error",
        "train": "-m celery -A ecomai worker -n train@%h -Q train -P threads -c 1 --without-gossip --without-mingle -l error",
    }

    def __init__(self, database_url: str, redis_url: str, extra: dict[str, str] | None = None):
        self.port = free_port()
        self.env = {
            **os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url, "REDIS_URL": redis_url,
            "PYTHONPATH": str(ROOT), "LOG_FORMAT": "console", "LOG_LEVEL": "WARNING", **(extra or {}),
        }  # fmt: skip
        self.processes: dict[str, subprocess.Popen] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        for name in names:
            command = [sys.executable, *self.COMMANDS[name].format(port=self.port).split()]
            self.processes[name] = subprocess.Popen(command, cwd=ROOT, env=self.env, start_new_session=True)
        if "web" in names:
            self.wait_for_web()

    def wait_for_web(self, seconds: float = 40) -> None:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=2)
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        raise TimeoutError("the web process did not answer")

    def kill(self, name: str) -> None:
        """kill -9 of the process and all that it forked."""
        process = self.processes.pop(name)
        os.killpg(process.pid, 9)
        process.wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
