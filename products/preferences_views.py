"""The page of what a store has taught: its preference pairs, and how many train."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ecomai.access import store_view
from ecomai.lib.shown import language_name
from products import preferences
from products.channels import CHANNELS, rules
from products.copy_presentation import RULES
from products.models import Product

PER_PAGE = 30


@store_view("copy.view")
@require_GET
def copy_pairs(request: HttpRequest) -> HttpResponse:
    """Counts of the pairs and the pairs themselves, those of one source when the address asks for it."""
    found = preferences.of_store(request.store)
    told = preferences.counts(request.store, found)
    source = request.GET.get("source", "")
    shown = sorted((p for p in found if source in ("", p.source)), key=lambda p: (p.at, p.place), reverse=True)
    page = Paginator(shown, PER_PAGE).get_page(request.GET.get("page"))
    titles = dict(
        Product.objects.filter(store=request.store, pk__in={p.product for p in page}).values_list("pk", "title")
    )
    fields = rules(request.store)
    rows = [
        {
            "pair": pair, "title": titles.get(pair.product, ""), "channel": CHANNELS.get(pair.order.field.split(".")[0], ""),
            "field": fields[pair.order.field].label if pair.order.field in fields else pair.order.field,
            "source": preferences.SOURCES[pair.source], "part": preferences.part_of(request.store, pair.product),
            "reason": RULES.get(pair.reason, pair.reason), "language": language_name(pair.order.locale),
        }
        for pair in page
    ]  # fmt: skip
    context = {
        "page": page, "rows": rows, "total": len(found), "source": source, "parts": told["part"],
        "sources": [(name, label, told["source"][name]) for name, label in preferences.SOURCES.items()],
        "least": preferences.LEAST, "tab": "pairs",
        "reasons": [(RULES.get(name, name), n) for name, n in told["reason"].most_common(5)],
    }  # fmt: skip
    return render(request, "products/copy_pairs.html", context)
