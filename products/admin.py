"""Django admin of the catalogue, imports and copy."""

from django.contrib import admin

from ecomai.admin import StoreScoped
from products import models


class CatalogueAdmin(StoreScoped):
    view_permission = "catalogue.view"
    edit_permission = "catalogue.edit"


class VariantInline(admin.TabularInline):
    model = models.Variant
    fields = ["position", "sku", "gtin", "option_values", "stock"]
    extra = 0
    show_change_link = True

    def has_add_permission(self, request, obj=None) -> bool:
        return False  # a variant needs its prices and options: the product's own page makes it


@admin.register(models.Product)
class ProductAdmin(CatalogueAdmin):
    list_display = ["title", "store", "status", "brand", "price_min", "currency", "stock_total", "updated_at"]
    list_filter = ["status", "store"]
    search_fields = ["title", "handle", "external_id"]
    autocomplete_fields = ["brand", "category", "store"]
    readonly_fields = ["description_html", "description_text", "currency", "price_min", "price_max", "compare_at_max",
                       "stock_total", "variant_count", "image_url"]  # fmt: skip
    inlines = [VariantInline]
    show_full_result_count = False


@admin.register(models.Variant)
class VariantAdmin(CatalogueAdmin):
    list_display = ["product", "sku", "gtin", "stock"]
    search_fields = ["sku", "gtin", "product__title"]
    autocomplete_fields = ["product", "store"]
    show_full_result_count = False


@admin.register(models.Brand, models.Category)
class NamedAdmin(CatalogueAdmin):
    list_display = ["__str__", "store"]
    search_fields = ["name"]


@admin.register(models.Price)
class PriceAdmin(CatalogueAdmin):
    list_display = ["variant", "market", "amount", "currency", "compare_at"]
    autocomplete_fields = ["variant", "store"]
    show_full_result_count = False


@admin.register(models.ProductImage)
class ImageAdmin(CatalogueAdmin):
    list_display = ["url", "product", "position"]
    autocomplete_fields = ["product", "store"]
    show_full_result_count = False


class LogAdmin(CatalogueAdmin):
    """Rows that tell what happened: to be read, not changed."""

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(models.ProductChange)
class ChangeAdmin(LogAdmin):
    list_display = ["product", "source", "user", "created_at"]
    list_filter = ["source"]
    show_full_result_count = False


@admin.register(models.CatalogueImport)
class ImportAdmin(LogAdmin):
    view_permission = "catalogue.import"
    list_display = ["filename", "store", "status", "created_by", "created_at"]
    list_filter = ["status"]


@admin.register(models.CopyRequest)
class CopyRequestAdmin(LogAdmin):
    view_permission = "copy.view"
    list_display = ["product", "locale", "tone", "candidates", "seconds", "created_at"]


@admin.register(models.AdAsset)
class AssetAdmin(LogAdmin):
    view_permission = "copy.view"
    list_display = ["text", "field", "locale", "status", "origin", "model_label"]
    list_filter = ["status", "origin", "locale"]


@admin.register(models.ChannelField)
class ChannelFieldAdmin(StoreScoped):
    edit_permission = "copy.approve"
    list_display = ["key", "store", "unit", "limit", "minimum", "most"]
