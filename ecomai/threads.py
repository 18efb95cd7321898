"""HTTP from the event loop to a WSGI application in threads."""

import asyncio
import contextvars
import io
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from a2wsgi.wsgi import Body, build_environ

Send = Callable[[dict], Awaitable[None]]
SMALL = 2**20  # bytes of a body that is waited for before a thread is taken


class InThreads:
    """A WSGI application as an ASGI one, for HTTP.

    An answer that is complete goes back to the event loop in one step; a thread that hands over head, body and end one by one
    (a2wsgi's own way) waits for the loop three times. A streamed answer goes piece by piece as it is made.

    The API has threads of its own, and few: its answers are short work, so that more of them only wait for each other, and no
    slow page or upload holds up a storefront.
    """

    def __init__(self, app: Callable, *, api: int = 4, pages: int = 12):
        self.app = app
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
        threads = self.api if scope["path"].startswith("/api/v1/") else self.pages
        context = contextvars.copy_context()  # what a request leaves there (its language) ends with it
        rest = await loop.run_in_executor(threads, context.run, self._answer, build_environ(scope, body), send, loop)
        for message in rest:
            await send(message)

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
