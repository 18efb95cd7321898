"""Dump and restore the database that DATABASE_URL names: `python -m devstack.backup dump|load FILE`."""

import os
import subprocess
import sys

from devstack import paths


def main(action: str, file: str) -> int:
    binaries, url = paths.postgres_bin(), os.environ["DATABASE_URL"]
    if action == "dump":
        return subprocess.run([str(binaries / "pg_dump"), "-Fc", "-f", file, url]).returncode
    if action == "load":
        command = [str(binaries / "pg_restore"), "--clean", "--if-exists", "--no-owner", "-d", url, file]
        return subprocess.run(command).returncode
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
