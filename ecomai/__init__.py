"""EcomAI: wiring, stores and access."""

from ecomai.celery import app as celery_app

__all__ = ["celery_app"]
