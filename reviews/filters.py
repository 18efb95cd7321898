"""What a page about reviews is asked to show, read from its address and written back into addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Max, Min
from django.utils.translation import gettext as _

from ecomai.models import Store
from ml.aspects import ASPECTS
from products import catalogue_search
from products.models import Category, Product
from reviews.models import Flag, StoreDay

SENTIMENTS = {"negative": -1, "neutral": 0, "positive": 1}
PRESETS = {"7": 7, "30": 30, "90": 90, "365": 365}
VERIFIED = ("yes", "no")
LONGEST = timedelta(days=366 * 30)


def aspect_names() -> dict[str, str]:
    """Aspect → its name in the present language."""
    return {
        "quality": _("Quality"), "price": _("Price"), "shipping": _("Shipping"), "service": _("Service"),
        "packaging": _("Packaging"), "size_fit": _("Size and fit"), "design": _("Design"),
        "performance": _("Performance"), "usability": _("Ease of use"), "accessories": _("Accessories"),
        "authenticity": _("Authenticity"), "general": _("Overall impression"),
    }  # fmt: skip


def sentiment_names() -> dict[str, str]:
    return {"negative": _("Negative"), "neutral": _("Neutral"), "positive": _("Positive")}


def preset_names() -> dict[str, str]:
    return {
        "7": _("7 days"), "30": _("30 days"), "90": _("90 days"), "365": _("12 months"), "all": _("All time"),
        "custom": _("Own dates"),
    }  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """`start` and `end` are UTC days, both included. `span` holds the first and last day with reviews, if any.
    `sentiment` is the whole review's, `polarity` that of the opinion on `aspect`. `errors`: parameter → message, for
    values that make no sense; they are left out."""

    store: Store
    start: date
    end: date
    period: str = "90"
    span: tuple[date, date] | None = None
    product: Product | None = None
    category: Category | None = None
    language: str = ""
    source: str = ""
    sentiment: str = ""
    aspect: str = ""
    polarity: str = ""
    stars: int | None = None
    verified: str = ""
    flag: str = ""
    q: str = ""
    show: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_query(cls, store: Store, params: Mapping[str, str], *, today: date | None = None) -> "Filters":
        """Filters of a query string. `product` is a number, a handle or words of a title; `period` a preset, or own
        dates in `from` and `to` (YYYY-MM-DD). Without a period: 90 days, or all time where those hold no review."""
        errors: dict[str, str] = {}

        def text(name: str, length: int) -> str:
            return (params.get(name) or "").strip().replace("\0", "")[:length]

        def choice(name: str, choices) -> str:
            raw = text(name, 40)
            if raw and raw not in choices:
                errors[name] = _("“%(value)s” is not one of the choices.") % {"value": raw}
                return ""
            return raw

        def day(name: str) -> date | None:
            raw = text(name, 40)
            try:
                return date.fromisoformat(raw) if raw else None
            except ValueError:
                errors[name] = _("“%(value)s” is not a date (YYYY-MM-DD).") % {"value": raw}
                return None

        ends = StoreDay.objects.filter(store=store, n__gt=0).aggregate(first=Min("day"), last=Max("day"))
        span = (ends["first"], ends["last"]) if ends["first"] else None
        today = today or datetime.now(UTC).date()
        start, end, period = _period(choice("period", [*PRESETS, "all", "custom"]), day("from"), day("to"), span, today)
        if start > end:
            errors["from"] = _("The first day comes after the last.")
            start, end = end, start
        stars = choice("stars", ["1", "2", "3", "4", "5"])
        category = text("category", 20)
        found = Category.objects.filter(store=store, pk=category).first() if category.isdecimal() else None
        if category and found is None:
            errors["category"] = _("There is no such category.")
        product = product_of(store, text("product", 200))
        if text("product", 200) and product is None:
            errors["product"] = _("There is no such product.")
        return cls(
            store=store, start=start, end=end, period=period, span=span, product=product, category=found,
            language=text("language", 12), source=text("source", 40), sentiment=choice("sentiment", SENTIMENTS),
            aspect=choice("aspect", ASPECTS), polarity=choice("polarity", SENTIMENTS), verified=choice("verified", VERIFIED),
            flag=choice("flag", ["any", *Flag.Kind.values]), stars=int(stars) if stars else None, q=text("q", 200),
            show=choice("show", ["all"]), errors=errors,
        )  # fmt: skip

    def parameters(self) -> dict[str, str]:
        """The query parameters that give these filters again."""
        given = {
            "product": self.product.pk if self.product else "", "category": self.category.pk if self.category else "",
            "language": self.language, "source": self.source, "period": self.period, "sentiment": self.sentiment,
            "aspect": self.aspect, "polarity": self.polarity, "stars": self.stars, "verified": self.verified,
            "flag": self.flag, "q": self.q, "show": self.show,
        }  # fmt: skip
        if self.period == "custom":
            given |= {"from": self.start.isoformat(), "to": self.end.isoformat()}
        return {name: str(value) for name, value in given.items() if value not in ("", None)}

    def query(self, **changes) -> str:
        """The query string of these filters with some changed; "" or None takes one out. `from_` writes `from`."""
        changes = {name.rstrip("_"): value for name, value in changes.items()}
        given = {**self.parameters(), **changes}
        return "?" + urlencode({name: value for name, value in given.items() if value not in ("", None)})

    @property
    def scope(self) -> "Filters":
        """The same without what only a list of reviews can be asked for."""
        return replace(
            self, sentiment="", aspect="", polarity="", stars=None, verified="", flag="", q="", show="", errors={}
        )

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def previous(self) -> "Filters | None":
        """The same over the period of equal length just before; None for all time, or where no review is so old."""
        if self.period == "all" or self.span is None or self.start <= self.span[0]:
            return None
        end = self.start - timedelta(days=1)
        return replace(self, start=end - timedelta(days=self.days - 1), end=end, period="custom")

    def within(self, start: date, end: date) -> "Filters":
        """The same over other days."""
        return replace(self, start=start, end=end, period="custom")


def _period(period: str, first: date | None, last: date | None, span: tuple[date, date] | None, today: date):
    """(start, end, name) of what was asked for."""
    newest = max(today, span[1]) if span else today
    if period in ("", "custom") and (first or last):
        end = last or newest
        return max(first or (span[0] if span else end), end - LONGEST), end, "custom"
    if period == "custom":
        return newest - timedelta(days=89), newest, "custom"
    if not period:
        period = "90" if span is None or span[1] > today - timedelta(days=90) else "all"
    if period == "all":
        return (span[0] if span else today - timedelta(days=89)), newest, "all"
    return today - timedelta(days=PRESETS[period] - 1), today, period


def product_of(store: Store, words: str) -> Product | None:
    """The store's product of that number, handle, SKU or title; else the first whose texts hold all the words."""
    if not words:
        return None
    own = Product.objects.filter(store=store)
    if words.isdecimal():
        found = own.filter(pk=words).first() if len(words) < 19 else None
        if found:
            return found
    for found in catalogue_search.exact(store, words):
        return found
    by_title = own.filter(title__iexact=words).order_by("pk").first()
    return by_title or catalogue_search.find(store, catalogue_search.Filters(q=words)).order_by("title", "pk").first()
