"""The Celery application. Queues: default (imports, exports), live (a person is waiting), ml (bulk model work),
train (trainings)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomai.settings")

app = Celery("ecomai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

import ecomai.heartbeat  # noqa: E402, F401 - connects the worker signals
