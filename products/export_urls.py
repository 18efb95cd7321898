"""Addresses of the exports to advertising channels."""

from django.urls import path

from products import export_views as views

urlpatterns = [
    path("ad-export/", views.ad_export, name="ad_export"),
    path("ad-export/file/", views.ad_export_file, name="ad_export_file"),
    path("ad-export/problems.csv", views.ad_export_problems, name="ad_export_problems"),
]
