"""The page of choices."""

from django.urls import path

from reviews import settings_views

urlpatterns = [
    path("reviews/settings/", settings_views.settings, name="settings"),
    path("reviews/settings/secret/", settings_views.settings_secret, name="settings_secret"),
]
