"""Make the numbers of reviews anew: `manage.py rebuild_review_statistics [store …] [--recompute]`."""

from django.core.management.base import BaseCommand, CommandError

from ecomai.models import Store
from reviews import rebuild


class Command(BaseCommand):
    help = "Make the sums that the dashboard reads anew from the reviews."

    def add_arguments(self, parser) -> None:
        parser.add_argument("stores", nargs="*", help="short names of stores; all when none is given")
        parser.add_argument(
            "--recompute", action="store_true", help="also work out what counts for each review again, first"
        )

    def handle(self, *args, stores: list[str], recompute: bool, **options) -> None:
        found = Store.objects.filter(slug__in=stores) if stores else Store.objects.all()
        if missing := set(stores) - {store.slug for store in found}:
            raise CommandError(f"No such store: {', '.join(sorted(missing))}")
        for store in found:
            if recompute:
                rebuild.recompute(store)
            self.stdout.write(f"{store.slug}: {rebuild.rebuild(store)} reviews count")
