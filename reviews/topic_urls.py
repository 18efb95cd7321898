"""Addresses of the topics."""

from django.urls import path

from reviews import topic_views as views

urlpatterns = [
    path("reviews/topics/", views.topics, name="topics"),
    path("reviews/topics/find/", views.topics_find, name="topics_find"),
    path("reviews/topics/<int:pk>/", views.topic, name="topic"),
    path("reviews/topics/<int:pk>/rename/", views.topic_rename, name="topic_rename"),
    path("reviews/topics/other/<int:pk>/", views.topic_other, name="topic_other"),
]
