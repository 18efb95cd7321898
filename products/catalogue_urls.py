"""Addresses of the catalogue pages."""

from django.urls import path

from products import views

urlpatterns = [
    path("products/", views.products, name="products"),
    path("products/bulk/", views.products_bulk, name="products_bulk"),
    path("products/new/", views.product_new, name="product_new"),
    path("products/<int:pk>/", views.product, name="product"),
    path("products/<int:pk>/edit/", views.product_edit, name="product_edit"),
    path("products/<int:pk>/delete/", views.product_delete, name="product_delete"),
    path("variants/<int:pk>/", views.variant_edit, name="variant_edit"),
    path("categories/", views.categories, name="categories"),
    path("categories/<int:pk>/", views.category_change, name="category_change"),
]
