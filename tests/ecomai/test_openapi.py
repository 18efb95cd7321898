"""The API against its own document: no 5xx, no status, body or header that the document doesn't know; the document itself."""

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ecomai import api_keys
from ecomai.api_auth import ApiThrottle
from ecomai.asgi import wsgi_application
from ecomai.models import ApiKey
from products import catalogue_import
from products.models import AdAsset, CopyRequest
from reviews import review_settings
from tests.factories import make_product, upload
from tests.products.storefront_factories import BROWSER, make_experiment
from tests.reviews.factories import make_review

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def there(store) -> dict[str, dict]:
    """Path → parameters of something that is there, so that not only 404s are looked at."""
    mug = make_product(store, "Stoneware mug", sku="MUG", tags=["blue"], attributes={"Material": "Stoneware"})
    make_experiment(store, {mug: {"title": "A mug that stays warm", "seo.title": "Mug"}})
    order = CopyRequest.objects.create(
        store=store, product=mug, channels=["seo"], locale="en", tone="neutral", asked={"seo.title": 1}
    )
    AdAsset.objects.create(
        store=store, request=order, product=mug, field="seo.title", locale="en", tone="neutral", angle="feature", position=1,
        text="Mug", machine_text="Mug", model_label="m", inputs_hash="0", status="approved",
        facts=[{"start": 0, "end": 3, "name": "Title", "value": "Mug"}],
    )  # fmt: skip
    from django.core.files import File

    run = catalogue_import.open_run(store=store, file=File(upload("Handle,Title\na,A\n")), filename="a.csv")
    review = make_review(store, "Lovely mug, the parcel came late")
    review_settings.new_secret(store)
    return {
        "/api/v1/products/{ref}/": {"ref": mug.handle},
        "/api/v1/products/{ref}/copy/": {"ref": str(mug.pk)},
        "/api/v1/copy/{id}/": {"id": order.pk},
        "/api/v1/imports/{id}/": {"id": run.pk},
        "/api/v1/reviews/{id}/": {"id": review.pk},
        "/api/v1/reviews/webhook/{store}/{source}/": {"store": store.slug, "source": "own"},
    }


@pytest.fixture(autouse=True)
def one_connection():
    """Asked in this process and transaction: the end of a request must not close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


document = schemathesis.openapi.from_wsgi("/api/schema/?format=json", wsgi_application)
OPERATIONS = [found.ok() for found in document.get_all_operations()]


@pytest.fixture
def caller(store, there, settings, tmp_path, monkeypatch):
    """Asks as it was generated, and again for what is there; every answer is compared with the document."""
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(ApiThrottle, "THROTTLE_RATES", {"key": None, "visitor": None})

    def ask(case, kind: str) -> None:
        case.call_and_validate(headers=headers[kind], checks=CHECKS)
        if parameters := there.get(case.operation.path):
            case.path_parameters = parameters
            case.call_and_validate(headers=headers[kind], checks=CHECKS)

    headers = {}
    for kind in ApiKey.Kind.values:
        _key, secret = api_keys.create(store=store, kind=kind, name="k")
        headers[kind] = {"Authorization": f"Bearer {secret}", "User-Agent": BROWSER}
    return ask


@pytest.mark.parametrize("kind", ApiKey.Kind.values)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method}-{o.path}")
def test_every_answer_is_one_that_the_document_knows(operation, kind, caller):
    """What fits the document, what doesn't, and its own examples; the same at every run."""
    examples = operation.get_strategies_from_examples()
    odd = [operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

    @given(case=st.one_of(*odd, *examples))
    @settings(max_examples=30, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    def ask(case):
        caller(case, kind)

    ask()


def test_the_document_is_made_without_a_warning_and_is_valid(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "openapi.yaml"))


@pytest.mark.django_db
def test_every_address_has_a_summary_an_example_and_the_errors_of_keys():
    body = Client().get("/api/schema/?format=json").json()
    operations = [(path, how, op) for path, ops in body["paths"].items() for how, op in ops.items()]
    assert len(operations) >= 14
    for path, how, op in operations:
        assert op.get("description"), (how, path)
        answers = [a for code, a in op["responses"].items() if code.startswith("2") and "content" in a]
        assert all("examples" in c for a in answers for c in a["content"].values()), (how, path)
        assert {"400", "401", "404", "405", "406", "429"} - {"400", "404"} <= op["responses"].keys(), (how, path)
        if how in ("post", "patch"):
            assert {"413", "415"} <= op["responses"].keys()


def test_the_reference_needs_nothing_from_outside():
    page = Client().get("/api/docs/")
    assert page.status_code == 200 and b"https://" not in page.content and b"/static/" in page.content
