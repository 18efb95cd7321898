"""What customers say of a product, as the copy may use it: a seam that `reviews` fills.

Without a source nothing is praised and nothing contradicted.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from products.models import Product
from products.praise_lexicon import ASPECT_WORDS, CLAIMS, CUSTOMERS, FACETS, PRAISE_NAMES

LEAST = 5  # reviews that must speak of an aspect
PRAISED_SHARE = 0.7  # of the opinions on the aspect that are positive, from which it is praised
CONTRADICTED_SHARE = 0.3  # of the opinions on the aspect that are negative, from which praising it is false


class Praised(NamedTuple):
    """An aspect that customers praise: `share` of its `n` opinions are positive; `quote` holds no personal data and may
    be empty."""

    aspect: str
    share: float
    n: int
    quote: str = ""


class Contradicted(NamedTuple):
    """An aspect of which `negative` of `n` opinions are negative. `spared`: its sides that the complaints are not about
    (keys of `FACETS`), which may be praised nevertheless."""

    aspect: str
    negative: int
    n: int
    spared: tuple[str, ...] = ()


class Praise(NamedTuple):
    """The reviews of one product, weighed: the best supported first."""

    praised: tuple[Praised, ...] = ()
    contradicted: tuple[Contradicted, ...] = ()

    def as_json(self) -> dict:
        """For a request's record: numbers alone. A quote is read anew each time, so that an erased review is gone."""
        return {
            "praised": [[p.aspect, round(p.share, 4), p.n] for p in self.praised],
            "contradicted": [
                [c.aspect, c.negative, c.n, *([list(c.spared)] if c.spared else ())] for c in self.contradicted
            ],
        }

    @classmethod
    def from_json(cls, record: Mapping) -> "Praise":
        """What `as_json` gave, without quotes."""
        return cls(
            tuple(Praised(*found) for found in record.get("praised", ())),
            tuple(
                Contradicted(aspect, negative, n, tuple(spared[0]) if spared else ())
                for aspect, negative, n, *spared in record.get("contradicted", ())
            ),
        )


_source: Callable[[Product], Praise] | None = None


def set_source(function: Callable[[Product], Praise] | None) -> None:
    """Say who knows the reviews; None takes the source away."""
    global _source
    _source = function


def praise(product: Product) -> Praise:
    """What the product's reviews praise and contradict; empty where nobody knows the reviews."""
    return _source(product) if _source else Praise()


def weigh(counts: Iterable[tuple[str, int, int, int]]) -> tuple[list[tuple[str, float, int]], list[Contradicted]]:
    """From (aspect, positive, neutral, negative) numbers of reviews: the praised aspects (aspect, share, opinions), the
    best supported first, and the contradicted ones.

    Praised: at least LEAST reviews are positive and PRAISED_SHARE of the opinions on the aspect. Contradicted: at least
    LEAST reviews speak of it and CONTRADICTED_SHARE of them are negative.
    """
    praised, contradicted = [], []
    for aspect, positive, neutral, negative in counts:
        n = positive + neutral + negative
        if aspect in ASPECT_WORDS and positive >= LEAST and positive >= PRAISED_SHARE * n:
            praised.append((aspect, positive / n, n))
        if n >= LEAST and negative >= CONTRADICTED_SHARE * n:
            contradicted.append(Contradicted(aspect, negative, n))
    praised.sort(key=lambda found: (-found[1] * found[2], found[0]))
    return praised, sorted(contradicted, key=lambda found: (-found.negative / found.n, found.aspect))


def as_fact(found: Praise, locale: str) -> tuple[str, str]:
    """(name, value) of the fact "Customers praise: quality, fit" in a language; ("", "") where nothing is praised."""
    words = [ASPECT_WORDS[p.aspect].get(locale) for p in found.praised[:3] if p.aspect in ASPECT_WORDS]
    value = ", ".join(word for word in words if word)
    return (PRAISE_NAMES.get(locale, PRAISE_NAMES["en"]), value) if value else ("", "")


def _pattern(forms: str) -> re.Pattern:
    """One pattern of the alternatives: Latin ones begin a word, others stand anywhere."""
    # Only a bar outside of brackets parts two forms.
    parts = re.findall(r"(?:\([^)]*\)|\[[^\]]*\]|[^|(\[])+", forms)
    return re.compile("|".join(rf"\b{part}" if ord(part[0]) < 0x300 else part for part in parts), re.I)


_CLAIMS = {
    aspect: _pattern("|".join([forms, *(claim for claim, _ in FACETS.get(aspect, {}).values())]))
    for aspect, forms in CLAIMS.items()
}
_PROMISES = {aspect: {name: _pattern(c) for name, (c, _) in sides.items()} for aspect, sides in FACETS.items()}
_COMPLAINTS = {aspect: {name: _pattern(c) for name, (_, c) in sides.items()} for aspect, sides in FACETS.items()}
_CUSTOMERS = _pattern(CUSTOMERS)


def complained_of(aspect: str, clause: str) -> frozenset[str]:
    """The sides of an aspect that a complaint names; none where it uses other words."""
    return frozenset(name for name, pattern in _COMPLAINTS.get(aspect, {}).items() if pattern.search(clause))


def spared(found: Contradicted, complaints: Iterable[frozenset[str]]) -> Contradicted:
    """The same with the sides that its complaints leave alone. `complaints`: the sides of each (`complained_of`), of all
    negative opinions or of the newest ones.

    A side is weighed like an aspect, over the opinions that aren't known to be of other sides only: a complaint whose
    side nobody knows counts against all of them.
    """
    told = list(complaints)
    if not told:
        return found
    kept = []
    for side in _COMPLAINTS.get(found.aspect, {}):
        elsewhere = found.negative * sum(1 for sides in told if sides and side not in sides) / len(told)
        against = found.negative - elsewhere
        if not against or against < CONTRADICTED_SHARE * (found.n - elsewhere):
            kept.append(side)
    return found._replace(spared=tuple(kept))


def contradiction(text: str, contradicted: Iterable[Contradicted]) -> tuple[str, Contradicted] | None:
    """The first words of the text that promise what the reviews deny, and the aspect; None where there are none."""
    for found in contradicted:
        pattern = _CLAIMS.get(found.aspect)
        allowed = [_PROMISES[found.aspect][side] for side in found.spared if side in _PROMISES.get(found.aspect, {})]
        for match in pattern.finditer(text) if pattern else ():
            if not any(one.match(text, match.start()) for one in allowed):
                return match[0], found
    return None


def speaks_of_customers(text: str) -> str:
    """The words by which a text tells what customers think ("customers love", "beliebt"), or ""."""
    match = _CUSTOMERS.search(text)
    return match[0] if match else ""
