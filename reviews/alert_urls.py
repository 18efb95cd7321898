"""Addresses of the alerts."""

from django.urls import path

from reviews import alert_views as views

urlpatterns = [
    path("reviews/alerts/", views.alerts, name="alerts"),
    path("reviews/alerts/<int:pk>/", views.alert, name="alert"),
    path("reviews/alerts/<int:pk>/acknowledge/", views.alert_acknowledge, name="alert_acknowledge"),
    path("reviews/alerts/<int:pk>/mute/", views.alert_mute, name="alert_mute"),
    path("reviews/alerts/mutes/<int:pk>/end/", views.alert_unmute, name="alert_unmute"),
]
