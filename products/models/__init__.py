"""The models of the catalogue and of what is written from it."""

from products.models.catalogue import Brand, Category, Price, Product, ProductChange, ProductImage, Variant
from products.models.copy import AdAsset, ChannelField, CopyRequest
from products.models.imports import CatalogueImport, ImportChange, ImportIssue, ImportRow

__all__ = [
    "AdAsset",
    "Brand",
    "CatalogueImport",
    "Category",
    "ChannelField",
    "CopyRequest",
    "ImportChange",
    "ImportIssue",
    "ImportRow",
    "Price",
    "Product",
    "ProductChange",
    "ProductImage",
    "Variant",
]
