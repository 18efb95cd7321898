"""The models of reviews: what came in, what the machine made of it, what people said."""

from reviews.models.imports import ReviewImport, ReviewImportIssue
from reviews.models.judgements import Flag, Judgement, Label, Opinion
from reviews.models.review import Review, ReviewSettings
from reviews.models.statistics import CountedReview, ProductMonth, StoreDay

__all__ = [
    "CountedReview",
    "Flag",
    "Judgement",
    "Label",
    "Opinion",
    "ProductMonth",
    "Review",
    "ReviewImport",
    "ReviewImportIssue",
    "ReviewSettings",
    "StoreDay",
]
