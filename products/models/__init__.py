"""The models of the catalogue and of what is written from it."""

from products.models.catalogue import Brand, Category, Price, Product, ProductChange, ProductImage, Variant

__all__ = ["Brand", "Category", "Price", "Product", "ProductChange", "ProductImage", "Variant"]
