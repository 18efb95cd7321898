"""Members, invitations and API keys of a store."""

from django.contrib import messages
from django.contrib.auth import login
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ecomai import api_keys as keys
from ecomai import members as member_room
from ecomai.access import store_view
from ecomai.forms import AcceptForm, ApiKeyForm, InviteForm
from ecomai.models import ApiKey, Invitation, Membership, Role, User
from ecomai.permissions import allowed


@store_view("members.view")
@require_http_methods(["GET", "POST"])
@never_cache
def members(request) -> HttpResponse:
    """The members and the open invitations; a POST of an owner invites, or invites again."""
    form = InviteForm(request.POST or None)
    link, mailed = "", True
    if request.method == "POST":
        if not allowed(request.role, "members.manage"):
            raise PermissionDenied
        if form.is_valid():
            address = request.build_absolute_uri(reverse("accept_invitation", args=["TOKEN"]))
            try:
                link, mailed = member_room.invite(
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
        "mailed": mailed,
        "roles": Role.choices,
    }
    return render(request, "ecomai/members.html", context)


def _tell(request, action, *args) -> bool:
    """Run a room's function and show its refusal as a message. False when it refused."""
    try:
        action(*args)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return False
    messages.success(request, _("Saved."))
    return True


@store_view("members.manage")
@require_POST
def member_change(request, pk: int) -> HttpResponse:
    membership = get_object_or_404(Membership, pk=pk, store=request.store)
    if "remove" in request.POST:
        done = _tell(request, member_room.remove, membership)
        if done and membership.user_id == request.user.pk:
            return redirect("home")
    else:
        _tell(request, member_room.change_role, membership, request.POST.get("role", ""))
    return redirect("members", store=request.store.slug)


@store_view("store.view")
@require_POST
def store_leave(request) -> HttpResponse:
    """Whatever the role: anybody but the last owner may go."""
    membership = get_object_or_404(Membership, user=request.user, store=request.store)
    return redirect("home" if _tell(request, member_room.remove, membership) else "profile")


@store_view("members.manage")
@require_POST
def invitation_revoke(request, pk: int) -> HttpResponse:
    get_object_or_404(Invitation, pk=pk, store=request.store, accepted_at=None).delete()
    messages.success(request, _("The invitation no longer works."))
    return redirect("members", store=request.store.slug)


@require_http_methods(["GET", "POST"])
@never_cache
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """A new person sets a name and a password; somebody who has an account signs in and joins."""
    invitation = member_room.find_invitation(token)
    if invitation is None:
        return render(request, "ecomai/invitation_gone.html", status=404)
    known = User.objects.filter(email__iexact=invitation.email).first()
    if request.user.is_authenticated and request.user != known:
        return render(request, "ecomai/invitation_other.html", {"invitation": invitation}, status=403)
    if known and not request.user.is_authenticated:
        return redirect(f"{reverse('sign_in')}?{urlencode({'next': request.path})}")
    form = None if known else AcceptForm(request.POST or None)
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            if form is None:
                member_room.accept(invitation, known)
            else:
                user = member_room.accept_as_new(invitation, **form.cleaned_data)
                login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("home")
        return redirect("store_home", store=invitation.store.slug)
    return render(request, "ecomai/accept_invitation.html", {"invitation": invitation, "form": form})


@store_view("keys.manage")
@require_http_methods(["GET", "POST"])
@never_cache
def api_keys(request) -> HttpResponse:
    form = ApiKeyForm(request.POST or None)
    secret = ""
    if request.method == "POST" and form.is_valid():
        _key, secret = keys.create(store=request.store, by=request.user, **form.cleaned_data)
        form = ApiKeyForm()
    rows = ApiKey.objects.filter(store=request.store).order_by("-revoked_at", "-created_at")
    return render(request, "ecomai/api_keys.html", {"form": form, "secret": secret, "keys": rows})


@store_view("keys.manage")
@require_POST
def api_key_revoke(request, pk: int) -> HttpResponse:
    keys.revoke(get_object_or_404(ApiKey, pk=pk, store=request.store))
    messages.success(request, _("The key no longer works."))
    return redirect("api_keys", store=request.store.slug)
