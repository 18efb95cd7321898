"""Work on the database that DATABASE_URL names: `python -m devstack.backup dump|load FILE`, `… shell`."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from devstack import paths


def _connection() -> tuple[str, dict[str, str]]:
    """The URL without its password, and an environment that holds it: command lines are public."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    bare = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@"))
    return bare.geturl(), {**os.environ, "PGPASSWORD": unquote(parts.password or "")}


def main(action: str = "", file: str = "") -> int:
    binaries = paths.postgres_bin()
    url, env = _connection()
    if action == "shell":
        return subprocess.run([binaries / "psql", url], env=env).returncode
    if action == "dump" and file:
        fresh = Path(file + ".new")
        code = subprocess.run([binaries / "pg_dump", "-Fc", "-f", fresh, url], env=env).returncode
        if code == 0:
            fresh.replace(file)
            print(f"{file}: {Path(file).stat().st_size / 1e6:.1f} MB")
        return code
    if action == "load" and file:
        # All or nothing: a dump that breaks off leaves the database as it was.
        command = [str(binaries / "pg_restore"), "--clean", "--if-exists", "--no-owner", "--single-transaction"]
        return subprocess.run([*command, "-d", url, file], env=env).returncode
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
