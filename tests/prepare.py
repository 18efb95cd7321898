"""Prepare the models once for all tests, outside any test's time limit."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.core.management import call_command

call_command("migrate", verbosity=0)
call_command("prepare_models")
