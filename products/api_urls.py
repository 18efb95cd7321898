"""Addresses of the API."""

from django.urls import path

from products import api, api_events, api_lists, api_storefront

app_name = "api"
urlpatterns = [
    path("products/", api_lists.ProductList.as_view(), name="products"),
    path("products/<str:ref>/copy/", api_lists.ProductCopy.as_view(), name="product_copy"),
    path("products/<str:ref>/", api_storefront.ProductDetail.as_view(), name="product"),
    path("events/", api_events.EventList.as_view(), name="events"),
    path("copy/<int:pk>/", api.CopyDetail.as_view(), name="copy"),
    path("imports/", api.ImportList.as_view(), name="imports"),
    path("imports/<int:pk>/", api.ImportDetail.as_view(), name="import"),
]
