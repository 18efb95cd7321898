"""Pages of one store that belong to no app: home, members, keys, jobs."""

from django.urls import path

from ecomai import views

urlpatterns = [path("", views.store_home, name="store_home")]
