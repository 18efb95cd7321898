"""The web processes, as the Procfile starts them: all of them get work, from the first connection on."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import uvicorn
from django.conf import settings

from devstack.servers import free_port
from devstack.supervisor import procfile
from ecomai.serve import PATIENCE, Config

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux deals connections out")


def start(port: int, *, stderr: int = subprocess.DEVNULL, **variables: str) -> subprocess.Popen:
    env = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "HOST": "127.0.0.1", "PORT": str(port),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **variables,
    }  # fmt: skip
    return subprocess.Popen(
        ["sh", "-c", f"exec {procfile(settings.BASE_DIR / 'Procfile')['web']}"], cwd=settings.BASE_DIR, env=env,
        stderr=stderr, text=True,
    )  # fmt: skip


@contextmanager
def serving(port: int):
    process = start(port)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def answers(connection: socket.socket) -> bool:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection.recv(100).startswith(b"HTTP/1.1 200")


def wait_for(process: subprocess.Popen, port: int, listeners: int = 2, seconds: float = 60) -> None:
    """Until so many processes listen."""
    end = time.monotonic() + seconds
    while sum(_listens(child, port) for child in psutil.Process(process.pid).children()) < listeners:
        assert process.poll() is None and time.monotonic() < end, "not enough listen"
        time.sleep(0.05)


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(c.status == "LISTEN" and c.laddr.port == port for c in process.net_connections("tcp"))
    except psutil.Error:  # it ends
        return False


def shares(process: subprocess.Popen, port: int, connections: int = 64) -> Counter[int]:
    """How many of some connections, opened at once, each process of the server has."""
    with ExitStack() as kept:
        for connection in [kept.enter_context(connect(port)) for _ in range(connections)]:
            assert answers(connection)
        return Counter(
            child.pid
            for child in psutil.Process(process.pid).children()
            for open_one in child.net_connections("tcp")
            if open_one.status == "ESTABLISHED" and open_one.laddr.port == port
        )


def test_connections_opened_at_once_go_to_all_processes():
    with serving(port := free_port()) as process:
        wait_for(process, port)
        found = shares(process, port)
        # Dealt out by chance; fewer than a sixth for one comes up once in ten million starts.
        assert len(found) == 2 and min(found.values()) > 10 and found.total() == 64, found


def test_processes_begin_to_listen_together_and_one_started_anew_does_not_wait(monkeypatch):
    monkeypatch.setattr(uvicorn.Config, "load", lambda self: None)
    made = Config("ecomai.asgi:application", workers=2)
    first = threading.Thread(target=made.load)
    first.start()
    first.join(0.3)
    assert first.is_alive()
    made.load()
    first.join(10)
    assert not first.is_alive()
    started = time.monotonic()
    made.load()
    assert time.monotonic() - started < PATIENCE / 2


def test_a_process_that_dies_is_replaced_and_gets_connections_again():
    with serving(port := free_port()) as process:
        wait_for(process, port)
        dead = psutil.Process(min(shares(process, port)))
        dead.kill()
        dead.wait(30)
        wait_for(process, port)
        found = shares(process, port)
        assert len(found) == 2 and dead.pid not in found, found


def test_a_second_server_on_the_port_says_so_and_takes_no_requests():
    with serving(port := free_port()) as process:
        wait_for(process, port)
        _out, said = (second := start(port, stderr=subprocess.PIPE)).communicate(timeout=60)
        assert second.returncode == 1 and f"Can't listen on 127.0.0.1, port {port}: Address already in use" in said


@pytest.mark.parametrize("value", ["0", "two"])
def test_a_number_of_processes_that_cannot_be_is_told(value):
    _out, said = (process := start(free_port(), stderr=subprocess.PIPE, WEB_PROCESSES=value)).communicate(timeout=60)
    assert process.returncode == 1 and "WEB_PROCESSES" in said and "Traceback" not in said
