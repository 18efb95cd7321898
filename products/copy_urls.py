"""Addresses of the copy pages."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
