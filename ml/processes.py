"""Run engines as processes of their own: torch never comes into this one, and they die with it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

# What an engine has no need to know.
PRIVATE = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "REVIEW_KEYS", "GENERATOR_API_KEY", "EMAIL_HOST_PASSWORD")


class EngineFailed(Exception):
    """An engine ended badly; the text is the end of what it said."""


def gpus() -> int:
    """CUDA devices of this machine."""
    if settings.INFERENCE_DEVICE == "cpu":
        return 0
    import ctranslate2

    return ctranslate2.get_cuda_device_count()


def command(module: str, *arguments: str, lock: Path | None = None, processes: int = 1) -> list[str]:
    """The command line: python, or torchrun with a process a GPU."""
    child = ["-m", "ml.engines.child"]
    own = [sys.executable, *child, str(os.getpid()), str(lock or "-")]
    if processes < 2:
        return [*own, module, *arguments]
    spread = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*own, *spread, *child, "0", "-", module, *arguments]


def start(line: list[str], output: Path) -> subprocess.Popen:
    """Start a command in a session of its own; what it prints is added to `output`."""
    env = {k: v for k, v in os.environ.items() if k not in PRIVATE}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(settings.BASE_DIR), env.get("PYTHONPATH", "")]))
    with output.open("ab") as out:
        return subprocess.Popen(
            line, cwd=settings.BASE_DIR, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip


def end(process: subprocess.Popen) -> None:
    """Kill the process and all that it started; free when it has ended."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def call(dotted: str, *arguments: Path, check: Callable[[], None] = lambda: None) -> Any:
    """The answer of a function of the engines, called in a process of its own. Raises EngineFailed and whatever `check`
    raises, which is called twice a second."""
    with tempfile.TemporaryDirectory() as folder:
        answer, output = Path(folder) / "answer.json", Path(folder) / "output.txt"
        process = start(command("ml.engines.call", dotted, str(answer), *map(str, arguments)), output)
        try:
            while True:
                try:
                    process.wait(0.5)
                    break
                except subprocess.TimeoutExpired:
                    check()
        finally:
            end(process)
        if process.returncode or not answer.exists():
            raise EngineFailed(last_words(output) or f"{dotted} ended with {process.returncode}")
        return json.loads(answer.read_text(encoding="utf-8"))


def last_words(output: Path, size: int = 2000) -> str:
    """The end of what a process printed."""
    if not output.exists():
        return ""
    return output.read_bytes()[-size:].decode("utf-8", "replace").strip()
