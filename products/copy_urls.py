"""Addresses of the copy pages."""

from django.urls import path

from products import copy_views as views

urlpatterns = [
    path("products/<int:pk>/copy/", views.write_copy, name="write_copy"),
    path("copy/", views.copy_requests, name="copy_requests"),
    path("copy/<int:pk>/", views.copy_request, name="copy_request"),
    path("copy/<int:pk>/approved.csv", views.copy_export, name="copy_export"),
    path("copy/assets/<int:pk>/edit/", views.asset_edit, name="asset_edit"),
    path("copy/assets/<int:pk>/check/", views.asset_check, name="asset_check"),
    path("copy/assets/<int:pk>/decide/", views.asset_decide, name="asset_decide"),
    path("copy/assets/<int:pk>/rewrite/", views.asset_rewrite, name="asset_rewrite"),
    path("copy/assets/<int:pk>/use/", views.asset_use, name="asset_use"),
    path("channels/", views.channels, name="channels"),
]
