"""Addresses of the import and export pages."""

from django.urls import path

from products import import_views as views

urlpatterns = [
    path("imports/", views.imports, name="imports"),
    path("imports/<int:pk>/settings/", views.import_settings, name="import_settings"),
    path("imports/<int:pk>/", views.import_run, name="import_run"),
    path("imports/<int:pk>/confirm/", views.import_confirm, name="import_confirm"),
    path("imports/<int:pk>/undo/", views.import_undo_start, name="import_undo"),
    path("imports/<int:pk>/report.csv", views.import_report, name="import_report"),
    path("export/", views.export, name="export"),
]
