"""Keeps the Procfile's processes and the servers running, and ends them in the right order with the right signals."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from devstack import paths
from devstack.servers import Servers, StackError, command_of, die_with_parent

COLOURS = (36, 33, 35, 32, 34, 31)
PATIENCE = 25.0
LOG_LIMIT = 20_000_000


def procfile(path: Path) -> dict[str, str]:
    """Name → command of a Procfile."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.match(r"^([\w-]+):\s*(.+)$", line)
        if match:
            found[match[1]] = match[2]
    return found


class Child:
    """One process of the Procfile: prefixed output, a log file, restart with growing pauses."""

    def __init__(self, name: str, command: str, env: dict[str, str], colour: int, logs: Path):
        self.name, self.command, self.env, self.colour = name, command, env, colour
        self.log = logs / f"{name}.log"
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.process: subprocess.Popen | None = None
        self.started = 0.0
        self.fails = 0
        self.again_at = 0.0

    def start(self) -> None:
        # `exec`: signals reach the program, not a shell. When the supervisor is gone, the kernel tells each to end.
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {self.command}"], cwd=paths.REPO, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )  # fmt: skip
        self.started = time.monotonic()
        threading.Thread(target=self._copy, args=(self.process,), daemon=True).start()

    def _copy(self, process: subprocess.Popen) -> None:
        assert process.stdout
        with self.log.open("ab") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                text = line.decode(errors="replace").rstrip()
                sys.stdout.write(f"\x1b[{self.colour}m{self.name:>7} |\x1b[0m {text}\n" if sys.stdout.isatty()
                                 else f"{self.name:>7} | {text}\n")  # fmt: skip
                sys.stdout.flush()

    def tend(self) -> None:
        """Start it again when it died: at once the first time, then with pauses up to 15 s."""
        if self.process and self.process.poll() is None:
            if time.monotonic() - self.started > 60:
                self.fails = 0
            return
        now = time.monotonic()
        if self.process is not None:
            print(f"{self.name} ended with {self.process.returncode}; it is started again", flush=True)
            self.kill_group()  # what it had started holds its port and its queue
            self.process = None
            self.again_at = now + min(15.0, 0.5 * 2**self.fails)
            self.fails += 1
        if now >= self.again_at:
            self.start()

    def signal(self, sig: int) -> None:
        if self.process and self.process.poll() is None:
            try:
                os.kill(self.process.pid, sig)
            except ProcessLookupError:
                pass

    def kill_group(self) -> None:
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass


class Supervisor:
    """Runs everything until it is told to stop."""

    def __init__(self, servers: Servers, env: dict[str, str], commands: dict[str, str]):
        logs = paths.var() / "log"
        logs.mkdir(parents=True, exist_ok=True)
        self.servers = servers
        self.children = [
            Child(name, command, env, COLOURS[i % len(COLOURS)], logs)
            for i, (name, command) in enumerate(commands.items())
        ]
        self.stopping = threading.Event()
        self.pids = servers.state / "processes.json"

    def _note_pids(self) -> None:
        now = json.dumps([child.process.pid for child in self.children if child.process])
        if not self.pids.exists() or self.pids.read_text() != now:
            self.pids.write_text(now)

    def _end_former(self) -> None:
        """A worker whose supervisor was killed may still wait for its broker: its task is taken up again anyway."""
        for pid in json.loads(self.pids.read_text()) if self.pids.exists() else []:
            if "ecomai" in command_of(pid):
                try:
                    os.killpg(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass

    def run(self, after_start=lambda: None) -> None:
        """Start the processes, tend them until SIGINT or SIGTERM, then stop them all."""
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, lambda *_: self.stopping.set())
        self._end_former()
        try:
            for child in self.children:
                child.start()
            threading.Thread(target=after_start, daemon=True).start()
            servers_again_at = 0.0
            while not self.stopping.wait(0.5):
                try:
                    if time.monotonic() >= servers_again_at:
                        for name in self.servers.restart_dead():
                            print(f"{name} had died; it runs again", flush=True)
                except StackError as error:
                    print(error, flush=True)
                    servers_again_at = time.monotonic() + 2
                for child in self.children:
                    child.tend()
                self._note_pids()
        finally:
            self.stop()

    def stop(self) -> None:
        """SIGTERM to each main process alone (a pool child that got it would lose its task), patience, then force."""
        print("stopping …", flush=True)
        for child in self.children:
            child.signal(signal.SIGTERM)
        limit = time.monotonic() + PATIENCE
        for child in self.children:
            if child.process:
                try:
                    child.process.wait(max(0.1, limit - time.monotonic()))
                except subprocess.TimeoutExpired:
                    print(f"{child.name} does not stop; it is killed (its work goes on at the next start)", flush=True)
                child.kill_group()
