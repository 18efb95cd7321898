"""The models of reviews: what came in, what the machine made of it, what people said."""

from reviews.models.imports import ReviewImport, ReviewImportIssue
from reviews.models.judgements import Flag, Judgement, Label, Opinion
from reviews.models.review import Review, ReviewSettings

__all__ = [
    "Flag",
    "Judgement",
    "Label",
    "Opinion",
    "Review",
    "ReviewImport",
    "ReviewImportIssue",
    "ReviewSettings",
]
