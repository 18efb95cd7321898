"""A real browser against the real stack. Console errors and page errors fail the test."""

import shutil

import pytest
from django.db import connection

from ml import registry
from tests.stack import Stack


@pytest.fixture(scope="session")
def browser_type_launch_args():
    return {
        "executable_path": shutil.which("chromium") or shutil.which("google-chrome"),
        "headless": True,
        "args": [
            "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
        ],
    }  # fmt: skip


def _start(settings, tmp_path, *names: str) -> Stack:
    parts = connection.settings_dict
    url = f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT']}/{parts['NAME']}"
    settings.MEDIA_ROOT = tmp_path
    stack = Stack(url, settings.REDIS_URL, {"MEDIA_ROOT": str(tmp_path), "DEBUG": "0"})
    stack.start(*names)
    return stack


@pytest.fixture
def stack(transactional_db, settings, tmp_path):
    """Web, default, live, ml and train workers on this test's database; the house model is registered."""
    registry.register_house()
    running = _start(settings, tmp_path, "web", "default", "live", "ml", "train")
    yield running
    running.stop()


@pytest.fixture
def bulk_stack(transactional_db, settings, tmp_path):
    """Web and the workers that bulk orders and imports need, with the house model."""
    registry.register_house()
    running = _start(settings, tmp_path, "web", "default", "ml")
    yield running
    running.stop()


@pytest.fixture
def web(transactional_db, settings, tmp_path):
    """The web process alone, for pages that start no work."""
    running = _start(settings, tmp_path, "web")
    yield running
    running.stop()


@pytest.fixture
def quiet(page):
    """Fails when the page writes an error to the console or throws one."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield errors
    assert errors == []
