"""Django admin of reviews: to read and find. What changes numbers has pages of its own that keep them right."""

from django.contrib import admin
from django.db.models import Model
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from ecomai.admin import StoreScoped
from reviews import models, removal, review_settings


class LogAdmin(StoreScoped):
    """Rows that tell what came in, what was read or what was said: to be read, not changed."""

    view_permission = "reviews.view"
    edit_permission = "reviews.manage"
    show_full_result_count = False

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(models.Review)
class ReviewAdmin(LogAdmin):
    list_display = ["__str__", "store", "product", "language", "rating", "sentiment", "status", "written_at"]
    list_filter = [
        "status",
        "sentiment",
        "language",
        "gold",
        "needs_scoring",
        ("store", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["store", "product"]
    search_fields = ["title", "text", "source_id"]
    date_hierarchy = "written_at"
    exclude = ["author_hashes"]

    def has_delete_permission(self, request, obj=None) -> bool:
        return StoreScoped.has_delete_permission(self, request, obj)

    def delete_model(self, request, obj) -> None:
        removal.delete(obj)

    def delete_queryset(self, request, queryset) -> None:
        for review in queryset:
            removal.delete(review)


@admin.register(models.ReviewSettings)
class SettingsAdmin(StoreScoped):
    view_permission = edit_permission = "reviews.manage"
    list_display = ["store", "keep_raw", "retention_days", "mask_names", "tone", "digest"]
    exclude = ["webhook_secret"]
    autocomplete_fields = ["store"]

    def save_model(self, request, obj, form, change) -> None:
        review_settings.save(obj)


@admin.register(models.ReviewImport)
class ImportAdmin(LogAdmin):
    view_permission = "reviews.import"
    list_display = ["filename", "store", "status", "rows", "created_by", "created_at"]
    list_filter = ["status", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["store", "created_by"]

    @admin.display(description=_("rows"))
    def rows(self, run: models.ReviewImport) -> int | None:
        return run.counts.get("rows")


@admin.register(models.ReviewImportIssue)
class IssueAdmin(LogAdmin):
    view_permission = "reviews.import"
    list_display = ["run", "line", "column", "value", "code", "rejected"]
    list_filter = ["code", "rejected"]
    list_select_related = ["run"]


@admin.register(models.Judgement)
class JudgementAdmin(LogAdmin):
    list_display = ["review", "store", "expected", "sentiment", "confidence", "uncertainty", "model_label", "made_at"]
    list_filter = ["sentiment", "model_label", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["review", "store"]


@admin.register(models.Label)
class LabelAdmin(LogAdmin):
    list_display = ["review", "field", "aspect", "value", "old_value", "blind", "by", "made_at"]
    list_filter = ["field", "blind", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["review", "by"]


@admin.register(models.Opinion)
class OpinionAdmin(LogAdmin):
    list_display = ["review", "aspect", "polarity", "probability", "by_person"]
    list_filter = ["aspect", "polarity", "by_person", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["review"]


@admin.register(models.Flag)
class FlagAdmin(LogAdmin):
    list_display = ["review", "kind", "reason", "upheld", "decided_by", "made_at"]
    list_filter = ["kind", "upheld", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["review", "decided_by"]


@admin.register(models.Reply)
class ReplyAdmin(LogAdmin):
    list_display = ["review", "status", "language", "model_label", "approved_by", "created_at"]
    list_filter = ["status", "language", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["review", "approved_by"]


@admin.register(models.ReviewAction)
class ActionAdmin(LogAdmin):
    list_display = ["review", "kind", "about", "reason", "by", "made_at"]
    list_filter = ["kind", "reason", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["review", "by"]


@admin.register(models.Alert)
class AlertAdmin(LogAdmin):
    list_display = ["__str__", "store", "kind", "severity", "observed", "expected", "status", "opened_at"]
    list_filter = ["kind", "severity", "status", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["store"]


@admin.register(models.AlertMute)
class MuteAdmin(LogAdmin):
    list_display = ["kind", "store", "product", "aspect", "until", "by"]
    list_select_related = ["store", "product", "by"]


@admin.register(models.TopicSet)
class TopicSetAdmin(LogAdmin):
    list_display = ["store", "product", "language", "reviews", "in_topics", "other", "made_at"]
    list_filter = ["language", ("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["store", "product"]


@admin.register(models.Topic)
class TopicAdmin(LogAdmin):
    list_display = ["name", "given_name", "store", "reviews", "positive", "negative", "last_seen_at"]
    list_filter = [("store", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["store"]
    search_fields = ["name", "given_name"]
    exclude = ["centroid"]


def _register(model: type[Model], *columns: str) -> None:
    """Sums and bookkeeping, for whoever looks into a number."""
    vectors = [f.name for f in model._meta.fields if isinstance(f, HalfVectorField)]
    bases, body = (LogAdmin,), {"list_display": columns, "exclude": vectors, "list_select_related": True}
    admin.site.register(model, type(f"{model.__name__}Admin", bases, body))


_register(models.CountedReview, "review_id", "store", "day", "language", "source", "rating", "stars", "sentiment")
_register(models.StoreDay, "store", "day", "language", "source", "n", "negative", "neutral", "positive")
_register(models.ProductMonth, "store", "product_id", "month", "language", "source", "n", "negative", "positive")
_register(models.DigestMail, "store", "user", "week", "sent_at")
_register(models.LabelClaim, "review_id", "store", "by", "until")
_register(models.Phrase, "review_id", "store", "aspect", "polarity", "start", "end")
_register(models.PhraseSource, "review_id", "store", "made_at")
_register(models.TopicReview, "topic_id", "review_id", "store", "polarity", "similarity")
