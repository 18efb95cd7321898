"""Pages of the topics."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ecomai import jobs
from ecomai.access import store_view
from ecomai.models import Job
from ecomai.tasks import send
from products.models import Product
from reviews import presentation
from reviews import topics as room
from reviews.models import Topic, TopicSet

POLARITIES = {"positive": 1, "neutral": 0, "negative": -1}


@store_view("reviews.view")
@require_GET
def topics(request) -> HttpResponse:
    """The topics of the store or of one product, language by language."""
    number = request.GET.get("product", "")
    product = get_object_or_404(Product, pk=number, store=request.store) if number.isdecimal() else None
    sets = TopicSet.objects.filter(store=request.store, product=product).order_by("-with_text", "language")
    language = request.GET.get("language", "")
    chosen = sets.filter(language=language).first() if language else sets.first()
    context = {
        "product": product, "sets": sets, "chosen": chosen,
        "topics": room.live(request.store, product, chosen.language) if chosen else [],
        "products": Product.objects.filter(topic_sets__store=request.store).distinct().order_by("title")[:200],
        "job": Job.objects.filter(store=request.store, kind="topics").order_by("-created_at").first(),
    }  # fmt: skip
    return render(request, "reviews/topics.html", context)


@store_view("reviews.label")
@require_POST
def topics_find(request) -> HttpResponse:
    """Have the topics found anew."""
    if not Job.objects.open().filter(store=request.store, kind="topics").exists():
        send(
            jobs.create(
                store=request.store, kind="topics", title=_("Finding topics"), task="reviews.tasks.find_topics",
                queue="ml", created_by=request.user, url=reverse("reviews:topics", args=[request.store.slug]),
            )
        )  # fmt: skip
    return redirect("reviews:topics", store=request.store.slug)


@store_view("reviews.view")
@require_GET
def topic(request, pk: int) -> HttpResponse:
    """One topic with its reviews."""
    found = get_object_or_404(Topic.objects.select_related("group__product", "named_by"), pk=pk, store=request.store)
    polarity = request.GET.get("polarity", "")
    page = Paginator(room.members(found, POLARITIES.get(polarity)), 20).get_page(request.GET.get("page"))
    items = []
    for member in page:
        text = presentation.words(member.review)
        items.append((member, text[: member.start], text[member.start : member.end], text[member.end :]))
    return render(request, "reviews/topic.html", {"topic": found, "page": page, "items": items, "polarity": polarity})


@store_view("reviews.label")
@require_POST
def topic_rename(request, pk: int) -> HttpResponse:
    room.rename(topic=get_object_or_404(Topic, pk=pk, store=request.store), by=request.user, name=request.POST.get("name", ""))  # fmt: skip
    messages.success(request, _("Saved."))
    return redirect("reviews:topic", store=request.store.slug, pk=pk)


@store_view("reviews.view")
@require_GET
def topic_other(request, pk: int) -> HttpResponse:
    """The reviews that are in no topic."""
    group = get_object_or_404(TopicSet.objects.select_related("product"), pk=pk, store=request.store)
    page = Paginator(room.other_reviews(group), 20).get_page(request.GET.get("page"))
    return render(request, "reviews/topic_other.html", {"group": group, "page": page})
