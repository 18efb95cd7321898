"""Sign-in, home and the store's own pages."""

from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render

from ecomai.access import store_view
from ecomai.models import Store

sign_in = auth_views.LoginView.as_view(template_name="ecomai/sign_in.html", redirect_authenticated_user=True)
sign_out = auth_views.LogoutView.as_view()


@login_required
def home_redirect(request) -> HttpResponse:
    """To the user's first store."""
    store = Store.objects.of(request.user).first()
    return redirect("store_home", store=store.slug) if store else render(request, "ecomai/no_store.html")


@store_view("store.view")
def store_home(request) -> HttpResponse:
    return render(request, "ecomai/store_home.html")
