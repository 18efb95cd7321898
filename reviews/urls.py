"""Pages of reviews, below /s/<store>/."""

from django.urls import URLPattern, URLResolver, include, path

app_name = "reviews"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("reviews.label_urls")),
    path("", include("reviews.dashboard_urls")),
    path("", include("reviews.alert_urls")),
    path("", include("reviews.topic_urls")),
    path("", include("reviews.import_urls")),
    path("", include("reviews.settings_urls")),
]
