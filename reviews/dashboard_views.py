"""Pages of numbers: dashboard, the list behind them, comparison, report, exports."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ecomai.access import store_view
from ecomai.lib.htmx import render_page_or_part
from products import catalogue_search
from products.models import Category, Product
from reviews import dashboards, exports, findings, presentation, review_search, statistics, topics
from reviews.filters import Filters, aspect_names, preset_names, product_of, sentiment_names
from reviews.models import Flag


def _choices(filters: Filters) -> dict:
    languages, sources = statistics.choices(filters)
    return {
        "languages": languages, "sources": sources, "presets": preset_names(), "aspects": aspect_names(),
        "sentiments": sentiment_names(), "flag_kinds": Flag.Kind.choices,
        "categories": Category.objects.filter(store=filters.store).only("id", "path")[:500],
    }  # fmt: skip


def _list(request: HttpRequest) -> str:
    return reverse("reviews:reviews", args=[request.store.slug])


@store_view("reviews.view")
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """Cards, charts, heat map, movers, products, reviews: of the filters in the address."""
    filters = Filters.from_query(request.store, request.GET)
    rank = request.GET.get("rank", "")
    rank = rank if rank in findings.RANKINGS else "reviewed"
    board = dashboards.build(filters, base=_list(request), rank=rank) if filters.span else None
    context = {
        "filters": filters, "board": board, "rank": rank, **_choices(filters),
        "topics": topics.live(request.store, filters.product, filters.language)[:8] if filters.span else [],
        "product": filters.product, "ranks": {"reviewed": _("Most reviewed"), "worst": _("Most criticised"), "best": _("Best liked")},
    }  # fmt: skip
    return render_page_or_part(
        request, "reviews/dashboard.html", "reviews/_dashboard.html", context, target="dashboard"
    )


@store_view("reviews.view")
@require_GET
def reviews(request: HttpRequest) -> HttpResponse:
    """The reviews behind any number."""
    filters = Filters.from_query(request.store, request.GET)
    sort = request.GET.get("sort", "")
    sort = sort if sort in review_search.SORTS else "newest"
    page = review_search.page(filters, sort=sort, cursor=request.GET.get("cursor", ""))
    count, more = review_search.count(filters, page)
    context = {
        "filters": filters, "page": page, "rows": [presentation.row(review, filters.q) for review in page.items],
        "count": count, "more": more, "sort": sort, "period": presentation.day_range(filters.start, filters.end),
        "sorts": {"newest": _("Newest"), "telling": _("Most telling"), "uncertain": _("Most uncertain")},
        **_choices(filters),
    }  # fmt: skip
    return render_page_or_part(request, "reviews/reviews.html", "reviews/_reviews.html", context, target="reviews")


@store_view("reviews.view")
@require_GET
def product_options(request: HttpRequest) -> HttpResponse:
    """Titles for the product field, as one types."""
    words = request.GET.get("product", "") or request.GET.get("one", "") or request.GET.get("two", "")
    found = catalogue_search.find(request.store, catalogue_search.Filters(q=words.strip()[:100]))
    titles = found.order_by("title").values_list("title", flat=True)[:12] if words.strip() else []
    return render(request, "reviews/_product_options.html", {"titles": titles})


@store_view("reviews.view")
@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Two products side by side, over the same period."""
    filters = Filters.from_query(request.store, request.GET)
    names = [request.GET.get(name, "").strip()[:200] for name in ("one", "two")]
    one, two = (product_of(request.store, name) for name in names)
    found = dashboards.comparison(filters, one, two, base=_list(request)) if one and two and one != two else None
    suggested: list[Product] = []
    if not found and filters.span:
        suggested = [r.product for r in findings.ranking(filters.scope, statistics.by_product(filters.scope), limit=6)]
    context = {
        "filters": filters, "one": one, "two": two, "names": names, "found": found, "suggested": suggested,
        "same": bool(one and one == two), **_choices(filters),
    }  # fmt: skip
    return render(request, "reviews/compare.html", context)


@store_view("reviews.view")
@require_GET
def report(request: HttpRequest) -> HttpResponse:
    """The dashboard on paper."""
    filters = Filters.from_query(request.store, request.GET)
    board = dashboards.build(filters, base=_list(request), sizes=dashboards.WIDE) if filters.span else None
    return render(request, "reviews/report.html", {"filters": filters, "board": board})


def _csv(rows, name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(exports.lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@store_view("reviews.view")
@require_GET
def reviews_csv(request: HttpRequest) -> HttpResponse:
    filters = Filters.from_query(request.store, request.GET)
    return _csv(exports.review_rows(filters), f"reviews-{filters.start}-{filters.end}.csv")


@store_view("reviews.view")
@require_GET
def numbers_csv(request: HttpRequest) -> HttpResponse:
    filters = Filters.from_query(request.store, request.GET)
    return _csv(exports.number_rows(filters), f"review-numbers-{filters.start}-{filters.end}.csv")
