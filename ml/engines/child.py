"""Run a module as a child that dies with its parent and holds its folder alone. No Django here.

`python -m ml.engines.child PARENT_PID LOCK_FILE MODULE ARGUMENT…`; a parent 0 is not checked, a lock "-" not taken.
"""

import ctypes
import fcntl
import os
import runpy
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """On Linux the kernel kills us; elsewhere a thread looks once a second."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    elif parent:

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(1)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
    if parent and os.getppid() != parent:
        os._exit(1)


def main() -> None:
    parent, lock, module = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    die_with_parent(parent)
    if lock != "-":
        # Kept open to the end: a worker that lost its lease and the one that took it over never write one folder.
        held = open(lock, "a")
        fcntl.flock(held, fcntl.LOCK_EX)
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
