"""Reviews that other systems push: who may, and what their JSON says."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.validators import slug_re
from django.utils.dateparse import parse_date, parse_datetime

from ecomai.models import Store
from reviews import intake
from reviews.models import ReviewSettings
from reviews.reading import RawReview

MOST = 100
SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
COUNTS = ("imported", "updated", "unchanged", "skipped", "rejected")
NAMES = {"product_ref": "product"}  # a review's column → what the API calls it
JUDGEME_VERIFIED = {"buyer", "verified-buyer", "verified-purchase", "verified_purchase", "ok"}
JUDGEME_UNVERIFIED = {"nothing", "unverified", "unverified-buyer", "not-verified", "failed", "spam"}


class BadItem(ValueError):
    """An item that is no review: `field` at fault, `value` as given, a message for people."""

    def __init__(self, field: str, value: object, message: str) -> None:
        super().__init__(message)
        self.field, self.value, self.message = field, str(value)[:200], message


@dataclass(frozen=True)
class Refused:
    """Why an item can't be taken: a code, the `field` at fault ("" for the item itself), a message for people."""

    code: str
    field: str
    message: str


# A review that came in, or why it is none.
Item = RawReview | list[Refused]


@dataclass(frozen=True)
class Taken:
    """What became of each item (`index`, `status`, `id`, `errors`), how many each, and the reviews that are new or changed."""

    items: list[dict]
    counts: dict[str, int]
    moved: list[int]


def take(store: Store, items: Sequence[Item]) -> Taken:
    """Receive items of one or more sources; their order is kept in the answer. Sent twice, the rows are the same."""
    results = [{"index": i, "status": "rejected", "id": None, "errors": []} for i in range(len(items))]

    def refuse(index: int, refused: Refused) -> None:
        error = {"code": refused.code, "detail": refused.message, "attr": refused.field or None}
        results[index]["errors"].append(error)

    by_source: dict[str, list[tuple[int, RawReview]]] = {}
    for index, item in enumerate(items):
        if isinstance(item, RawReview):
            by_source.setdefault(item.source, []).append((index, item))
        else:
            for refused in item:
                refuse(index, refused)
    context = intake.context_of(store)
    for source, group in by_source.items():
        places = [index for index, _raw in group]
        outcome = intake.receive(
            store=store, items=[raw for _index, raw in group], source=source, lines=places, context=context
        )
        for index, pk, became in zip(places, outcome.ids, outcome.became, strict=True):
            results[index] |= {"id": pk, "status": became}
        for issue in outcome.issues:
            refuse(issue.line, Refused(issue.code, NAMES.get(issue.column, issue.column), issue.message))
    counts = {name: sum(result["status"] == name for result in results) for name in COUNTS}
    moved = [result["id"] for result in results if result["status"] in ("imported", "updated")]
    return Taken(results, counts, moved)


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the raw body, hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def store_of(slug: str, body: bytes, given: str) -> Store | None:
    """The store of that slug if its secret signed the body; None for a wrong signature and for a store that doesn't
    exist or has no secret, which take the same time and look the same."""
    rows = ReviewSettings.objects.select_related("store").exclude(webhook_secret="")
    found = rows.filter(store__slug=slug if slug_re.match(slug) else "").first()
    expected = signature(found.webhook_secret if found else "no such store", body)
    given = given.strip().lower().removeprefix("sha256=")
    right = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return found.store if found and right else None


def webhook_items(body: object, source: str) -> list[Item]:
    """The reviews in a webhook's JSON: one object, a list, or either below `review` or `reviews`. Raises BadItem where
    there are none, or more than MOST."""
    if not SOURCE.fullmatch(source):
        raise BadItem("source", source, "The source has 1 to 40 letters, digits, dots, dashes or underscores.")
    if isinstance(body, Mapping):
        inner = body.get("reviews", body.get("review"))
        if isinstance(inner, (list, Mapping)):
            body = inner
    sent = body if isinstance(body, list) else [body]
    if not sent or not all(isinstance(item, Mapping) for item in sent):
        raise BadItem("body", "", "Send one review as an object, or a list of them.")
    if len(sent) > MOST:
        raise BadItem("body", len(sent), f"At most {MOST} reviews at once.")
    items: list[Item] = []
    for item in sent:
        try:
            items.append(webhook_review(item, source))
        except BadItem as error:
            items.append([Refused("invalid", error.field, error.message)])
    return items


def webhook_review(item: Mapping, source: str) -> RawReview:
    """One review of a webhook, in Judge.me's or the API's own words. Raises BadItem."""
    if isinstance(item.get("reviewer"), Mapping):
        return _judgeme(item, source)
    return RawReview(
        title=_text(item, "title"), text=_text(item, "text", "body", "content"), rating=_rating(item, "rating", "score"),
        author_name=_text(item, "author_name", "author"), author_ids=_ids(item),
        product_ref=_text(item, "product", "product_ref", "product_handle", "sku"), source=source,
        source_id=_text(item, "source_id", "id"), written_at=_time(item, "written_at", "created_at", "date"),
        language=_text(item, "language", "locale"), country=_text(item, "country", "country_code"),
        verified=_flag(item, "verified"), consent=_flag(item, "consent") is not False,
    )  # fmt: skip


def _judgeme(item: Mapping, source: str) -> RawReview:
    reviewer = item["reviewer"]
    ids = [_text(reviewer, name).strip() for name in ("email", "phone", "external_id")]
    state = str(item.get("verified") or reviewer.get("verified") or "").casefold()
    verified = True if state in JUDGEME_VERIFIED else False if state in JUDGEME_UNVERIFIED else None
    return RawReview(
        title=_text(item, "title"), text=_text(item, "body"), rating=_rating(item, "rating"),
        author_name=_text(reviewer, "name"), author_ids=tuple(i for i in ids if i),
        product_ref=_text(item, "product_handle", "product_external_id", "product_title"), source=source,
        source_id=_text(item, "id"), written_at=_time(item, "created_at"), language=_text(item, "language", "locale"),
        country=_text(item, "country_code"), verified=verified,
    )  # fmt: skip


def sound(value: object) -> object:
    """Text without lone halves of surrogate pairs, which JSON can hold and no database; anything else as it is."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _given(item: Mapping, names: tuple[str, ...]) -> tuple[str, object]:
    """(name, value) of the first of the names that says something."""
    for name in names:
        if item.get(name) not in (None, ""):
            return name, sound(item[name])
    return names[0], None


def _text(item: Mapping, *names: str) -> str:
    name, value = _given(item, names)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BadItem(name, value, f"“{name}” must be text.")
    return str(value)


def _rating(item: Mapping, *names: str) -> str | float | None:
    name, value = _given(item, names)
    if isinstance(value, bool) or not isinstance(value, (str, int, float, type(None))):
        raise BadItem(name, value, f"“{name}” must be a number or text.")
    return value


def _flag(item: Mapping, name: str) -> bool | None:
    value = item.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    if word in ("true", "yes", "1", "verified"):
        return True
    if word in ("false", "no", "0", "unverified"):
        return False
    raise BadItem(name, value, f"“{name}” must be true or false.")


def _ids(item: Mapping) -> tuple[str, ...]:
    found = [_text(item, name) for name in ("email", "phone", "customer_id")]
    return tuple(i for i in found if i)


def _time(item: Mapping, *names: str) -> datetime | None:
    name, value = _given(item, names)
    if value is None:
        return None
    try:
        found = parse_datetime(str(value))
        day = None if found else parse_date(str(value)[:10]) if len(str(value)) == 10 else None
    except ValueError:
        found = day = None
    if day:
        found = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if found is None:
        raise BadItem(name, value, f"“{name}” is no time like 2026-11-25T12:00:00Z.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)
