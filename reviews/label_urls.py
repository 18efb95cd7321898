"""Pages of one review, of labelling, of replies."""

from django.urls import path

from reviews import label_views

urlpatterns = [
    path("reviews/<int:pk>/", label_views.review, name="review"),
    path("reviews/<int:pk>/label/", label_views.review_label, name="review_label"),
    path("reviews/<int:pk>/visibility/", label_views.review_visibility, name="review_visibility"),
    path("reviews/<int:pk>/reply/", label_views.review_reply, name="review_reply"),
    path("reviews/flags/<int:pk>/", label_views.flag_decide, name="flag_decide"),
    path("reviews/labels/", label_views.labels, name="labels"),
    path("reviews/agreement/", label_views.agreement, name="agreement"),
    path("reviews/replies.csv", label_views.replies_export, name="replies_export"),
]
