"""Addresses of the experiments' pages."""

from django.urls import path

from products import experiment_edit_views as edit
from products import experiment_views as views

urlpatterns = [
    path("experiments/", views.experiment_list, name="experiments"),
    path("experiments/new/", edit.experiment_new, name="experiment_new"),
    path("experiments/from-copy/", edit.experiment_from_copy, name="experiment_from_copy"),
    path("experiments/method/", views.experiment_method, name="experiment_method"),
    path("experiments/reports/", views.experiment_reports, name="experiment_reports"),
    path("experiments/<int:pk>/", views.experiment, name="experiment"),
    path("experiments/<int:pk>/act/", views.experiment_act, name="experiment_act"),
    path("experiments/<int:pk>/edit/", edit.experiment_edit, name="experiment_edit"),
    path("experiments/<int:pk>/find/", edit.experiment_find, name="experiment_find"),
    path("experiments/<int:pk>/products/", edit.experiment_products, name="experiment_products"),
    path("experiments/<int:pk>/arms/", edit.experiment_arms, name="experiment_arms"),
    path("experiments/<int:pk>/texts/", edit.experiment_texts, name="experiment_texts"),
]
