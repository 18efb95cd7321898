"""`manage.py prepare_models`: unpack and convert the models, register the house versions."""

import sys

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml import registry, sources


class Command(BaseCommand):
    help = "Unpack and convert the configured models and register the house versions. Running it again is free."

    def handle(self, *args, **options) -> None:
        names = [settings.ENCODER] + ([settings.GENERATOR] if settings.GENERATOR_BACKEND == "local" else [])
        for name in names:
            if name in sources.EMBEDDED and not sources.is_prepared(name):
                self.stdout.write(sources.EMBEDDED[name].notice())
            try:
                sources.prepare(name, progress=self.show)
            except sources.ModelSourceError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"{name}: ready")
        for version in registry.register_house(progress=self.show):
            self.stdout.write(f"{version.capability}: {version.label} is live")

    def show(self, step: sources.Step) -> None:
        if sys.stdout.isatty() or step.done in (0, step.total):
            left = f", {step.seconds_left:.0f} s left" if step.seconds_left else ""
            rate = ""
            if step.total > 1000 and step.seconds:
                rate = f" {step.done / 1e6:.0f}/{step.total / 1e6:.0f} MB, {step.done / 1e6 / step.seconds:.0f} MB/s"
            end = "\r" if sys.stdout.isatty() and step.done < step.total else "\n"
            self.stdout.write(f"{step.model}: {step.what}{rate}{left}   ", ending=end)
            self.stdout.flush()
