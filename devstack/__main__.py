"""python -m devstack up [--demo] | run [--ephemeral] -- COMMAND … | status | psql | env | css

up      servers, preparation and all processes of the Procfile, until Ctrl-C
run     the servers around one command (those of a running `up`, if there is one); --ephemeral: throw-away servers
status  what runs, and whether it is ready
psql    a shell on the database
env     DATABASE_URL and REDIS_URL of the servers, for other tools
css     build the stylesheet
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
from devstack.servers import Servers, die_with_parent, free_port
from devstack.supervisor import Supervisor, procfile

PYTHON = sys.executable


class Lock:
    """One stack per data folder; freed by the kernel however its holder ends."""

    def __init__(self) -> None:
        folder = paths.state()
        paths.own(folder)
        self.file = (folder / "devstack.lock").open("a+")

    def take(self) -> bool:
        """Whether it is ours now; False when another process holds it."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        self.write("")
        return True

    def write(self, note: str) -> None:
        """Leave word for others: the web port."""
        self.file.truncate(0)
        self.file.write(note)
        self.file.flush()

    def read(self) -> str:
        """What the holder left."""
        self.file.seek(0)
        return self.file.read()


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
        ready, detail = _ready(port)
        if ready:
            break
        if time.monotonic() - shown > 10:
            print(f"not ready yet ({time.monotonic() - started:.0f} s): {detail}", flush=True)
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
    try:
        port = int(os.environ.get("PORT") or "8000")
    except ValueError as error:
        raise StackError(f"PORT={os.environ['PORT']}: write a whole number") from error
    lock = Lock()
    if not lock.take():
        where = f" at http://localhost:{lock.read()}/" if lock.read() else ""
        raise StackError(f"EcomAI runs already from this folder{where}. Stop it first (Ctrl-C where it runs).")
    _check_port(port)
    lock.write(str(port))
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


def _around(command: list[str], env: dict[str, str]) -> int:
    """Run the command; Ctrl-C and SIGTERM end it first, and the servers after it."""
    process = subprocess.Popen(command, cwd=REPO, env=env, preexec_fn=die_with_parent(signal.SIGINT))
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        return 130


def run(ephemeral: bool, command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    servers = Servers(ephemeral)
    lock = None if ephemeral else Lock()
    if lock and not lock.take():
        return _around(command, environment(servers.join()))
    try:
        return _around(command, environment(servers.start()))
    except KeyboardInterrupt:
        return 130
    finally:
        servers.stop()


def status() -> int:
    """Print what runs; 0: ready, 3: not ready or not running."""
    lock = Lock()
    if lock.take():
        print("EcomAI does not run from this folder")
        return 3
    servers = Servers()
    for server in servers.all():
        try:
            servers.join()
            print(f"{server.name:>9}  127.0.0.1:{server.settings['port']}")
        except StackError as error:
            print(f"{server.name:>9}  {error}")
    port = lock.read()
    if not port:
        return 0
    ready, detail = _ready(int(port))
    print(f"      web  http://localhost:{port}/  {'ready' if ready else f'not ready: {detail}'}")
    return 0 if ready else 3


def _ready(port: int) -> tuple[bool, str]:
    """(whether /readyz says yes, else what it says)."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True, ""
    except urllib.error.HTTPError as error:
        try:
            checks = json.load(error).get("checks", {})
        except ValueError:
            return False, str(error)
        return False, ", ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")
    except OSError as error:
        return False, str(error)


def main(arguments: list[str]) -> int:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    own, rest = arguments[:at], arguments[at + 1 :]
    action = own[0] if own else "help"
    try:
        if action == "up":
            up("--demo" in own)
        elif action == "run" and rest:
            return run("--ephemeral" in own, rest)
        elif action == "css":
            build_css()
        elif action == "status":
            return status()
        elif action == "env":
            shown = "import os; [print(f'{n}={os.environ[n]}') for n in ('DATABASE_URL', 'REDIS_URL')]"
            return run(False, [PYTHON, "-c", shown])
        elif action == "psql":
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: it cancels a query
            return run(False, [PYTHON, "-m", "devstack.backup", "shell"])
        else:
            print(__doc__)
            return 2
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
