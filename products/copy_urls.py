"""Addresses of the copy pages."""

from django.urls import path

from products import asset_views, brief_views, channel_views, copy_batch_views, copy_views, preferences_views

urlpatterns = [
    path("products/<int:pk>/copy/", copy_views.write_copy, name="write_copy"),
    path("copy/", copy_views.copy_requests, name="copy_requests"),
    path("copy/<int:pk>/", copy_views.copy_request, name="copy_request"),
    path("copy/<int:pk>/approved.csv", copy_views.copy_export, name="copy_export"),
    path("copy/assets/decide/", asset_views.assets_decide, name="assets_decide"),
    path("copy/assets/<int:pk>/edit/", asset_views.asset_edit, name="asset_edit"),
    path("copy/assets/<int:pk>/check/", asset_views.asset_check, name="asset_check"),
    path("copy/assets/<int:pk>/decide/", asset_views.asset_decide, name="asset_decide"),
    path("copy/assets/<int:pk>/rewrite/", asset_views.asset_rewrite, name="asset_rewrite"),
    path("copy/assets/<int:pk>/use/", asset_views.asset_use, name="asset_use"),
    path("copy/assets/<int:pk>/history/", asset_views.asset_history, name="asset_history"),
    path("copy/assets/<int:pk>/comment/", asset_views.asset_comment, name="asset_comment"),
    path("copy/revisions/<int:pk>/restore/", asset_views.revision_restore, name="revision_restore"),
    path("copy/briefs/", brief_views.briefs, name="briefs"),
    path("copy/briefs/new/", brief_views.brief_new, name="brief_new"),
    path("copy/briefs/<int:pk>/", brief_views.brief_edit, name="brief_edit"),
    path("copy/briefs/<int:pk>/delete/", brief_views.brief_delete, name="brief_delete"),
    path("copy/voice/", brief_views.brand_voice, name="brand_voice"),
    path("copy/pairs/", preferences_views.copy_pairs, name="copy_pairs"),
    path("copy/batches/", copy_batch_views.copy_batches, name="copy_batches"),
    path("copy/batches/select/", copy_batch_views.copy_batch_select, name="copy_batch_select"),
    path("copy/batches/new/", copy_batch_views.copy_batch_new, name="copy_batch_new"),
    path("copy/batches/<int:pk>/", copy_batch_views.copy_batch, name="copy_batch"),
    path("copy/batches/<int:pk>/go-on/", copy_batch_views.copy_batch_go_on, name="copy_batch_go_on"),
    path("copy/batches/<int:pk>/review/", copy_batch_views.copy_batch_review, name="copy_batch_review"),
    path("channels/", channel_views.channels, name="channels"),
]
