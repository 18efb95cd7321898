"""The models of reviews: what came in, what the machine made of it, what people said."""

from reviews.models.alerts import Alert, AlertMute
from reviews.models.imports import ReviewImport, ReviewImportIssue
from reviews.models.judgements import Flag, Judgement, Label, Opinion
from reviews.models.replies import LabelClaim, Reply, ReviewAction
from reviews.models.review import Review, ReviewSettings
from reviews.models.statistics import CountedReview, DigestMail, ProductMonth, StoreDay
from reviews.models.topics import Phrase, PhraseSource, Topic, TopicReview, TopicSet

__all__ = [
    "Alert",
    "AlertMute",
    "CountedReview",
    "DigestMail",
    "Flag",
    "Judgement",
    "Label",
    "LabelClaim",
    "Opinion",
    "Phrase",
    "PhraseSource",
    "ProductMonth",
    "Reply",
    "Review",
    "ReviewAction",
    "ReviewImport",
    "ReviewImportIssue",
    "ReviewSettings",
    "StoreDay",
    "Topic",
    "TopicReview",
    "TopicSet",
]
