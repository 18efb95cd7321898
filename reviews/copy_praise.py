"""What a product's reviews praise and contradict, for the copy: counted from the opinions that count, with a short quote.

Quotes are clauses of masked texts that hold no personal data, no number of length and no order to a machine.
"""

import re
from collections.abc import Iterator

from django.db.models import Count, Q

from ml import privacy
from products.models import Product
from products.praise import Contradicted, Praise, Praised, complained_of, spared, weigh
from products.praise_lexicon import FACETS
from reviews.models import Opinion, Review
from reviews.replies import clause_at
from reviews.reply_prompts import without_orders
from reviews.review_dataset import words

MOST = 5  # praised aspects
LOOKED_AT = 40  # opinions that a quote is sought in
COMPLAINTS = 400  # newest complaints whose words are read
SHORTEST, LONGEST = 12, 110
MASKED = re.compile(r"\[[A-Z]+\]")
UNQUOTABLE = re.compile(r"@|https?:|www\.|\d{4}")
NAME_LIKE = re.compile(r"(?<=[^.!?…:]\s)[A-ZÀ-ÖØ-Þ][\w’'-]+")


def praise(product: Product) -> Praise:
    """The aspects that enough reviews of the product praise, or speak against. Reviews that count nowhere (spam, hidden,
    syndicated copies) don't count here."""
    rows = (
        Opinion.objects.filter(store=product.store_id, review__counted__product_id=product.pk)
        .values("aspect")
        .annotate(
            positive=Count("pk", filter=Q(polarity=1)), neutral=Count("pk", filter=Q(polarity=0)),
            negative=Count("pk", filter=Q(polarity=-1)),
        )
        .order_by("aspect")
    )  # fmt: skip
    praised, contradicted = weigh((row["aspect"], row["positive"], row["neutral"], row["negative"]) for row in rows)
    found = (Praised(aspect, share, n, quote(product, aspect)) for aspect, share, n in praised[:MOST])
    return Praise(tuple(found), tuple(_told_apart(product, one) for one in contradicted))


def _told_apart(product: Product, found: Contradicted) -> Contradicted:
    """With the sides of the aspect that the newest complaints leave alone."""
    if found.aspect not in FACETS:
        return found
    opinions = (
        Opinion.objects.filter(
            store=product.store_id, review__counted__product_id=product.pk, aspect=found.aspect, polarity=-1
        )
        .select_related("review__judgement")
        .order_by("-review__written_at", "-review_id")[:COMPLAINTS]
    )  # fmt: skip
    return spared(found, [_sides(opinion.review, found.aspect) for opinion in opinions])


def _sides(review: Review, aspect: str) -> frozenset[str]:
    """The sides of the aspect that a review complains of; none without words that its judgement rests on, since the
    whole text speaks of other things too."""
    judgement = getattr(review, "judgement", None)
    spans = (judgement.aspects.get(aspect, {}) if judgement else {}).get("spans") or []
    text = words(review)
    return frozenset().union(*(complained_of(aspect, clause_at(text, start)) for start, _end in spans))


def quote(product: Product, aspect: str) -> str:
    """The words of one review that praise the aspect, the surest first; "" where none may be shown."""
    opinions = (
        Opinion.objects.filter(
            store=product.store_id, review__counted__product_id=product.pk, aspect=aspect, polarity=1,
            review__rating_only=False,
        )
        .select_related("review__judgement")
        .order_by("-by_person", "-probability", "-review_id")
    )  # fmt: skip
    for opinion in opinions[:LOOKED_AT]:
        for clause in _clauses(opinion.review, aspect):
            if _may_be_shown(clause, opinion.review, product):
                return clause
    return ""


def _clauses(review: Review, aspect: str) -> Iterator[str]:
    """The clauses that the judgement rests on; a short text whole where it names none."""
    text = words(review)
    judgement = getattr(review, "judgement", None)
    spans = (judgement.aspects.get(aspect, {}) if judgement else {}).get("spans") or []
    for start, _end in spans:
        yield clause_at(text, start).strip(" \n,;-–—“”\"'")
    if not spans:
        yield review.text.strip()


def _may_be_shown(clause: str, review: Review, product: Product) -> bool:
    if not SHORTEST <= len(clause) <= LONGEST or "\n" in clause or MASKED.search(clause) or UNQUOTABLE.search(clause):
        return False
    if without_orders(clause)[1] or privacy.mask(clause, review.country, [review.language], names=True).kinds:
        return False
    author = review.author_name.split(" ")[0].casefold()
    if len(author) > 1 and author.rstrip(".*") in clause.casefold():
        return False
    # A capital within the clause may be a person's; German writes every noun with one.
    known = f"{product.title} {product.brand.name if product.brand else ''}".casefold()
    if not review.language.startswith("de") and any(
        n.casefold() not in known for n in NAME_LIKE.findall(clause) if n != "I"
    ):
        return False
    return True
