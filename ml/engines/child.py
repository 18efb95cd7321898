"""Run a module as a child that dies with its parent, holds its folder alone and lets everyone else have the processor
first. No Django here.

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
NICE = 10


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


def yield_processor() -> None:
    """Lower the priority: a person who waits for a text goes first.

    A session of its own is a group of its own to Linux where it groups by session (sched(7), "The autogroup feature"):
    the nice value then counts inside the group alone, and the group has one too.
    """
    nice = max(NICE, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    if os.getsid(0) != os.getpid():
        return  # the session is someone else's
    try:
        with open("/proc/self/autogroup", "w") as group:
            group.write(str(nice))
    except OSError:
        pass  # another system, or one that groups by container: compose.yaml says the share there


def main() -> None:
    parent, lock, module = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    die_with_parent(parent)
    yield_processor()
    if lock != "-":
        # Kept open to the end: a worker that lost its lease and the one that took it over never write one folder.
        held = open(lock, "a")
        fcntl.flock(held, fcntl.LOCK_EX)
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
