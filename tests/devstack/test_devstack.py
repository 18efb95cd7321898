"""The embedded servers for real: start, kill -9, restart on the same port, data kept, clean stop, no leftovers."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from devstack import paths
from devstack.servers import Postgres, Servers, Valkey
from devstack.supervisor import Child, procfile
from ecomai import heartbeat

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def servers(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    running = Servers(ephemeral=True)
    for server in running.all():
        server.ephemeral = False  # a throw-away folder, but written as safely as a real one
    running.start()
    yield running
    running.stop()
    assert not running.state.exists()


def test_a_killed_server_comes_back_on_its_port_with_its_data(servers):
    import redis

    url = servers.postgres.url()
    with psycopg.connect(url) as connection:
        names = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
        assert {"vector", "pg_trgm", "unaccent", "btree_gin"} <= names
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(servers.postgres.process.pid, signal.SIGKILL)
    servers.postgres.process.wait()
    os.kill(servers.valkey.process.pid, signal.SIGKILL)
    servers.valkey.process.wait()
    time.sleep(0.5)
    assert sorted(servers.restart_dead()) == ["postgres", "valkey"]
    assert servers.postgres.url() == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert redis.Redis.from_url(servers.valkey.url()).ping()


def test_root_gives_the_servers_to_another_account_and_secrets_to_nobody_else(servers):
    owner = Path(f"/proc/{servers.postgres.process.pid}").stat().st_uid
    assert owner != 0
    settings = servers.postgres.folder / "devstack.json"
    assert settings.stat().st_mode & 0o077 == 0
    command = Path(f"/proc/{servers.valkey.process.pid}/cmdline").read_bytes().decode()
    assert servers.valkey.settings["password"] not in command


def test_a_server_dies_with_its_supervisor(monkeypatch):
    script = (
        "import time; from devstack.servers import Servers; s = Servers(ephemeral=True); s.start();"
        "print(s.postgres.process.pid, s.state, flush=True); time.sleep(60)"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    pid, state = process.stdout.readline().split()
    process.kill()
    process.wait()
    limit = time.monotonic() + 15
    while time.monotonic() < limit and Path(f"/proc/{pid}").exists():
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
    subprocess.run(["rm", "-rf", state], check=True)


def test_a_second_start_waits_for_a_server_that_a_killed_supervisor_left(servers):
    url, left = servers.postgres.url(), servers.postgres.process
    again = Servers(ephemeral=True)
    shutil.rmtree(again.state)
    again.postgres.folder, again.valkey = servers.postgres.folder, None
    again.postgres.ephemeral = False
    again.postgres.start()
    assert left.wait(0) is not None, "two postmasters on one data folder"
    assert again.postgres.url() == url
    again.postgres.stop()


def test_commands_join_a_running_stack_and_a_second_one_is_refused(tmp_path):
    env = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    env["ECOMAI_VAR_DIR"] = str(tmp_path)
    devstack = [sys.executable, "-m", "devstack"]
    wait = [*devstack, "run", "--", sys.executable, "-c", "print('up', flush=True); input()"]
    first = subprocess.Popen(wait, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "up\n"
        shown = subprocess.run([*devstack, "env"], cwd=ROOT, env=env, capture_output=True, text=True)
        with psycopg.connect(re.search("DATABASE_URL=(.+)", shown.stdout)[1]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        refused = subprocess.run([*devstack, "up"], cwd=ROOT, env=env, capture_output=True, text=True)
        assert refused.returncode == 1 and "runs already" in refused.stderr
        status = subprocess.run([*devstack, "status"], cwd=ROOT, env=env, capture_output=True, text=True)
        assert status.returncode == 0 and "postgres  127.0.0.1:" in status.stdout
    finally:
        first.communicate("\n", timeout=60)
        state = subprocess.run(
            [sys.executable, "-c", "from devstack import paths; print(paths.state())"],
            cwd=ROOT, env=env, capture_output=True, text=True,
        )  # fmt: skip
        shutil.rmtree(state.stdout.strip(), ignore_errors=True)
    assert first.returncode == 0


def test_what_a_dead_process_had_started_ends_before_it_is_started_again(tmp_path):
    noted = tmp_path / "pid"
    child = Child("web", f"sh -c 'sleep 300 & echo $! > {noted}; exit 1'", dict(os.environ), 36, tmp_path)
    child.start()
    assert child.process.wait(10) == 1
    left = psutil.Process(int(noted.read_text()))
    assert left.is_running()
    child.tend()
    left.wait(10)
    child.kill_group()


def test_given_urls_start_nothing(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://x@y/z")
    monkeypatch.setenv("REDIS_URL", "redis://y")
    assert Servers().all() == []


def test_a_taken_port_and_wrong_binaries_are_clear_errors(monkeypatch, tmp_path):
    import socket

    from devstack.__main__ import _check_port

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with pytest.raises(paths.StackError, match="PORT="):
            _check_port(sock.getsockname()[1])
    monkeypatch.setenv("ECOMAI_PG_BIN", str(tmp_path))
    with pytest.raises(paths.StackError, match="no `postgres`"):
        paths.postgres_bin()


def test_a_data_folder_of_another_major_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "account", lambda: None)
    server = Postgres(tmp_path)
    (server.folder / "data").mkdir(parents=True)
    (server.folder / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(paths.StackError, match="make backup"):
        server.start()
    assert Valkey.stop_signal == signal.SIGTERM


def test_every_process_of_the_procfile_has_a_queue_or_a_port():
    commands = procfile(ROOT / "Procfile")
    assert list(commands) == ["web", "worker", "live", "ml", "train", "beat"]
    assert all(f"-Q {queue} " in " ".join(commands.values()) for queue in heartbeat.QUEUES)
    compose = (ROOT / "compose.yaml").read_text()
    assert all(f"-Q {queue} " in compose for queue in heartbeat.QUEUES)


def test_the_example_file_names_exactly_the_variables_that_are_read():
    read = set()
    for file in (ROOT / "ecomai" / "settings.py", ROOT / "ecomai" / "serve.py"):
        read |= set(re.findall(r'env\.(?:text|flag|number|listing)\("([A-Z_]+)"', file.read_text()))
    for file in (ROOT / "devstack").glob("*.py"):
        read |= set(re.findall(r'environ(?:\.get\(|\[)"((?:ECOMAI_|PORT)[A-Z_]*)"', file.read_text()))
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read - named == set()
    assert named - read == set()
