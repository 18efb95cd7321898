"""Take single reviews out for good, numbers included."""

from django.db import transaction

from reviews import effective
from reviews.models import Review


@transaction.atomic
def delete(review: Review) -> None:
    """Delete a review with its judgement, labels, flags and reply. Its copies count by themselves from then on."""
    copies = Review.objects.filter(store_id=review.store_id, duplicate_of=review.pk).values_list("pk", flat=True)
    touched = [review.pk, *copies]
    Review.objects.filter(pk=review.pk).delete()
    effective.refresh(touched)
