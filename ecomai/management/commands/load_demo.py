"""`manage.py load_demo`: the demo store with its products and its owner."""

from django.core.management.base import BaseCommand

from ecomai import demo


class Command(BaseCommand):
    help = "Load the demo store through the real importer. Running it again changes nothing."

    def handle(self, *args, **options) -> None:
        store, count = demo.load()
        self.stdout.write(f"{store.name}: {count} products")
