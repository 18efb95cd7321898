"""Reviews about goods or services of a quite different kind than the store sells: a hotel's review in a shoe shop.

`kinds_of_goods.json` holds the kinds in plain words: shoppers' sentences of each, which kinds lie near each other, and
sentences that name no goods at all. Cosines of the e5 family all lie close together, so a text's nearness to one kind is
only ever compared with its nearness to others; what the goods are decides, never whether they are praised.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.core.cache import cache
from django.db.models import Count, F, Max, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext_noop

from ecomai.models import Store
from ml import encoder, sources
from products.models import Product
from reviews.flags import FoundFlag
from reviews.models import Flag, Review
from reviews.reading import for_model
from reviews.review_dataset import words

FILE = Path(__file__).with_name("kinds_of_goods.json")
READ = 500  # characters of a review: what it is about is said by then
DESCRIBED = 200  # characters of a product's description
SAMPLE = 500  # products that tell what a store sells, first one of each category and type, then a second …
# Both chosen on the train parts that `benchmarks/off_topic.py` names; its results say what they do on the test parts.
MARGIN = 0.25  # how much nearer a foreign kind must be than all that fits
CLOSE = 0.1  # a product is of its nearest kind, and of those that are nearly as near
CLEAR = 0.4  # how near it must be to say what it is: many a title is a name alone
TELLING = 0.5  # share of a store's products that must say what they are
RARE = 0.01  # share of them below which a kind is taken for a mistake
SHRINK = 0.6
DAY, MONTH = 86_400, 30 * 86_400  # seconds
REASON = gettext_noop("Speaks of %(seen)s; the store sells %(sold)s.")
NAMED = 3  # kinds of the store that the reason names


@dataclass(frozen=True)
class Kinds:
    """The kinds and where they lie. The last one is "names no goods"."""

    names: tuple[str, ...]
    fits: np.ndarray  # (n, n) bool: kinds so alike that a review of one is no surprise among the other
    mean: np.ndarray  # (d,)
    whitener: np.ndarray  # (d, d)
    middles: np.ndarray  # (n, d), unit
    examples: np.ndarray  # (m, d), unit
    owners: np.ndarray  # (m,) the kind of each example

    @property
    def nothing(self) -> int:
        return len(self.names) - 1


@dataclass(frozen=True)
class Named:
    """A product's kinds, the nearest first, and whether its words are clear about them."""

    kinds: tuple[int, ...]
    clear: bool


@dataclass(frozen=True)
class Sold:
    """What a store sells: its kinds, the commonest first."""

    kinds: tuple[int, ...]

    def fitting(self, kinds: Kinds) -> np.ndarray:
        """(n,) bool: what a review may be about, which is also nothing in particular."""
        fits = kinds.fits[list(self.kinds)].any(axis=0)
        fits[kinds.nothing] = True
        return fits


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


@lru_cache(maxsize=1)
def _rules(label: str) -> str:
    """What cached values depend on, besides the words themselves."""
    chosen = repr((label, SHRINK, CLOSE, CLEAR, TELLING, RARE, SAMPLE, DESCRIBED))
    return hashlib.sha256(FILE.read_bytes() + chosen.encode()).hexdigest()[:20]


def _key(*parts: object) -> str:
    return ":".join(["off_topic", _rules(encoder.model_label()), *map(str, parts)])


@lru_cache(maxsize=1)
def _kinds(label: str) -> Kinds:
    data = json.loads(FILE.read_text(encoding="utf-8"))
    families = {name: family for family, inside in data["families"].items() for name in inside}
    texts = [inside[name] for inside in data["families"].values() for name in inside] + [data["nothing"]]
    names = (*families, "")
    owners = np.repeat(np.arange(len(names)), [len(one) for one in texts])
    vectors = _embedded([text for one in texts for text in one])

    fits = np.array([[a == b or (families.get(a) is not None and families.get(a) == families.get(b)) for b in names]
                     for a in names])  # fmt: skip
    for pair in data["near"]:
        one, other = ([name == p or families.get(name) == p for name in names] for p in pair)
        fits |= np.outer(one, other) | np.outer(other, one)

    # Whitened by the spread inside the kinds, so that language and manner of writing count for little: the within-class
    # covariance of linear discriminant analysis, shrunk to a multiple of the identity (Friedman 1989).
    inside = vectors - np.stack([vectors[owners == k].mean(axis=0) for k in range(len(names))])[owners]
    spread = inside.T @ inside / (len(vectors) - len(names))
    spread = (1 - SHRINK) * spread + SHRINK * np.trace(spread) / len(spread) * np.eye(len(spread))
    values, axes = np.linalg.eigh(spread)
    whitener, mean = axes / np.sqrt(values), vectors.mean(axis=0)
    placed = (vectors - mean) @ whitener
    middles = _unit(np.stack([placed[owners == k].mean(axis=0) for k in range(len(names))]))
    return Kinds(names, fits, mean, whitener, middles, _unit(placed), owners)


def kinds() -> Kinds:
    """The kinds, embedded by the configured encoder; from memory or the cache where they are there. Raises
    sources.ModelSourceError."""
    return _kinds(encoder.model_label())


def _embedded(texts: Sequence[str]) -> np.ndarray:
    """Vectors (m, d) of the kinds' own sentences. They are the product's, not a store's: kept for all."""
    found = cache.get(_key("kinds"))
    if found is None:
        found = encoder.embed(texts)
        cache.set(_key("kinds"), found, MONTH)
    return found.astype(np.float64)


def nearness(vectors: np.ndarray) -> np.ndarray:
    """(n, kinds): how near each text is to each kind, as the sum of two cosines, to its middle and to its nearest
    example."""
    among = kinds()
    placed = _unit((vectors - among.mean) @ among.whitener)
    examples = placed @ among.examples.T
    starts = np.searchsorted(among.owners, np.arange(len(among.names)))
    return placed @ among.middles.T + np.maximum.reduceat(examples, starts, axis=1)


def kinds_of(texts: Sequence[str]) -> list[Named]:
    """What products are, by the texts that describe them."""
    if not texts:
        return []
    nothing, out = kinds().nothing, []
    for row in nearness(encoder.embed(texts)):
        order = [int(k) for k in np.argsort(-row)]
        goods = [k for k in order if k != nothing]
        near = tuple(k for k in goods if row[k] >= row[goods[0]] - CLOSE)
        out.append(Named(near, order[0] != nothing and bool(row[order[0]] >= CLEAR)))
    return out


def sold_by(products: Sequence[Named]) -> Sold | None:
    """What a store of these products sells; None where too few of them say what they are."""
    clear = [one.kinds for one in products if one.clear]
    if not clear or len(clear) < TELLING * len(products):
        return None
    counts = Counter(kind for one in clear for kind in one)
    return Sold(tuple(kind for kind, n in counts.most_common() if n >= RARE * len(clear)))


def text_of(product: Product) -> str:
    """The words that say what a product is."""
    kind = product.category.path if product.category else product.product_type or product.google_category
    return "\n".join(part for part in (product.title, kind, product.description_text[:DESCRIBED]) if part)


def _kinds_of_products(store: Store, products: Sequence[Product]) -> list[Named]:
    """`kinds_of`, once for each text of the store."""
    texts = [text_of(product) for product in products]
    keys = [_key("product", store.pk, hashlib.sha256(text.encode()).hexdigest()[:32]) for text in texts]
    known = cache.get_many(set(keys))
    fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if fresh:
        # Plain tuples: an older row of the cache must never fail to load.
        made = {key: (one.kinds, one.clear) for key, one in zip(fresh, kinds_of(list(fresh.values())), strict=True)}
        cache.set_many(made, MONTH)
        known |= made
    return [Named(*known[key]) for key in keys]


def sold(store: Store) -> Sold | None:
    """What the store's catalogue says it sells; None for an empty one, or where its products don't say what they are.
    Looked up again when a product came, went or changed, and once a day."""
    state = Product.objects.filter(store=store).aggregate(n=Count("pk"), last=Max("updated_at"))
    if not state["n"]:
        return None
    key = _key("store", store.pk, state["n"], state["last"].timestamp())
    kept = cache.get(key)
    if kept is None:
        turn = Window(RowNumber(), partition_by=[F("category"), F("product_type")], order_by=F("pk").desc())
        rows = (
            Product.objects.filter(store=store).annotate(turn=turn).order_by("turn", "-pk").select_related("category")
        )
        made = sold_by(_kinds_of_products(store, list(rows[:SAMPLE])))
        kept = made.kinds if made else ()
        cache.set(key, kept, DAY)
    return Sold(kept) if kept else None


def margins(vectors: np.ndarray, fitting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much nearer each text is to the nearest kind that doesn't fit than to all that does, and that kind's number.

    `vectors`: (n, d) by the encoder; `fitting`: (n, kinds) or (kinds,) bool. −inf where every kind fits.
    """
    near = nearness(vectors)
    fitting = np.broadcast_to(fitting, near.shape)
    foreign = np.where(fitting, -np.inf, near)
    return foreign.max(axis=1) - np.where(fitting, near, -np.inf).max(axis=1), foreign.argmax(axis=1)


def find(store: Store, reviews: Sequence[Review]) -> dict[int, FoundFlag]:
    """Review → the flag of those that speak of other goods than the store sells, or than their own product is. One
    batched pass of the encoder; nothing where there are no products to compare with or no encoder is prepared."""
    try:
        offer = sold(store) if reviews else None
        return _find(store, reviews, offer) if offer else {}
    except sources.ModelSourceError:
        return {}


def _find(store: Store, reviews: Sequence[Review], offer: Sold) -> dict[int, FoundFlag]:
    among = kinds()
    ids = {review.product_id for review in reviews if review.product_id}
    products = list(Product.objects.filter(store=store, pk__in=ids).select_related("category"))
    own = {p.pk: named.kinds for p, named in zip(products, _kinds_of_products(store, products), strict=True)}
    fitting = np.array([Sold((*offer.kinds, *own.get(review.product_id, ()))).fitting(among) for review in reviews])
    rows = np.flatnonzero(~fitting.all(axis=1))
    if not len(rows):
        return {}
    vectors = encoder.embed([for_model(words(reviews[i]))[:READ] for i in rows])
    out = {}
    for i, margin, kind in zip(rows, *margins(vectors, fitting[rows]), strict=True):
        if margin > MARGIN:
            out[reviews[i].pk] = _flag(among, offer, int(kind), float(margin))
    return out


def _flag(among: Kinds, offer: Sold, kind: int, margin: float) -> FoundFlag:
    seen, selling = among.names[kind], [among.names[k] for k in offer.kinds[:NAMED]]
    reason = REASON % {"seen": seen, "sold": "; ".join(selling)}
    return FoundFlag(Flag.Kind.OFF_TOPIC, reason, {"seen": seen, "sold": selling, "margin": round(margin, 2)})
