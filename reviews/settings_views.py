"""The page of a store's choices about its reviews."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from ecomai.access import store_view
from reviews import intake, review_settings
from reviews.forms import ReviewSettingsForm


@store_view("reviews.manage")
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """Privacy, replies, mails, and where other systems send reviews to."""
    row = intake.settings_of(request.store)
    form = ReviewSettingsForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        deleted = review_settings.save(form.save(commit=False))
        messages.success(request, _("Saved."))
        if deleted:
            messages.info(
                request,
                ngettext("%(n)d unmasked text was deleted.", "%(n)d unmasked texts were deleted.", deleted)
                % {"n": deleted},
            )
        return redirect("reviews:settings", store=request.store.slug)
    context = {
        "form": form, "secret": row.webhook_secret,
        "webhook_url": request.build_absolute_uri(reverse("reviews_api:webhook", args=[request.store.slug, "judgeme"])),
        "api_url": request.build_absolute_uri(reverse("reviews_api:reviews")),
    }  # fmt: skip
    return render(request, "reviews/settings.html", context, status=422 if form.errors else 200)


@store_view("reviews.manage")
@require_POST
def settings_secret(request: HttpRequest) -> HttpResponse:
    """A new secret of incoming webhooks."""
    review_settings.new_secret(request.store)
    messages.success(request, _("There is a new secret. Put it in wherever reviews come from."))
    return redirect(reverse("reviews:settings", args=[request.store.slug]) + "#webhook")
