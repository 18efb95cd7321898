"""Pages of one review: reading, correcting, hiding, replying; the queue of labels; how far people agree."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import jobs
from ecomai.access import store_view
from ecomai.lib.htmx import render_page_or_part
from ecomai.permissions import allowed
from ecomai.tasks import send
from reviews import labelling, replies, review_page
from reviews.filters import aspect_names
from reviews.models import Flag, Reply, Review

REPLY_PROBLEMS = {
    "written": lazy("A person has written this reply: the model doesn't write over it."),
    "empty": lazy("The reply is empty."),
    "too_long": lazy("The reply has more than 2000 characters."),
    "sent": lazy("This reply is sent or exported and stays as it was."),
    "step": lazy("That isn't possible now."),
}
REFUSALS = {
    "too_short": lazy("too short"), "unfinished": lazy("unfinished"), "link": lazy("a link"),
    "promise": lazy("a promise that no policy makes"), "number": lazy("a number or price"),
    "obeys_review": lazy("obeys the review"), "language": lazy("wrong language"),
    "wrong_feeling": lazy("sorry or glad at the wrong place"), "copied_example": lazy("copied from an example"),
    "echo": lazy("only repeats the review"), "not_in_review": lazy("says what the review doesn't"),
    "said_already": lazy("said already"),
}  # fmt: skip
WANTED = 30  # labels after which training is worth while


def _review(request, pk: int) -> Review:
    return get_object_or_404(
        Review.objects.select_related("store", "product", "judgement", "duplicate_of", "hidden_by"),
        pk=pk, store=request.store,
    )  # fmt: skip


def _page(request: HttpRequest, review: Review, *, error: str = "", status: int = 200) -> HttpResponse:
    reply = Reply.objects.select_related("job", "edited_by", "approved_by").filter(review=review).first()
    if reply:
        replies.settle(reply)
    context = {
        **review_page.context(review), "reply": reply, "error": error,
        "languages": review_page.label_languages(request.store, review),
        "refusal_names": REFUSALS, "writing": bool(reply and reply.status == Reply.Status.WRITING),
    }  # fmt: skip
    return render_page_or_part(
        request, "reviews/review.html", "reviews/_review.html", context, target="review", status=status
    )


def _back(request, pk: int) -> HttpResponse:
    """The part for htmx, the page after a form without JavaScript."""
    if request.htmx and request.htmx.target == "review":
        return _page(request, _review(request, pk))
    target = request.POST.get("next", "")
    if target and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return redirect(target)
    return redirect("reviews:review", store=request.store.slug, pk=pk)


@store_view("reviews.view")
@require_GET
def review(request: HttpRequest, pk: int) -> HttpResponse:
    """One review with what the machine reads in it and what people say."""
    return _page(request, _review(request, pk))


@store_view("reviews.label")
@require_POST
def review_label(request: HttpRequest, pk: int) -> HttpResponse:
    """One correction; without a value, back to the machine's."""
    found = _review(request, pk)
    field, aspect, value = (request.POST.get(name, "") for name in ("field", "aspect", "value"))
    try:
        labelling.label(review=found, by=request.user, field=field, aspect=aspect, value=value or None)
    except labelling.BadLabel as problem:
        return _page(request, found, error=str(problem), status=422)
    return _back(request, pk)


@store_view("reviews.manage")
@require_POST
def review_visibility(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide for a reason, or show again."""
    found = _review(request, pk)
    try:
        if request.POST.get("show"):
            review_page.show(review=found, by=request.user, note=request.POST.get("note", ""))
        else:
            review_page.hide(
                review=found, by=request.user, reason=request.POST.get("reason", ""), note=request.POST.get("note", "")
            )
    except ValueError:
        return _page(request, found, error=_("Choose a reason. A bad opinion is none."), status=422)
    return _back(request, pk)


@store_view("reviews.label")
@require_POST
def flag_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm or dismiss one flag."""
    flag = get_object_or_404(Flag, pk=pk, store=request.store)
    try:
        review_page.decide_flag(flag=flag, by=request.user, step=request.POST.get("step", ""))
    except ValueError:
        return _page(request, _review(request, flag.review_id), error=str(REPLY_PROBLEMS["step"]), status=422)
    return _back(request, flag.review_id)


@store_view("reviews.reply")
@require_POST
@transaction.atomic
def review_reply(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a draft written, save a person's text, approve, take back, or say that it was sent."""
    found = _review(request, pk)
    step = request.POST.get("step", "")
    try:
        if step == "write":

            def job(reply: Reply):
                made = jobs.create(
                    store=request.store, kind="reply", title=_("Write a reply"), task="reviews.tasks.write_reply",
                    queue="live", unit=_("sentences"), created_by=request.user,
                    url=reverse("reviews:review", args=[request.store.slug, pk]),
                )  # fmt: skip
                send(made)
                return made

            replies.request(review=found, by=request.user, job=job)
        elif step in ("save", "approve"):
            replies.edit(review=found, by=request.user, text=request.POST.get("text", ""))
            if step == "approve":
                replies.decide(review=found, by=request.user, status=Reply.Status.APPROVED)
        else:
            replies.decide(review=found, by=request.user, status=step)
    except replies.NotNow as problem:
        return _page(request, found, error=str(REPLY_PROBLEMS[str(problem)]), status=422)
    return _back(request, pk)


@store_view("reviews.reply")
@require_POST
def replies_export(request: HttpRequest) -> HttpResponse:
    """The approved replies as a CSV."""
    response = StreamingHttpResponse(replies.export(request.store), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{request.store.slug}-replies.csv"'
    return response


def _skipped(request, order: str) -> list[int]:
    return request.session.get(f"label-skip-{request.store.pk}-{order}", [])


def _skip(request, order: str, pk: int) -> None:
    kept = [n for n in _skipped(request, order) if n != pk][-199:]
    request.session[f"label-skip-{request.store.pk}-{order}"] = [*kept, pk]


def _post_label(request, order: str) -> str:
    """Do what was asked for one review of the queue. Returns what was wrong, or nothing."""
    pk = request.POST.get("review", "")
    found = get_object_or_404(Review, pk=int(pk) if pk.isdecimal() else 0, store=request.store)
    blind, step = order == "blind", request.POST.get("step", "")
    if step == "skip":
        _skip(request, order, found.pk)
        labelling.release(request.store, request.user, found.pk)
    elif step == "done":
        labelling.release(request.store, request.user, found.pk)
        _skip(request, order, found.pk)
    elif step == "undo":
        last = labelling.last_of(request.store, request.user, blind=blind)
        if last is None or labelling.undo(review=last, by=request.user, blind=blind) is None:
            return _("There is nothing to undo.")
        request.session["label-again"] = last.pk
    else:
        field, _colon, aspect = request.POST.get("what", "").partition(":")
        value = request.POST.get("value", "")
        try:
            labelling.label(review=found, by=request.user, field=field, aspect=aspect, value=value or None, blind=blind)
        except labelling.BadLabel as problem:
            return str(problem)
        # Stars or spam end a review; an aspect or the language leave it open for more.
        if field not in ("stars", "spam"):
            request.session["label-again"] = found.pk
        else:
            labelling.release(request.store, request.user, found.pk)
    return ""


@store_view("reviews.label")
@require_http_methods(["GET", "POST"])
def labels(request: HttpRequest) -> HttpResponse:
    """The queue: one review at a time, by keys or by buttons."""
    source = request.POST if request.method == "POST" else request.GET
    order = source.get("order", "uncertain")
    order = order if order in labelling.ORDERS else "uncertain"
    language = source.get("language", "")[:12]
    error = _post_label(request, order) if request.method == "POST" else ""
    if request.method == "POST" and not error and not request.htmx:
        return redirect(f"{request.path}?order={order}&language={language}")
    again = request.session.pop("label-again", None)
    found = Review.objects.filter(pk=again, store=request.store).first() if again else None
    found = found or labelling.claim(
        request.store, request.user, order=order, language=language, skip=_skipped(request, order)
    )
    context = {
        "order": order, "language": language, "review": found, "error": error,
        "orders": [("uncertain", _("Unsure first")), ("random", _("Random sample")), ("blind", _("Second look"))],
        "progress": labelling.progress(request.store), "wanted": WANTED, "aspect_names": aspect_names(),
        "languages": labelling.languages_of(request.store),
        "mine": labelling.own_labels(found, request.user, blind=order == "blind") if found else {},
        "show_machine": order != "blind",
    }  # fmt: skip
    if found and order != "blind":
        found = _review(request, found.pk)
        context |= review_page.context(found)
    context["label_languages"] = review_page.label_languages(request.store, found) if found else []
    return render_page_or_part(
        request, "reviews/labels.html", "reviews/_labels.html", context, target="labels", status=422 if error else 200
    )


@store_view("reviews.view")
@require_http_methods(["GET", "POST"])
def agreement(request: HttpRequest) -> HttpResponse:
    """How far two people agree, where they don't, and the gold part."""
    error = ""
    if request.method == "POST":
        if not allowed(request.role, "reviews.manage"):
            raise PermissionDenied
        try:
            counts = labelling.freeze_gold(request.store, share=int(request.POST.get("share", "20")) / 100)
            messages.success(request, _("%(n)d reviews are gold.") % {"n": sum(counts.values())})
            return redirect("reviews:agreement", store=request.store.slug)
        except ValueError:
            error = _("Write a share from 0 to 100 %.")
    context = {
        "rows": labelling.agreement(request.store), "pairs": labelling.disagreements(request.store, 30),
        "progress": labelling.progress(request.store), "gold": labelling.gold_counts(request.store), "error": error,
        "aspect_names": aspect_names(),
    }  # fmt: skip
    return render(request, "reviews/agreement.html", context, status=422 if error else 200)
