"""The embedded Postgres and Valkey: our own children, on ports and passwords of their own, safe against kill -9."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

import psycopg
import redis

from devstack import paths
from devstack.paths import StackError

USER = DATABASE = "ecomai"
EXTENSIONS = ("vector", "pg_trgm", "unaccent", "btree_gin")
START_LIMIT = 60.0


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _port_is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def command_of(pid: int) -> str:
    """The command line of a living process; empty when there is none."""
    if sys.platform.startswith("linux"):
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return subprocess.run(["/bin/ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True).stdout


def die_with_parent(sig: int):
    """For preexec_fn: the kernel sends `sig` when the supervisor is gone, however it went (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def apply() -> None:
        prctl(1, sig)  # PR_SET_PDEATHSIG

    return apply


class Server(ABC):
    """One embedded server: its folder, its child process, its settings kept in a 0600 file."""

    name = ""
    stop_signal = signal.SIGTERM

    def __init__(self, state: Path, ephemeral: bool = False):
        self.folder = state / self.name
        self.ephemeral = ephemeral
        self.process: subprocess.Popen | None = None
        self.settings: dict = {}

    def _settings_file(self) -> Path:
        return self.folder / "devstack.json"

    def read_settings(self) -> dict:
        """What is known of this server from earlier starts; empty before the first."""
        file = self._settings_file()
        self.settings = json.loads(file.read_text()) if file.exists() else {}
        return self.settings

    def _save_settings(self) -> None:
        fresh = self._settings_file().with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(self.settings))
        fresh.rename(self._settings_file())

    def load_settings(self, keep_port: bool = False) -> None:
        """Port and password of this server; made the first time.

        A port that another program took meanwhile is replaced, unless `keep_port`: then the app's processes know
        it, and a dying server frees it in a moment. Raises StackError when it doesn't.
        """
        paths.own(self.folder)
        known = self.read_settings()
        known.setdefault("password", secrets.token_urlsafe(24))
        if not self.ephemeral:
            self._end_former()
        limit = time.monotonic() + 15
        while keep_port and not _port_is_free(known["port"]):
            if time.monotonic() > limit:
                raise StackError(f"{self.name} can't start again: another program holds port {known['port']}")
            time.sleep(0.1)
        if not known.get("port") or not _port_is_free(known["port"]):
            known["port"] = free_port()
        self._save_settings()

    @abstractmethod
    def _mark(self) -> str:
        """What stands in the command line of this server and of no other."""

    def _end_former(self) -> None:
        """A server that a killed supervisor left may still be closing its files: two must not write to them."""
        pid = self.settings.get("pid")
        for sig, seconds in ((self.stop_signal, 30), (signal.SIGKILL, 10)):
            limit = time.monotonic() + seconds
            signalled = False
            while pid and self._mark() in command_of(pid):
                if time.monotonic() > limit:
                    break
                if not signalled:
                    os.kill(pid, sig)
                    signalled = True
                time.sleep(0.1)
            else:
                return
        raise StackError(f"{self.name}: process {pid} of an earlier run does not end")

    def _spawn(self, command: list[str], log: Path) -> None:
        who = paths.account()
        more: dict = {"user": who.uid, "group": who.gid, "extra_groups": []} if who else {}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=die_with_parent(self.stop_signal), **more,
            )  # fmt: skip
        self.settings["pid"] = self.process.pid
        self._save_settings()

    @abstractmethod
    def start(self, keep_port: bool = False) -> None:
        """Start and wait until it answers. Raises StackError."""

    @abstractmethod
    def ping(self) -> None:
        """Raises the driver's error when the server doesn't answer."""

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop cleanly; after 30 s by force."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None

    def _wait(self, ready, log: Path) -> None:
        limit = time.monotonic() + START_LIMIT
        problem: Exception | None = None
        while time.monotonic() < limit:
            if not self.alive():
                break
            try:
                ready()
                return
            except (psycopg.OperationalError, redis.ConnectionError, redis.exceptions.BusyLoadingError) as error:
                problem = error
                time.sleep(0.05)
        tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
        self.stop()
        raise StackError(f"{self.name} did not start: {problem or 'the process ended'}\n{tail}")


class Postgres(Server):
    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown; SIGTERM would wait for every client

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _mark(self) -> str:
        return f"-D {self.data} "

    def ping(self) -> None:
        psycopg.connect(self.url("postgres"), connect_timeout=3).close()

    def url(self, database: str = DATABASE) -> str:
        return f"postgres://{USER}:{self.settings['password']}@127.0.0.1:{self.settings['port']}/{database}"

    def _run(self, command: list[str]) -> None:
        who = paths.account()
        more: dict = {"user": who.uid, "group": who.gid, "extra_groups": []} if who else {}
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, **more)
        if done.returncode:
            raise StackError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1500:]}")

    def _init(self, binaries: Path) -> None:
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password = self.folder / "password.tmp"
        password.touch(mode=0o600)
        password.write_text(self.settings["password"])
        who = paths.account()
        if who:
            os.chown(password, who.uid, who.gid)
        try:
            self._run(
                [str(binaries / "initdb"), "-D", str(fresh), "-U", USER, "--auth=scram-sha-256",
                 f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
                 "--builtin-locale=C.UTF-8", *(["--no-sync"] if self.ephemeral else [])]
            )  # fmt: skip
        finally:
            password.unlink(missing_ok=True)
        fresh.rename(self.data)

    def start(self, keep_port: bool = False) -> None:
        """Start on the kept port (or a new one), create database and extensions. Raises StackError."""
        binaries = paths.postgres_bin()
        self.load_settings(keep_port)
        if not self.data.exists():
            self._init(binaries)
        major = (self.data / "PG_VERSION").read_text().strip()
        ours = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True).stdout
        if f" {major}." not in ours and not ours.strip().endswith(f" {major}"):
            raise StackError(
                f"The data folder was made by Postgres {major}, the binaries are {ours.strip()}: "
                f"take a dump with the old version (make backup), then restore it (make restore)"
            )
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "recovery_init_sync_method": "syncfs" if sys.platform.startswith("linux") else "fsync",
            "shared_buffers": "256MB",
            "max_connections": "200",
            "max_wal_size": "2GB",
            "maintenance_work_mem": "256MB",
        }
        if self.ephemeral:
            options |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        command = [str(binaries / "postgres"), "-D", str(self.data), "-p", str(self.settings["port"])]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        log = self.folder / "postgres.log"
        self._spawn(command, log)
        self._wait(self.ping, log)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for extension in EXTENSIONS:
                connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")


class Valkey(Server):
    name = "valkey"

    def _mark(self) -> str:
        return f"127.0.0.1:{self.settings.get('port')}"

    def ping(self) -> None:
        redis.Redis.from_url(self.url(), socket_timeout=3).ping()

    def url(self) -> str:
        return f"redis://:{self.settings['password']}@127.0.0.1:{self.settings['port']}"

    def start(self, keep_port: bool = False) -> None:
        """Start with an append-only file, so that queued tasks outlive a kill. Raises StackError."""
        self.load_settings(keep_port)
        lines = [
            "bind 127.0.0.1",
            f"port {self.settings['port']}",
            f'dir "{self.folder}"',
            f"requirepass {self.settings['password']}",
            "maxmemory 256mb",
            "maxmemory-policy noeviction",
            *(["appendonly no", 'save ""'] if self.ephemeral else
              ["appendonly yes", "appendfsync everysec", "save 300 100"]),
        ]  # fmt: skip
        config = self.folder / "valkey.conf"
        config.touch(mode=0o600)
        config.write_text("\n".join(lines) + "\n")
        who = paths.account()
        if who:
            os.chown(config, who.uid, who.gid)
        log = self.folder / "valkey.log"
        self._spawn([str(paths.valkey_server()), str(config)], log)
        self._wait(self.ping, log)


class Servers:
    """Both servers, or those that the environment doesn't already name."""

    def __init__(self, ephemeral: bool = False):
        self.state = paths.ephemeral_state() if ephemeral else paths.state()
        self.ephemeral = ephemeral
        self.postgres = None if os.environ.get("DATABASE_URL") else Postgres(self.state, ephemeral)
        self.valkey = None if os.environ.get("REDIS_URL") else Valkey(self.state, ephemeral)

    def all(self) -> list[Server]:
        return [server for server in (self.postgres, self.valkey) if server]

    def start(self) -> dict[str, str]:
        """Start them; the variables that the app needs to find them."""
        paths.own(self.state)
        for server in self.all():
            server.start()
        return self._env()

    def _env(self) -> dict[str, str]:
        env = {}
        if self.postgres:
            env["DATABASE_URL"] = self.postgres.url()
        if self.valkey:
            env["REDIS_URL"] = self.valkey.url()
        return env

    def join(self) -> dict[str, str]:
        """The same variables of servers that another process of ours runs. Raises StackError when they don't answer."""
        for server in self.all():
            try:
                server.read_settings()
                server.ping()
            except (KeyError, psycopg.Error, redis.RedisError) as error:
                raise StackError(f"{server.name} does not answer (yet): {type(error).__name__}") from error
        return self._env()

    def restart_dead(self) -> list[str]:
        """Start again what died, on its old port: the app's processes find it where it was."""
        names = []
        for server in self.all():
            if not server.alive():
                server.start(keep_port=True)
                names.append(server.name)
        return names

    def stop(self) -> None:
        for server in self.all()[::-1]:
            server.stop()
        if self.ephemeral:
            shutil.rmtree(self.state, ignore_errors=True)
