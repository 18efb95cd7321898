"""Pages of numbers."""

from django.urls import path

from reviews import dashboard_views as views

urlpatterns = [
    path("reviews/dashboard/", views.dashboard, name="dashboard"),
    path("reviews/dashboard/compare/", views.compare, name="compare"),
    path("reviews/dashboard/report/", views.report, name="report"),
    path("reviews/dashboard/numbers.csv", views.numbers_csv, name="numbers_csv"),
    path("reviews/dashboard/products/", views.product_options, name="product_options"),
    path("reviews/all/", views.reviews, name="reviews"),
    path("reviews/all/reviews.csv", views.reviews_csv, name="reviews_csv"),
]
