"""python -m devstack up [--demo] | run [--ephemeral] -- COMMAND … | status | psql | env

up      servers, preparation and all processes of the Procfile, until Ctrl-C
run     the servers around one command; --ephemeral: throw-away servers
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from devstack import paths
from devstack.paths import REPO, StackError
from devstack.servers import Servers, free_port
from devstack.supervisor import Supervisor, procfile

PYTHON = sys.executable


class Lock:
    """One stack per data folder."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a+")

    def take(self) -> None:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StackError("EcomAI runs already from this folder. Stop it first (Ctrl-C where it runs).") from error


def environment(extra: dict[str, str]) -> dict[str, str]:
    """The variables of the app's processes."""
    binaries = os.path.dirname(PYTHON)
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **extra, "PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(REPO)}


def _manage(env: dict[str, str], *arguments: str) -> None:
    if subprocess.run([PYTHON, "manage.py", *arguments], cwd=REPO, env=env).returncode:
        raise StackError(f"`manage.py {' '.join(arguments)}` failed; its message stands above")


def build_css() -> None:
    """Build the stylesheet when a template or the source is newer than it."""
    target = REPO / "ecomai" / "static" / "build" / "app.css"
    sources = [
        REPO / "assets" / "app.css",
        *(REPO / "templates").rglob("*.html"),
        *(REPO / "ecomai/static/js").glob("*"),
    ]
    if target.exists() and target.stat().st_mtime >= max(s.stat().st_mtime for s in sources):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new.css")
    tool = os.path.join(os.path.dirname(PYTHON), "tailwindcss")
    done = subprocess.run(
        [tool, "-i", "assets/app.css", "-o", str(fresh), "--minify"], cwd=REPO, capture_output=True, text=True
    )
    if done.returncode:
        raise StackError(f"tailwindcss failed: {done.stderr[-1500:]}")
    fresh.rename(target)


def _check_port(port: int) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(f"Port {port} is in use. Take another one: PORT={free_port()} make demo") from error


def _announce(port: int, demo: bool, supervisor: Supervisor) -> None:
    started = time.monotonic()
    shown = 0.0
    while not supervisor.stopping.is_set():
        detail = ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=3):
                break
        except urllib.error.HTTPError as error:
            try:
                detail = json.dumps(json.load(error).get("checks", {}))
            except ValueError:
                detail = str(error)
        except OSError as error:
            detail = str(error)
        if time.monotonic() - shown > 10:
            print(f"waiting for /readyz ({time.monotonic() - started:.0f} s): {detail}", flush=True)
            shown = time.monotonic()
        time.sleep(0.5)
    else:
        return
    lines = [f"EcomAI is ready: http://localhost:{port}/"]
    login = paths.var() / "demo_login.json"
    if demo and login.exists():
        known = json.loads(login.read_text())
        lines += [f"  sign in as  {known['email']}", f"  password    {known['password']}"]
    lines.append("  stop with   Ctrl-C")
    print("\n" + "\n".join(lines) + "\n", flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def up(demo: bool) -> None:
    port = int(os.environ.get("PORT", "8000"))
    lock = Lock(paths.var() / "devstack.lock")
    lock.take()
    _check_port(port)
    servers = Servers()
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, _interrupt)
    try:
        env = environment({**servers.start(), "PORT": str(port), "LOG_FORMAT": os.environ.get("LOG_FORMAT", "console")})
        env.setdefault("STATICFILES_STORAGE", "django.contrib.staticfiles.storage.ManifestStaticFilesStorage")
        _manage(env, "migrate", "--verbosity=1" if not demo else "--verbosity=0")
        _manage(env, "prepare_models")
        build_css()
        _manage(env, "collectstatic", "--noinput", "--verbosity=0")
        if demo:
            _manage(env, "load_demo")
        supervisor = Supervisor(servers, env, procfile(REPO / "Procfile"))
        supervisor.run(after_start=lambda: _announce(port, demo, supervisor))
    except KeyboardInterrupt:
        print("stopped", flush=True)
    finally:
        servers.stop()


def run(ephemeral: bool, command: list[str]) -> int:
    servers = Servers(ephemeral)
    lock = Lock(servers.state / "run.lock")
    if not ephemeral:
        lock = Lock(paths.var() / "devstack.lock")
    lock.take()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        env = environment(servers.start())
        return subprocess.run(command, cwd=REPO, env=env).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        servers.stop()


def main(arguments: list[str]) -> int:
    own, _sep, rest = arguments, "", []
    if "--" in arguments:
        at = arguments.index("--")
        own, rest = arguments[:at], arguments[at + 1 :]
    action = own[0] if own else "help"
    try:
        if action == "up":
            up("--demo" in own)
        elif action == "run" and rest:
            return run("--ephemeral" in own, rest)
        elif action == "css":
            build_css()
        elif action == "env":
            return run(False, ["/usr/bin/env"])
        elif action == "psql":
            return run(False, ["/bin/sh", "-c", f'exec "{paths.postgres_bin()}/psql" "$DATABASE_URL"'])
        else:
            print(__doc__)
            return 2
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
