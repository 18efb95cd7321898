"""Experiments on the storefront for tests, running at once."""

from django.test import Client

from ecomai import api_keys
from ecomai.models import ApiKey, Store
from products import live_experiments
from products.models import Arm, ArmText, Experiment, Product

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def make_experiment(
    store: Store, texts: dict[Product, dict[str, str]], name: str = "Titles", *, locale: str = "en", weights=(0.5, 0.5), **fields
) -> Experiment:  # fmt: skip
    """A running experiment: a control, and arms that all show `texts` (product → field → text)."""
    fields.setdefault("status", Experiment.Status.RUNNING)
    made = Experiment.objects.create(store=store, name=name, **fields)
    for number, weight in enumerate(weights):
        arm = Arm.objects.create(
            store=store, experiment=made, position=number, name="ABCDE"[number], is_control=number == 0, weight=weight
        )
        if number:
            ArmText.objects.bulk_create(
                ArmText(store=store, arm=arm, product=product, field=field, locale=locale, text=text)
                for product, by_field in texts.items()
                for field, text in by_field.items()
            )
    live_experiments.forget(store.pk)
    return made


def api_client(store: Store, kind: str = ApiKey.Kind.PUBLISHABLE, *, agent: str = BROWSER, **fields) -> Client:
    """A client with a key of the store, as a browser or (secret) as a server."""
    _key, secret = api_keys.create(store=store, kind=kind, name="k", **fields)
    return Client(headers={"authorization": f"Bearer {secret}", "user-agent": agent})
