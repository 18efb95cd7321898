"""Sign-in, home, jobs, and the store's settings."""

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import api_keys as keys
from ecomai import jobs as job_room
from ecomai import members as member_room
from ecomai.access import store_view
from ecomai.forms import AcceptForm, ApiKeyForm, InviteForm, ProfileForm, SignInForm, StoreForm, StoreSettingsForm
from ecomai.models import ApiKey, Invitation, Job, Membership, Role, Store, User
from ecomai.overview import overview
from ecomai.permissions import allowed

sign_in = auth_views.LoginView.as_view(
    template_name="ecomai/sign_in.html", redirect_authenticated_user=True, authentication_form=SignInForm
)
sign_out = auth_views.LogoutView.as_view()


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


@store_view("members.view")
@require_http_methods(["GET", "POST"])
def members(request) -> HttpResponse:
    """The members; a POST of an owner invites."""
    form = InviteForm(request.POST or None)
    link = ""
    if request.method == "POST":
        _require(request, "members.manage")
        if form.is_valid():
            address = request.build_absolute_uri(reverse("accept_invitation", args=["TOKEN"]))
            try:
                _invitation, link = member_room.invite(
                    store=request.store, by=request.user, link=address, **form.cleaned_data
                )
                form = InviteForm()
            except ValidationError as error:
                form.add_error("email", error)
    context = {
        "members": Membership.objects.filter(store=request.store).select_related("user").order_by("user__email"),
        "invitations": Invitation.objects.filter(store=request.store, accepted_at=None).order_by("-created_at"),
        "form": form,
        "link": link,
        "roles": Role.choices,
    }
    return render(request, "ecomai/members.html", context)


def _require(request, permission: str) -> None:
    if not allowed(request.role, permission):
        raise PermissionDenied


def _tell(request, action, *args) -> None:
    """Run a room's function and show its refusal as a message."""
    try:
        action(*args)
        messages.success(request, _("Saved."))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))


@store_view("members.manage")
@require_POST
def member_change(request, pk: int) -> HttpResponse:
    membership = get_object_or_404(Membership, pk=pk, store=request.store)
    if "remove" in request.POST:
        _tell(request, member_room.remove, membership)
    else:
        _tell(request, member_room.change_role, membership, request.POST.get("role", ""))
    return redirect("members", store=request.store.slug)


@store_view("members.manage")
@require_POST
def invitation_revoke(request, pk: int) -> HttpResponse:
    get_object_or_404(Invitation, pk=pk, store=request.store, accepted_at=None).delete()
    messages.success(request, _("The invitation no longer works."))
    return redirect("members", store=request.store.slug)


@require_http_methods(["GET", "POST"])
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """A new person sets a name and a password; somebody who has an account signs in and joins."""
    invitation = member_room.find_invitation(token)
    if invitation is None:
        return render(request, "ecomai/invitation_gone.html", status=404)
    known = User.objects.filter(email__iexact=invitation.email).first()
    if known and request.user != known:
        return redirect(f"{reverse('sign_in')}?next={request.path}")
    form = None if known else AcceptForm(request.POST or None)
    if request.method == "POST" and (known or form.is_valid()):
        user = known
        if form is not None:
            data = form.cleaned_data
            user = User.objects.create_user(
                invitation.email, data["password"], first_name=data["first_name"], last_name=data["last_name"]
            )
        try:
            member_room.accept(invitation, user)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("home")
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("store_home", store=invitation.store.slug)
    return render(request, "ecomai/accept_invitation.html", {"invitation": invitation, "form": form})


@store_view("keys.manage")
@require_http_methods(["GET", "POST"])
def api_keys(request) -> HttpResponse:
    form = ApiKeyForm(request.POST or None)
    secret = ""
    if request.method == "POST" and form.is_valid():
        _key, secret = keys.create(store=request.store, by=request.user, **form.cleaned_data)
        form = ApiKeyForm()
    rows = ApiKey.objects.filter(store=request.store).order_by("revoked_at", "-created_at")
    return render(request, "ecomai/api_keys.html", {"form": form, "secret": secret, "keys": rows})


@store_view("keys.manage")
@require_POST
def api_key_revoke(request, pk: int) -> HttpResponse:
    keys.revoke(get_object_or_404(ApiKey, pk=pk, store=request.store))
    messages.success(request, _("The key no longer works."))
    return redirect("api_keys", store=request.store.slug)


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    changing = "old_password" in request.POST
    form = ProfileForm(None if changing else request.POST or None, instance=User.objects.get(pk=request.user.pk))
    password = PasswordChangeForm(request.user, request.POST if changing else None)
    for field in password.fields.values():
        field.widget.attrs["class"] = "input"
    if request.method == "POST":
        if changing and password.is_valid():
            update_session_auth_hash(request, password.save())
            messages.success(request, _("Your password was changed."))
            return redirect("profile")
        if not changing and form.is_valid():
            form.save()
            messages.success(request, _("Saved."))
            return redirect("profile")
    return render(request, "ecomai/profile.html", {"form": form, "password": password})


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
