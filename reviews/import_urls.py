"""Pages of imports of reviews."""

from django.urls import path

from reviews import import_views

urlpatterns = [
    path("reviews/imports/", import_views.imports, name="imports"),
    path("reviews/imports/<int:pk>/", import_views.import_run, name="import_run"),
    path("reviews/imports/<int:pk>/settings/", import_views.import_settings, name="import_settings"),
    path("reviews/imports/<int:pk>/go-on/", import_views.import_go_on, name="import_go_on"),
    path("reviews/imports/<int:pk>/report.csv", import_views.import_report, name="import_report"),
]
