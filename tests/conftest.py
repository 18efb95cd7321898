"""The named cast: Alice owns store A, Bob is an agent there, Charlie owns store B."""

import pytest
from django.test import Client

from ecomai.models import Membership, Role, Store, User

PASSWORD = "correct horse battery staple"


@pytest.fixture
def store(db) -> Store:
    return Store.objects.create(name="Alice's shop", slug="alice", currency="EUR", locales=["en", "de"])


@pytest.fixture
def other_store(db) -> Store:
    return Store.objects.create(name="Charlie's shop", slug="charlie", currency="USD")


def _member(email: str, store: Store, role: str) -> User:
    user = User.objects.create_user(email, PASSWORD)
    Membership.objects.create(user=user, store=store, role=role)
    return user


@pytest.fixture
def alice(store) -> User:
    return _member("alice@example.com", store, Role.OWNER)


@pytest.fixture
def bob(store) -> User:
    return _member("bob@example.com", store, Role.AGENT)


@pytest.fixture
def charlie(other_store) -> User:
    return _member("charlie@example.com", other_store, Role.OWNER)


@pytest.fixture
def as_user():
    """A signed-in client: `as_user(alice).get(...)`."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture(autouse=True)
def _leases_in_a_transaction(request, monkeypatch) -> None:
    """The thread that renews a job's lease has a connection of its own, and would find the lease lost where the job's row
    is hidden in the test's transaction."""
    marker = request.node.get_closest_marker("django_db")
    if not (marker and marker.kwargs.get("transaction")) and "transactional_db" not in request.fixturenames:
        monkeypatch.setattr("ecomai.jobs.RENEW_EVERY", 3600.0)
