"""HTTP from the event loop to a WSGI application in threads."""

import asyncio
import contextvars
import io
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from a2wsgi.wsgi import Body, build_environ

Send = Callable[[dict], Awaitable[None]]
HELD_UP = 0.05  # seconds after which a quick answer waits for something
SMALL = 2**20  # bytes of a body that is waited for before a thread is taken


class InThreads:
    """A WSGI application as an ASGI one, for HTTP.

    An answer that is complete goes back to the event loop in one step; a thread that hands over head, body and end one by one
    (a2wsgi's own way) waits for the loop three times. A streamed answer goes piece by piece as it is made.

    The API has threads of its own, and few: its answers are short work, so that more of them only wait for each other, and no
    slow page or upload holds up a storefront. GETs of the paths `quick`, which all take as long, are answered one after the
    other: side by side they would hand Python's lock to and fro, and each would end as late as the last. Where one is held
    up, the next go past it.
    """

    def __init__(self, app: Callable, *, api: int = 4, pages: int = 12, quick: str = "(?!)"):
        self.app = app
        self.quick = re.compile(quick)
        self.one = ThreadPoolExecutor(1, thread_name_prefix="quick")
        self.began: float | None = None  # when the quick answer in the making was begun
        self.api = ThreadPoolExecutor(api, thread_name_prefix="API")
        self.pages = ThreadPoolExecutor(pages, thread_name_prefix="pages")

    async def __call__(self, scope, receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        body = Body(loop, receive)
        if length.isdigit() and int(length) <= SMALL:
            whole = await _whole(receive)
            if whole is None:
                return  # gone before it had said all
            body = io.BytesIO(whole)
        threads = self._threads(scope)
        answer = self._answer_quick if threads is self.one else self._answer
        context = contextvars.copy_context()  # what a request leaves there (its language) ends with it
        rest = await loop.run_in_executor(threads, context.run, answer, build_environ(scope, body), send, loop)
        for message in rest:
            await send(message)

    def _threads(self, scope) -> ThreadPoolExecutor:
        if not scope["path"].startswith("/api/v1/"):
            return self.pages
        began = self.began
        held_up = began is not None and time.monotonic() - began > HELD_UP
        return (
            self.one if scope["method"] == "GET" and self.quick.fullmatch(scope["path"]) and not held_up else self.api
        )

    def _answer_quick(self, *request) -> list[dict]:
        self.began = time.monotonic()
        try:
            return self._answer(*request)
        finally:
            self.began = None

    def _answer(self, environ: dict, send: Send, loop: asyncio.AbstractEventLoop) -> list[dict]:
        """What is left to send."""
        head: dict = {"type": "http.response.start"}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info=None) -> None:
            head["status"] = int(status[:3])
            head["headers"] = [
                (name.strip().lower().encode("latin1"), value.strip().encode("latin1")) for name, value in headers
            ]

        def send_now(message: dict) -> None:
            asyncio.run_coroutine_threadsafe(send(message), loop).result()

        answer = self.app(environ, start_response)
        try:
            if not getattr(answer, "streaming", True):
                return [head, {"type": "http.response.body", "body": b"".join(answer)}]
            send_now(head)
            for piece in answer:
                send_now({"type": "http.response.body", "body": piece, "more_body": True})
            return [{"type": "http.response.body", "body": b""}]
        finally:
            getattr(answer, "close", lambda: None)()


async def _whole(receive) -> bytes | None:
    """The body; None when the client went away."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
