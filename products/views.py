"""Pages of the catalogue: list, product, edit, categories."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai.access import store_view
from ecomai.forms import LOCALES
from ecomai.lib.htmx import render_page_or_part
from ecomai.lib.text import measure
from products import catalogue, catalogue_search
from products.channels import CHANNELS, rules
from products.forms import NewProductForm, ProductForm, VariantForm
from products.models import AdAsset, Brand, Category, Product, Variant
from products.tasks import queue_embedding

BULK_LIMIT = 5000


def _sort_names() -> dict[str, str]:
    return {"changed": _("Last changed"), "title": _("Title"), "price": _("Price"), "stock": _("Stock")}


@store_view("catalogue.view")
@require_GET
def products(request: HttpRequest) -> HttpResponse:
    """Search, filters, sort, keyset pages; everything stands in the address."""
    filters = catalogue_search.parse(request.GET)
    sort = request.GET.get("sort", "changed")
    sort = sort if sort in catalogue_search.SORTS else "changed"
    down = request.GET.get("dir", "desc" if sort == "changed" else "asc") == "desc"
    found = catalogue_search.find(request.store, filters)
    page = catalogue_search.page(
        found.only(
            "id", "title", "handle", "status", "currency", "price_min", "price_max", "compare_at_max", "stock_total",
            "variant_count", "image_url", "updated_at", "brand__name", "category__name",
        ).select_related("brand", "category"),
        sort=sort, descending=down, cursor=request.GET.get("cursor", ""),
    )  # fmt: skip
    count, more = catalogue_search.capped_count(found)
    pinned = []
    if filters.q and not request.GET.get("cursor"):
        pinned = [p for p in catalogue_search.exact(request.store, filters.q) if p not in page.items]
    context = {
        "filters": filters, "page": page, "items": pinned + page.items, "count": count, "more": more, "sort": sort,
        "down": down, "sorts": _sort_names(), "statuses": Product.Status.choices,
        "brands": Brand.objects.filter(store=request.store).only("id", "name")[:300],
        "categories": Category.objects.filter(store=request.store).only("id", "path")[:500],
    }  # fmt: skip
    return render_page_or_part(request, "products/products.html", "products/_products.html", context, target="products")


@store_view("catalogue.edit")
@require_POST
def products_bulk(request: HttpRequest) -> HttpResponse:
    """One action on the selection, or on everything that the filters find (`all=1`, up to 5,000)."""
    if request.POST.get("all"):
        found = catalogue_search.find(request.store, catalogue_search.parse(request.GET))
        ids = list(found.order_by("pk").values_list("pk", flat=True)[:BULK_LIMIT])
    else:
        ids = [int(i) for i in request.POST.getlist("ids") if i.isdigit()]
    try:
        action = request.POST.get("action", "")
        n = catalogue.bulk(request.store, ids, action, request.POST.get(f"value_{action}", ""), request.user)
        messages.success(request, ngettext("%(n)d product changed.", "%(n)d products changed.", n) % {"n": n})
        queue_embedding(request.store)
    except ValueError:
        messages.error(request, _("Choose what to do, and a value."))
    return redirect(f"{reverse('products:products', args=[request.store.slug])}?{request.GET.urlencode()}")


def _product(request, pk: int) -> Product:
    return get_object_or_404(Product.objects.select_related("brand", "category", "store"), pk=pk, store=request.store)


@store_view("catalogue.view")
@require_GET
def product(request: HttpRequest, pk: int) -> HttpResponse:
    found = _product(request, pk)
    seo_title = found.seo_title or found.title
    seo_description = found.seo_description or found.description_text[:200]
    assets = list(AdAsset.objects.filter(product=found, status=AdAsset.Status.APPROVED).order_by("-decided_at")[:6])
    fields = rules(request.store)
    for asset in assets:
        asset.where = (
            f"{CHANNELS[fields[asset.field].channel]}: {fields[asset.field].label}" if asset.field in fields else ""
        )
        asset.language = dict(LOCALES).get(asset.locale, asset.locale)
    context = {
        "product": found, "variants": found.variants.prefetch_related("prices"), "images": found.images.all(),
        "changes": found.changes.select_related("user")[:12], "similar": catalogue.similar(found),
        "seo_title": seo_title, "seo_description": seo_description, "seo_title_length": measure(seo_title),
        "seo_description_length": measure(seo_description),
        "assets": assets, "requests": found.copy_requests.all()[:3],
    }  # fmt: skip
    return render(request, "products/product.html", context)


@store_view("catalogue.edit")
@require_http_methods(["GET", "POST"])
def product_edit(request: HttpRequest, pk: int) -> HttpResponse:
    found = _product(request, pk)
    form = ProductForm(request.POST or None, initial=ProductForm.start(found))
    if request.method == "POST" and form.is_valid():
        try:
            catalogue.update_product(found, form.cleaned_data, request.user)
            queue_embedding(request.store)
            messages.success(request, _("Saved."))
            return redirect("products:product", store=request.store.slug, pk=pk)
        except ValidationError as error:
            form.add_error(
                None if not hasattr(error, "error_dict") else next(iter(error.error_dict)), error.messages[0]
            )
    return render(request, "products/product_edit.html", {"product": found, "form": form})


@store_view("catalogue.edit")
@require_http_methods(["GET", "POST"])
def variant_edit(request: HttpRequest, pk: int) -> HttpResponse:
    variant = get_object_or_404(Variant.objects.select_related("product"), pk=pk, store=request.store)
    currency = variant.product.currency or request.store.currency
    price = variant.prices.filter(market="", currency=currency).first()
    start = {
        "sku": variant.sku or "", "gtin": variant.gtin, "stock": variant.stock,
        "price": f"{price.amount.normalize():f}" if price else "",
        "compare_at": f"{price.compare_at.normalize():f}" if price and price.compare_at is not None else "",
    }  # fmt: skip
    form = VariantForm(request.POST or None, initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            catalogue.update_variant(variant, **form.cleaned_data, by=request.user)
            messages.success(request, _("Saved."))
            return redirect("products:product", store=request.store.slug, pk=variant.product_id)
        except ValidationError as error:
            form.add_error(next(iter(error.error_dict)), error.messages[0])
    context = {"variant": variant, "product": variant.product, "form": form, "currency": currency}
    return render(request, "products/variant_edit.html", context)


@store_view("catalogue.edit")
@require_http_methods(["GET", "POST"])
def product_new(request: HttpRequest) -> HttpResponse:
    form = NewProductForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = catalogue.create_product(store=request.store, by=request.user, **form.cleaned_data)
            return redirect("products:product_edit", store=request.store.slug, pk=made.pk)
        except ValidationError as error:
            form.add_error("handle", error.messages[0])
    return render(request, "products/product_new.html", {"form": form})


@store_view("catalogue.edit")
@require_POST
def product_delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = _product(request, pk)
    title = found.title
    found.delete()
    messages.success(request, _("“%(title)s” was deleted.") % {"title": title})
    return redirect("products:products", store=request.store.slug)


@store_view("catalogue.view")
@require_http_methods(["GET", "POST"])
def categories(request: HttpRequest) -> HttpResponse:
    """The tree with counts; a POST renames or deletes a node."""
    rows = Category.objects.filter(store=request.store).annotate(count=Count("products")).order_by("path")
    for row in rows:
        row.depth = row.path.count(" > ")
    return render(request, "products/categories.html", {"categories": rows})


@store_view("catalogue.edit")
@require_POST
def category_change(request: HttpRequest, pk: int) -> HttpResponse:
    category = get_object_or_404(Category, pk=pk, store=request.store)
    if "delete" in request.POST:
        category.delete()
        messages.success(request, _("The category was deleted; its products stay."))
    else:
        try:
            catalogue.rename_category(category, request.POST.get("name", ""))
            messages.success(request, _("Saved."))
        except ValidationError as error:
            messages.error(request, error.messages[0])
    return redirect("products:categories", store=request.store.slug)
