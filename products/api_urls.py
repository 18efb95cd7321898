"""Addresses of the catalogue in the API."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
