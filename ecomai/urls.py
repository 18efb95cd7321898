"""Every address of the app. A store's pages are below /s/<store>/, the API below /api/v1/."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from ecomai import views, views_health, views_members
from ecomai.forms import NewPasswordForm, ResetForm

handler404 = "ecomai.api_errors.not_found"
urlpatterns = [
    # first: shoppers wait for it
    path("api/v1/", include("products.api_urls")),
    path("api/v1/", include("reviews.api_urls")),
    path("", views.home_redirect, name="home"),
    path("healthz", views_health.healthz, name="healthz"),
    path("readyz", views_health.readyz, name="readyz"),
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path(
        "password/",
        auth_views.PasswordResetView.as_view(form_class=ResetForm, success_url="/password/sent/"),
        name="password_reset",
    ),
    path("password/sent/", auth_views.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path(
        "password/<uidb64>/<token>/",
        auth_views.PasswordResetConfirmView.as_view(form_class=NewPasswordForm, success_url="/sign-in/"),
        name="password_reset_confirm",
    ),
    path("profile/", views.profile, name="profile"),
    path("stores/new/", views.store_new, name="store_new"),
    path("invitations/<str:token>/", views_members.accept_invitation, name="accept_invitation"),
    path("i18n/setlang/", views.set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("s/<slug:store>/", include("ecomai.store_urls")),
    path("s/<slug:store>/", include("products.urls")),
    path("s/<slug:store>/", include("reviews.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api_docs"),
]
