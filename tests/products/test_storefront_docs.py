"""What docs/storefront.md shows works as it stands there; the snippet stays small."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from ecomai import api_keys
from ecomai.models import ApiKey, Store
from products.models import Assignment, Event
from tests.factories import make_product
from tests.products.storefront_factories import make_experiment

ROOT = Path(__file__).resolve().parents[2]


def test_the_snippet_is_two_kilobytes_at_its_address():
    answer = Client().get("/static/js/shop.js")
    source = b"".join(answer.streaming_content)
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/javascript")
    assert source == (ROOT / "ecomai/static/js/shop.js").read_bytes() and len(gzip.compress(source, 9)) <= 2000


@pytest.mark.django_db(transaction=True)
def test_the_python_client_of_the_docs_runs(live_server):
    store = Store.objects.create(name="Docs", slug="docs", currency="EUR", locales=["en"])
    mug = make_product(store, "Stoneware mug", sku="MUG")
    for number in range(25):
        make_product(store, f"Mug {number}")
    made = make_experiment(store, {mug: {"title": "A mug that stays warm"}}, weights=(0, 1))
    _key, secret = api_keys.create(store=store, kind=ApiKey.Kind.SECRET, name="docs")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/storefront.md").read_text(), re.S)
    env = {**os.environ, "ECOMAI_URL": live_server.url, "ECOMAI_KEY": secret}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "A mug that stays warm" in done.stdout and "'accepted': 1" in done.stdout
    order = Event.objects.get()
    assert (order.product, order.experiment, order.visitor) == (mug, made, Assignment.objects.get().visitor)
