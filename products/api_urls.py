"""Addresses of the API."""

from django.urls import path

from products import api

app_name = "api"
urlpatterns = [
    path("products/", api.ProductList.as_view(), name="products"),
    path("products/<int:pk>/copy/", api.CopyList.as_view(), name="product_copy"),
    path("products/<str:ref>/", api.ProductDetail.as_view(), name="product"),
    path("copy/<int:pk>/", api.CopyDetail.as_view(), name="copy"),
    path("imports/", api.ImportList.as_view(), name="imports"),
    path("imports/<int:pk>/", api.ImportDetail.as_view(), name="import"),
]
