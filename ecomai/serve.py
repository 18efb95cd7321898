"""`python -m ecomai.serve`: the web server, uvicorn with some processes that each accept connections of their own.

uvicorn gives all its processes one listening socket. Whichever wakes first takes every connection that waits there: of
sixteen that a proxy opens at once and keeps, all may end at one process while the other has nothing to do. With
SO_REUSEPORT the kernel deals connections out by their addresses. Other kernels than Linux's would give them all to one
process, so there uvicorn's own way stays.

HOST, PORT and WEB_PROCESSES are read from the environment.
"""

import multiprocessing
import socket
import sys
import time

import uvicorn
import uvloop
from django.core.exceptions import ImproperlyConfigured
from uvicorn.supervisors import Multiprocess

from ecomai.lib import env

PATIENCE = 20.0  # seconds that a process which has loaded waits for the others


class Loop(uvloop.Loop):
    """An event loop whose servers share their port with those of other processes."""

    async def create_server(self, *args, **options):
        return await super().create_server(*args, reuse_port=True, **options)


class Config(uvicorn.Config):
    """Processes that begin to listen together: the first alone would get all connections that are opened meanwhile, and
    keep them. One that is started anew finds that enough have loaded before it, and does not wait.

    A semaphore that is only ever raised: there is no lock that a process could take with it when it is killed.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.loads = multiprocessing.get_context("spawn").Semaphore(0)

    def load(self) -> None:
        super().load()
        self.loads.release()
        end = time.monotonic() + PATIENCE
        while self.loads.get_value() < self.workers and time.monotonic() < end:
            time.sleep(0.002)


def config(kind: type[uvicorn.Config], loop: str) -> uvicorn.Config:
    """How the web processes run. Raises ImproperlyConfigured on a value that can't be."""
    processes = env.number("WEB_PROCESSES", 2)
    if processes < 1:
        raise ImproperlyConfigured(f"WEB_PROCESSES={processes}: one at least")
    return kind(
        "ecomai.asgi:application",
        host=env.text("HOST", "127.0.0.1"),
        port=env.number("PORT", 8000),
        workers=processes,
        loop=loop,
        ws="websockets-sansio",
        lifespan="off",
        access_log=False,
        # Longer than proxies keep theirs (nginx: 60 s): one that sends into a connection just closed gets an error.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )


def check_free(host: str, port: int) -> None:
    """Raises OSError when someone listens there: two servers that both share their port would share the requests, too."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def main() -> None:
    try:
        if sys.platform == "linux":
            made, sockets = config(Config, "ecomai.serve:Loop"), None  # each process opens its own, as one alone would
            check_free(made.host, made.port)
        else:
            made = config(uvicorn.Config, "auto")
            sockets = [made.bind_socket()]
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Can't listen on {made.host}, port {made.port}: {error.strerror}.")
    Multiprocess(made, sockets).run()  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
