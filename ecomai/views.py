"""Sign-in, languages, home, jobs, profile, and the store's settings. Members and keys are in views_members."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views import i18n
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import jobs as job_room
from ecomai import members as member_room
from ecomai.access import store_view
from ecomai.forms import PasswordForm, ProfileForm, SignInForm, StoreForm, StoreSettingsForm
from ecomai.models import Job, Membership, Store, User
from ecomai.overview import overview

_login = auth_views.LoginView.as_view(
    template_name="ecomai/sign_in.html", redirect_authenticated_user=True, authentication_form=SignInForm
)
sign_out = auth_views.LogoutView.as_view()


def _in_language(response: HttpResponse, language: str) -> HttpResponse:
    """Let the browser ask for that language from now on; "" goes back to the browser's own."""
    if language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=60 * 60 * 24 * 365,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            samesite=settings.LANGUAGE_COOKIE_SAMESITE,
        )
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return response


def sign_in(request: HttpRequest) -> HttpResponse:
    """Django's sign-in; a person's own language comes along to a new browser."""
    response = _login(request)
    if request.user.is_authenticated and request.user.language:
        return _in_language(response, request.user.language)
    return response


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Django's switch, kept with the person who is signed in."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return i18n.set_language(request)


@login_required
@require_GET
def home_redirect(request: HttpRequest) -> HttpResponse:
    """To the user's first store, or to the page that makes one."""
    store = Store.objects.of(request.user).first()
    return redirect("store_home", store=store.slug) if store else redirect("store_new")


@store_view("store.view")
@require_GET
def store_home(request) -> HttpResponse:
    return render(request, "ecomai/store_home.html", {"numbers": overview(request.store)})


@login_required
@require_http_methods(["GET", "POST"])
def store_new(request: HttpRequest) -> HttpResponse:
    form = StoreForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        store = member_room.create_store(owner=request.user, **form.cleaned_data)
        return redirect("store_home", store=store.slug)
    return render(request, "ecomai/store_new.html", {"form": form})


@store_view("store.manage")
@require_http_methods(["GET", "POST"])
def store_settings(request) -> HttpResponse:
    form = StoreSettingsForm(request.POST or None, instance=Store.objects.get(pk=request.store.pk))
    if request.method == "POST" and form.is_valid():
        store = form.save()
        messages.success(request, _("Saved."))
        return redirect("store_settings", store=store.slug)
    return render(request, "ecomai/store_settings.html", {"form": form})


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Name and language, password, and the stores that the person belongs to."""
    changing = "old_password" in request.POST
    form = ProfileForm(None if changing else request.POST or None, instance=User.objects.get(pk=request.user.pk))
    password = PasswordForm(request.user, request.POST if changing else None)
    if request.method == "POST" and (password if changing else form).is_valid():
        response = redirect("profile")
        if changing:
            update_session_auth_hash(request, password.save())
            messages.success(request, _("Saved."))
            return response
        user = form.save()
        with override(user.language or None):
            messages.success(request, _("Saved."))
        return _in_language(response, user.language)
    context = {
        "form": form,
        "password": password,
        "memberships": Membership.objects.filter(user=request.user).select_related("store").order_by("store__name"),
    }
    return render(request, "ecomai/profile.html", context)


@store_view("jobs.view")
@require_GET
def jobs(request) -> HttpResponse:
    """The drawer's list; alone it is a page of its own."""
    rows = Job.objects.filter(store=request.store).order_by("-created_at")[:20]
    template = "ecomai/_jobs.html" if request.htmx else "ecomai/jobs.html"
    return render(request, template, {"jobs": rows, "running": any(job.is_open for job in rows)})


@store_view("jobs.view")
@require_GET
def job_count(request) -> HttpResponse:
    count = Job.objects.filter(store=request.store).open().count()
    return render(request, "components/_job_count.html", {"count": count})


@store_view("jobs.cancel")
@require_POST
def job_cancel(request, pk: int) -> HttpResponse:
    job = get_object_or_404(Job, pk=pk, store=request.store)
    job_room.cancel(job)
    job.refresh_from_db()
    if request.htmx:
        return render(request, "components/_job.html", {"job": job})
    return redirect(job.url or reverse("jobs", args=[request.store.slug]))
