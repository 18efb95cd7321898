"""Pages of one store that belong to no app: home, settings, members, keys, jobs."""

from django.urls import path

from ecomai import privacy_views, views, views_members, webhook_views

urlpatterns = [
    path("", views.store_home, name="store_home"),
    path("settings/", views.store_settings, name="store_settings"),
    path("leave/", views_members.store_leave, name="store_leave"),
    path("members/", views_members.members, name="members"),
    path("members/<int:pk>/", views_members.member_change, name="member_change"),
    path("invitations/<int:pk>/revoke/", views_members.invitation_revoke, name="invitation_revoke"),
    path("keys/", views_members.api_keys, name="api_keys"),
    path("keys/<int:pk>/revoke/", views_members.api_key_revoke, name="api_key_revoke"),
    path("privacy/", privacy_views.privacy, name="privacy"),
    path("privacy/<int:pk>/archive.zip", privacy_views.privacy_archive, name="privacy_archive"),
    path("webhooks/", webhook_views.webhooks, name="webhooks"),
    path("webhooks/<int:pk>/change/", webhook_views.webhook_change, name="webhook_change"),
    path("webhooks/deliveries/<int:pk>/", webhook_views.webhook_delivery, name="webhook_delivery"),
    path("webhooks/deliveries/<int:pk>/resend/", webhook_views.webhook_resend, name="webhook_resend"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/count/", views.job_count, name="job_count"),
    path("jobs/<int:pk>/cancel/", views.job_cancel, name="job_cancel"),
]
