"""Everything is killed with -9 in the middle of an import and of a generation; nothing is lost, and both end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devstack.servers import Servers
from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
ROWS = 40_000
SETUP = """
import django, json; django.setup()
from django.core.files.base import ContentFile
from ecomai.models import Store, User, Membership
from products import catalogue_import, copywriting
from products.copy_views import start
from products.import_views import start_import
from products.models import CatalogueImport
from tests.factories import make_product
catalogue_import.CHUNK = 200
store = Store.objects.create(name="Kill", slug="kill", currency="EUR")
user = User.objects.create_user("k@example.com", "x")
Membership.objects.create(user=user, store=store, role="owner")
mug = make_product(store, "Stoneware mug 350 ml", attributes={"Material": "Stoneware", "Volume": "350 ml"})
order = copywriting.request_copy(store=store, product=mug, channels=["google_rsa", "meta", "seo"], locale="en", tone="neutral", variants=3, by=user)
start(order, user)
rows = "".join(f"p{i},Product {i},S{i},{i}.00\\n" for i in range(1, ROWS + 1))
text = "Handle,Title,Variant SKU,Variant Price\\n" + rows
run = catalogue_import.open_run(store=store, file=ContentFile(text.encode(), "big.csv"), filename="big.csv", by=user, auto_apply=True)
start_import(run, user, "products.tasks.run_import", "big")
""".replace("ROWS", str(ROWS))  # fmt: skip
LOOK = """
import django, json; django.setup()
from products.models import *; from ecomai.models import Job
run, order = CatalogueImport.objects.get(), CopyRequest.objects.get()
print(json.dumps({"products": Product.objects.count() - 1, "variants": Variant.objects.count() - 1, "prices": Price.objects.count() - 1,
    "cursor": run.cursor, "import": run.status, "copy": order.finished_at is not None, "assets": order.assets.count(),
    "positions": order.assets.values("field", "position").distinct().count(), "candidates": order.candidates,
    "jobs": {j.kind: [j.status, j.attempts] for j in Job.objects.all()}, "counts": run.counts}))
"""  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killing_web_worker_postgres_and_broker_loses_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    servers = Servers(ephemeral=True)
    for server in servers.all():
        server.ephemeral = False  # written as safely as in production
    env = servers.start()
    stack = Stack(
        env["DATABASE_URL"],
        env["REDIS_URL"],
        {"MEDIA_ROOT": str(tmp_path), "CACHE_PREFIX": "kill", "BROKER_PREFIX": "kill-"},
    )
    stack.COMMANDS = {**stack.COMMANDS, "beat": f"-m celery -A ecomai beat -l error --pidfile= -s {tmp_path}/beat"}

    def python(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=stack.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def look() -> dict:
        return json.loads(python(LOOK).splitlines()[-1])

    def until(ready, seconds: float) -> dict:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            state = look()
            if ready(state):
                return state
            time.sleep(0.2)
        raise AssertionError(state)

    def kill_server(server) -> None:
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        time.sleep(0.5)
        assert servers.restart_dead() == [server.name]

    try:
        for command in (["migrate", "-v0"], ["prepare_models"]):
            subprocess.run(
                [sys.executable, "manage.py", *command], cwd=ROOT, env=stack.env, check=True, capture_output=True
            )
        stack.start("web", "default", "live", "beat")
        python(SETUP)
        state = until(lambda s: s["products"] > 0, 180)
        assert state["products"] < ROWS and state["import"] == "applying"
        kill_server(servers.postgres)
        state = look()
        assert state["products"] == state["variants"] == state["prices"] == state["cursor"] < ROWS
        kill_server(servers.valkey)
        for name in ("live", "default", "web"):
            stack.kill(name)
        state = look()
        assert state["products"] == state["cursor"] < ROWS and state["import"] == "applying"
        stack.start("web", "default", "live")
        state = until(lambda s: s["import"] == "done" and s["copy"], 240)
        assert state["products"] == state["variants"] == state["prices"] == ROWS
        assert state["counts"]["created"] == ROWS
        assert state["assets"] == state["positions"] > 0 and state["candidates"] > 0
        assert state["jobs"]["import"][0] == state["jobs"]["copy"][0] == "done"
        assert state["jobs"]["import"][1] >= 2, "the import was never interrupted"
    finally:
        stack.stop()
        servers.stop()
