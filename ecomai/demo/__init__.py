"""The demo shop: a small catalogue and its customers' reviews, our own, brought in the way a shop's are."""

import json
import secrets
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.utils import timezone

from ecomai.demo import shoppers
from ecomai.models import Membership, Role, Store, User
from products import catalogue_import, embedding
from products.models import CatalogueImport, Product
from reviews import intake, scoring
from reviews.models import Review

FOLDER = Path(__file__).parent
EMAIL = "demo@example.com"
LOGIN = settings.VAR_DIR / "demo_login.json"


def _owner() -> User:
    """The demo's owner; the password is random and lies in a file that only the owner of the machine may read."""
    user = User.objects.filter(email=EMAIL).first()
    if user and LOGIN.exists():
        return user
    password = secrets.token_urlsafe(9)
    user = user or User(email=EMAIL, first_name="Dana", last_name="Demo", is_staff=True, is_superuser=True)
    user.set_password(password)
    user.save()
    LOGIN.parent.mkdir(parents=True, exist_ok=True)
    LOGIN.touch(mode=0o600)
    LOGIN.write_text(json.dumps({"email": EMAIL, "password": password}), encoding="utf-8")
    return user


def _import(store: Store, owner: User, name: str) -> None:
    with (FOLDER / name).open("rb") as file:
        run = catalogue_import.open_run(store=store, file=File(file), filename=name, by=owner, auto_apply=True)
    catalogue_import.process(run)


def load() -> tuple[Store, int]:
    """Make the demo store complete; run again it changes nothing. Returns the store and its number of products."""
    owner = _owner()
    store, _made = Store.objects.get_or_create(
        slug="demo",
        defaults={
            "name": "Nordlicht Living", "currency": "EUR", "default_locale": "en", "url": "https://nordlicht.example",
            "locales": ["en", "de", "zh-Hans", "fr", "es", "ja"], "timezone": "Europe/Berlin",
        },
    )  # fmt: skip
    Membership.objects.get_or_create(user=owner, store=store, defaults={"role": Role.OWNER})
    if not CatalogueImport.objects.filter(store=store).exists():
        _import(store, owner, "catalogue.csv")
        _import(store, owner, "categories.csv")
        embedding.embed_store(store)
    if not Review.objects.filter(store=store).exists():
        refs = list(
            Product.objects.filter(store=store, status="active").order_by("pk").values_list("handle", flat=True)
        )
        intake.receive(store=store, items=list(shoppers.reviews(refs, timezone.now())), source="demo")
        scoring.queue(store)  # the worker finds the job's row
    return store, Product.objects.filter(store=store).count()
