"""What a request of the API costs is kept low: keys and plans that are kept, threads, fewer layers. What must hold all the same."""

import asyncio
import threading
import time
from types import SimpleNamespace

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from ecomai import api_counts, api_keys, threads
from ecomai.models import ApiKey
from ecomai.postgres import base
from ecomai.threads import HELD_UP, InThreads
from tests.factories import make_product

URL = "/api/v1/products/"


@pytest.fixture
def clock(monkeypatch):
    """Seconds that api_keys believes in."""
    now = SimpleNamespace(at=1000.0)
    monkeypatch.setattr(api_keys, "time", SimpleNamespace(monotonic=lambda: now.at))
    api_keys.forget()
    yield now
    api_keys.forget()


def make_key(store) -> tuple[ApiKey, Client]:
    key, secret = api_keys.create(store=store, kind=ApiKey.Kind.SECRET, name="k")
    return key, Client(headers={"authorization": f"Bearer {secret}"})


@pytest.mark.django_db
def test_a_key_revoked_in_another_process_stops_within_the_kept_seconds(store, clock):
    key, client = make_key(store)
    assert client.get(URL).status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    clock.at += api_keys.KEEP - 0.1
    assert client.get(URL).status_code == 200
    clock.at += 0.2
    assert client.get(URL).status_code == 401


@pytest.mark.django_db
def test_a_key_revoked_here_stops_at_once(store, clock):
    key, client = make_key(store)
    assert client.get(URL).status_code == 200
    api_keys.revoke(key)
    assert client.get(URL).status_code == 401


@pytest.mark.django_db
def test_kept_keys_are_not_looked_up_and_lead_to_their_own_store(store, other_store, clock, django_assert_num_queries):
    make_product(store, "Ours")
    make_product(other_store, "Theirs")
    titles = lambda client: [item["title"] for item in client.get(URL).json()["items"]]
    (one, ours), (_two, theirs) = make_key(store), make_key(other_store)
    for _turn in range(2):
        assert (titles(ours), titles(theirs)) == (["Ours"], ["Theirs"])
    secret = ours.defaults["HTTP_AUTHORIZATION"].split()[1]
    with django_assert_num_queries(0):
        assert api_keys.find(secret).store == store
    assert ApiKey.objects.get(pk=one.pk).last_used_at is not None
    type(store).objects.filter(pk=store.pk).update(currency="SEK")
    clock.at += api_keys.KEEP + 0.1
    assert api_keys.find(secret).store.currency == "SEK"


@pytest.mark.django_db
def test_a_process_keeps_only_so_many_keys_and_none_that_nobody_has(store, clock, monkeypatch):
    monkeypatch.setattr(api_keys, "MOST", 3)
    for _ in range(5):
        _key, client = make_key(store)
        client.get(URL)
        assert Client(headers={"authorization": "Bearer sk_nobody"}).get(URL).status_code == 401
        assert len(api_keys._kept) <= 3 and api_keys.digest("sk_nobody") not in api_keys._kept


@pytest.mark.django_db
def test_answers_of_the_api_carry_the_headers_of_security_and_no_cookie(store):
    _key, client = make_key(store)
    for path, status in ((URL, 200), (f"{URL}nothing/", 404), ("/api/v1/nothing/", 404)):
        answer = client.get(path)
        assert answer.status_code == status and not answer.cookies
        assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("DENY", "nosniff")
        assert answer["Referrer-Policy"] == "same-origin"
    page = Client().get("/sign-in/")
    assert "script-src 'self'" in page["Content-Security-Policy"] and "csrftoken" in page.cookies


@pytest.mark.django_db
def test_only_json_is_spoken(store):
    _key, client = make_key(store)
    for accept in ("*/*", "application/json", "text/html, */*;q=0.1", "application/json; indent=2"):
        answer = client.get(URL, headers={"accept": accept})
        assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (200, "application/json")
    assert client.get(URL, headers={"accept": "text/html"}).status_code == 406
    assert client.get(URL, {"format": "xml"}).status_code == 404


@pytest.mark.django_db
def test_errors_come_in_the_callers_language(store):
    _key, client = make_key(store)
    english, chinese = (
        client.get(URL, {"limit": "0"}, headers={"accept-language": code}).json()["errors"][0]["detail"]
        for code in ("en", "zh-hans")
    )
    assert english != chinese


def test_a_counter_starts_at_one_and_ends_by_itself():
    name = f"{cache.key_prefix}:throttle-test"
    redis = api_counts._count().registered_client
    redis.delete(name)
    assert [api_counts._count()(keys=[name, name], args=[30, 30]) for _ in range(2)] == [[1, 2], [3, 4]]
    assert 0 < redis.ttl(name) <= 30
    redis.delete(name)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_ended_is_made_anew():
    connection.ensure_connection()
    assert connection.is_usable()
    details = connection.get_connection_params()
    details = {name: details[name] for name in ("dbname", "user", "password", "host", "port") if name in details}
    with psycopg.connect(**details) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
    assert not connection.is_usable()
    connection.health_check_enabled, connection.health_check_done = True, False
    assert connection.rows("SELECT %s::int", [3]) == [(3,)]


@pytest.mark.django_db
def test_a_statement_is_prepared_once_for_a_connection():
    sql = "SELECT 'prepared here' || %(a)s::text"
    assert [connection.rows(sql, {"a": str(n)}) for n in range(4)] == [[(f"prepared here{n}",)] for n in range(4)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT ''prepared here''%%'")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db
def test_a_plan_made_for_an_empty_table_is_made_anew_when_rows_have_come(monkeypatch):
    now = SimpleNamespace(at=1000.0)
    monkeypatch.setattr(base, "time", SimpleNamespace(monotonic=lambda: now.at))
    monkeypatch.setattr(connection.connection, "plans_until", 0.0, raising=False)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE seen (id bigint PRIMARY KEY, text text)")
        cursor.execute("ANALYZE seen")

        def plan() -> str:
            for _ in range(6):  # a statement is prepared when it comes often
                assert connection.rows("SELECT text FROM seen WHERE id = %(id)s::bigint", {"id": 2**40}) == []
            cursor.execute("SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT text FROM seen%%'")
            cursor.execute(f"EXPLAIN EXECUTE {cursor.fetchone()[0]} (1)")
            return cursor.fetchone()[0]

        assert plan().startswith("Seq Scan")
        cursor.execute("INSERT INTO seen SELECT n, repeat('x', 100) FROM generate_series(1, 5000) n")
        now.at += base.PLANS_KEPT - 0.1
        assert plan().startswith("Seq Scan")
        now.at += 0.2
        assert plan().startswith("Index Scan")


# --- Threads


class Answer:
    def __init__(self, pieces, streaming: bool):
        self.pieces, self.streaming, self.closed = pieces, streaming, False

    def __iter__(self):
        return iter(self.pieces)

    def close(self) -> None:
        self.closed = True


def ask(answer: Answer, on_send=lambda message: None, *, path="/é", headers=(), parts=None) -> tuple[list[dict], dict]:
    """What goes to the client, and what the application saw."""
    seen: dict = {}

    def app(environ, start_response):
        seen.update(environ, body=environ["wsgi.input"].read(), thread=threading.current_thread())
        start_response("201 Created", [("Content-Type", "text/plain"), ("X-One", "a")])
        return answer

    async def main() -> list[dict]:
        sent: list[dict] = []
        said = parts or [{"body": b"12", "more_body": True}, {"body": b"3", "more_body": False}]

        async def send(message):
            on_send(message)
            sent.append(message)

        async def receive():
            return {"type": "http.request", **said.pop(0)}

        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"a=1", "http_version": "1.1", "scheme": "http",
                 "headers": [(b"x-buyer-id", b"9"), *headers], "client": ("10.0.0.1", 5), "server": ("shop", 80)}  # fmt: skip
        await InThreads(app)(scope, receive, send)
        return sent

    return asyncio.run(main()), seen


def test_a_complete_answer_is_head_and_body():
    answer = Answer([b"one ", b"two"], streaming=False)
    sent, seen = ask(answer)
    head = {
        "type": "http.response.start",
        "status": 201,
        "headers": [(b"content-type", b"text/plain"), (b"x-one", b"a")],
    }
    assert sent == [head, {"type": "http.response.body", "body": b"one two"}] and answer.closed
    assert (seen["body"], seen["HTTP_X_BUYER_ID"], seen["QUERY_STRING"], seen["REMOTE_ADDR"]) == (
        b"123",
        "9",
        "a=1",
        "10.0.0.1",
    )
    assert seen["thread"] is not threading.main_thread()


def test_a_streamed_answer_goes_out_piece_by_piece_and_ends():
    made, out = [], []

    def pieces():
        for piece in (b"one", b"two"):
            made.append(piece)
            yield piece

    sent, _seen = ask(Answer(pieces(), streaming=True), on_send=lambda message: out.append(len(made)))
    assert [message.get("body") for message in sent] == [None, b"one", b"two", b""]
    assert [message.get("more_body", False) for message in sent] == [False, True, True, False]
    assert out == [0, 1, 2, 2]  # a piece is on its way before the next one is made


def test_an_answer_that_breaks_off_is_closed_and_does_not_end_as_if_it_were_whole():
    def pieces():
        yield b"one"
        raise OSError("gone")

    answer, out = Answer(pieces(), streaming=True), []
    with pytest.raises(OSError, match="gone"):
        ask(answer, on_send=out.append)
    assert answer.closed and [message.get("body") for message in out] == [None, b"one"]


def test_the_api_has_threads_of_its_own_and_a_small_body_is_there_before_one_is_taken():
    _sent, seen = ask(Answer([], streaming=False), path="/api/v1/events/", headers=[(b"content-length", b"3")])
    assert (seen["body"], seen["CONTENT_LENGTH"]) == (b"123", "3") and seen["thread"].name.startswith("API")
    _sent, seen = ask(Answer([], streaming=False), headers=[(b"content-length", b"3")])
    assert seen["body"] == b"123" and seen["thread"].name.startswith("pages")


def test_a_client_that_goes_away_in_the_middle_of_its_body_asks_nothing():
    gone = [{"body": b"12", "more_body": True}, {"type": "http.disconnect"}]
    assert ask(Answer([], streaming=False), headers=[(b"content-length", b"3")], parts=gone) == ([], {})


def serve(paths: list[str], work, apart: float = 0.001) -> list[bytes]:
    """The answers of GETs that come in `apart` seconds after each other, from an application that says what `work(path)` says."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return Answer([work(environ["PATH_INFO"]).encode()], streaming=False)

    served = InThreads(app, quick=r"/api/v1/products/[^/]+/")

    async def get(path: str, after: float) -> bytes:
        await asyncio.sleep(after)
        sent: list[dict] = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b""}

        await served({"type": "http", "method": "GET", "path": path, "query_string": b"", "http_version": "1.1", "scheme": "http",
                      "headers": [], "client": ("10.0.0.1", 5), "server": ("shop", 80)}, receive, send)  # fmt: skip
        return sent[-1]["body"]

    async def main() -> list[bytes]:
        return await asyncio.gather(*(get(path, n * apart) for n, path in enumerate(paths)))

    return asyncio.run(main())


def test_products_are_answered_one_after_the_other_and_lists_side_by_side(monkeypatch):
    monkeypatch.setattr(threads, "HELD_UP", 60.0)  # a busy machine may hold up any of them
    inside, most, lists = [], {}, threading.Barrier(4)

    def work(path):
        kind = "list" if path.endswith("products/") else "product"
        inside.append(kind)
        most[kind] = max(most.get(kind, 0), inside.count(kind))
        if kind == "list":
            lists.wait(30)  # for the other three
        else:
            time.sleep(0.01)
        inside.remove(kind)
        return path

    paths = [f"/api/v1/products/{n}/" if n % 2 else "/api/v1/products/" for n in range(8)]
    assert serve(paths, work) == [path.encode() for path in paths]
    assert most == {"product": 1, "list": 4}


def test_a_product_that_waits_holds_up_no_later_one():
    later = threading.Event()

    def work(path):
        if path.endswith("/1/"):
            return f"{later.wait(30)}"
        later.set()
        return path

    assert serve(["/api/v1/products/1/", "/api/v1/products/2/"], work, apart=20 * HELD_UP)[0] == b"True"
