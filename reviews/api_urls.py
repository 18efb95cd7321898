"""Addresses of the reviews' API, below /api/v1/."""

from django.urls import path

from reviews import api

app_name = "reviews_api"
urlpatterns = [
    path("reviews/", api.ReviewList.as_view(), name="reviews"),
    path("reviews/<int:pk>/", api.ReviewDetail.as_view(), name="review"),
    path("reviews/webhook/<str:store>/<str:source>/", api.ReviewWebhook.as_view(), name="webhook"),
]
