"""Pages of the catalogue and of ad copy, below /s/<store>/."""

from django.urls import URLPattern, include, path

app_name = "products"
urlpatterns: list[URLPattern] = [
    path("", include("products.catalogue_urls")),
    path("", include("products.import_urls")),
    path("", include("products.copy_urls")),
    path("", include("products.experiment_urls")),
    path("", include("products.export_urls")),
]
