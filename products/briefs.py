"""Briefs: what a campaign's texts are for, and what that asks of every text.

The copy model knows no briefs: its prompt is facts and an order, as in its training. A brief therefore works through
the facts (audience, words to use, what customers praise), the choice of orders, gates and ranking.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ecomai.forms import LOCALES
from ecomai.lib.text import clean_line
from ecomai.models import Store, User
from ml import encoder
from products import brand_voice, claims
from products.channels import CHANNELS, TONES, Limit
from products.claims_concepts import concepts
from products.copy_gates import Wishes
from products.copy_prompts import Facts
from products.models import CopyBrief
from products.praise import Praise, as_fact

# The languages that the copy model writes.
COPY_LOCALES = [(code, name) for code, name in LOCALES if code in ("en", "zh-Hans", "es", "de", "fr", "ja")]
ANGLES = {
    "benefit": gettext_lazy("Benefit"), "feature": gettext_lazy("Feature"), "proof": gettext_lazy("Proof"),
    "offer": gettext_lazy("Offer"), "question": gettext_lazy("Question"), "urgency": gettext_lazy("Urgency"),
}  # fmt: skip
# What the model is asked for, in the words of its training; the most fruitful first.
ORDERED = {
    "benefit": ("benefit", "use", "audience"), "feature": ("feature", "material", "detail"),
    "proof": ("detail", "feature", "material"), "offer": ("offer",), "question": ("question",), "urgency": ("offer", "detail"),
}  # fmt: skip
PLAIN = ("feature", "material", "benefit", "use", "detail", "question", "audience")
MOST_WORDS = 20
# An attribute that limits an offer in time or number. Only its own words may then be used: the fact gate sees to that.
DEADLINE = re.compile(
    r"\bends?\b|\buntil\b|\blimited|\blast (?:day|piece|call)|\bonly \d+ left|\bpre-?order|\bseason|\bendet|\bbis (?:zum )?\d|\bsolange"
    r"|\blimitiert|\bletzte|\bvorbestell|\bhasta\b|\btermina|\búltim|\blimitad|\bjusqu|\bderni|\blimité|\bprécommande|截止|限量|限时|最后|预售"
    r"|まで|限定|最後|予約",
    re.I,
)


@dataclass(frozen=True)
class Brief:
    """What a request asks beside channel, language and tone. `voice`: features of the shop's texts (brand_voice)."""

    audience: str = ""
    angles: tuple[str, ...] = ()
    must_include: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    voice: Mapping = field(default_factory=dict)
    praise: Praise = Praise()
    use_reviews: bool = True
    locale: str = "en"

    def _praise(self) -> tuple[str, str]:
        return as_fact(self.praise, self.locale) if self.use_reviews else ("", "")

    def known(self, facts: Facts) -> Facts:
        """What may be stated: the product's facts, and what its customers praise."""
        name, value = self._praise()
        return replace(facts, attributes={**facts.attributes, name: value}) if value else facts

    def shown(self, facts: Facts, angle: str = "") -> Facts:
        """What the model reads: that, the audience and the words to use, which hold nothing true by themselves.

        A small model writes of what stands before it. For proof and urgency, which it wasn't trained to tell from
        other facts, only those that carry them are shown, and the description's first sentence to stay grounded.
        """
        words = ", ".join(entry.split("|")[0].strip() for entry in self.must_include)
        more = {name: value for name, value in (("Audience", self.audience), ("Keywords", words)) if value}
        known = self.known(facts)
        if angle in ("proof", "urgency"):
            carrying = deadlines(facts) if angle == "urgency" else self._proofs(known)
            attributes = {name: value for name, value in known.attributes.items() if name in carrying}
            if attributes:
                price = {} if angle == "urgency" else {"price": "", "compare_at_price": ""}
                first = re.split(r"(?<=[.!?])\s|(?<=[。！？])", known.description, maxsplit=1)[0]
                known = replace(known, description=first, options={}, attributes=attributes, **price)
        return replace(known, attributes={**known.attributes, **more}) if more else known

    def _proofs(self, known: Facts) -> list[str]:
        """Names of the attributes that prove something: what customers praise, else certificates and the like."""
        praise, _value = self._praise()
        if praise in known.attributes:
            return [praise]
        return [
            n for n, value in known.attributes.items() if any(k == "proof" for *_at, k, _c in concepts(f"{n} {value}"))
        ]

    def lacking(self, facts: Facts) -> list[str]:
        """The angles of the brief that no fact carries."""
        known = self.known(facts)
        carried = {
            "offer": bool(facts.compare_at_price), "urgency": bool(deadlines(facts)),
            "proof": bool(self._praise()[1]) or any(kind == "proof" for kind in _kinds(known)),
        }  # fmt: skip
        return [angle for angle in self.angles if not carried.get(angle, True)]

    def orders(self, facts: Facts) -> list[tuple[str, str]]:
        """(angle as the brief names it, angle as the model knows it), in the order to try them."""
        lacking = self.lacking(facts)
        wanted = [angle for angle in self.angles if angle not in lacking]
        if not wanted:
            plain = list(PLAIN)
            if facts.compare_at_price:
                plain.insert(2, "offer")
            return [(angle, angle) for angle in plain]
        most = max(len(ORDERED[angle]) for angle in wanted)
        rows = [(angle, ORDERED[angle][i]) for i in range(most) for angle in wanted if i < len(ORDERED[angle])]
        # An offer can only be ordered where there is one.
        return [row for row in rows if row[1] != "offer" or facts.compare_at_price] or [(a, "detail") for a in wanted]

    def wishes(self, facts: Facts) -> Wishes:
        """What the gates and the ranking are to heed."""
        name, value = self._praise()
        urgent = frozenset(deadlines(facts))

        def angle_of(ordered: str, text: str, spans: list[claims.Span]) -> str:
            return ordered if _is(ordered, text, spans, urgent, name) else "detail"

        return Wishes(
            must_include=self.must_include, banned=self.banned, contradicted=tuple(self.praise.contradicted),
            praise=frozenset({name} if value else ()), angle_of=angle_of if self.angles else Wishes.angle_of,
            taste=self._taste(),
        )  # fmt: skip

    def _taste(self) -> Callable[[list[str], Limit], Sequence[float]] | None:
        if not self.voice and not self.audience:
            return None
        own = encoder.embed([self.audience], kind="query")[0] if self.audience else None

        def taste(texts: list[str], limit: Limit) -> Sequence[float]:
            fits = np.zeros(len(texts))
            if own is not None:
                fits += np.clip(encoder.embed(texts) @ own - 0.78, -0.1, 0.1) * 4
            if self.voice:
                fits -= [0.25 * brand_voice.distance(self.voice, text, limit) for text in texts]
            return fits

        return taste


def _kinds(facts: Facts) -> set[str]:
    entries = [facts.title, facts.description, *facts.attributes.values(), *facts.attributes]
    return {kind for text in entries for _s, _e, kind, _c in concepts(text)}


def deadlines(facts: Facts) -> list[str]:
    """Names of the facts that a text may make haste with."""
    return [name for name, value in facts.attributes.items() if DEADLINE.search(name) or DEADLINE.search(value)]


def _is(angle: str, text: str, spans: list[claims.Span], urgent: frozenset[str], praise: str) -> bool:
    """Whether a text is really of an angle; those that show in no claim are believed."""
    if angle == "question":
        return "?" in text or "？" in text
    if angle == "offer":
        return any(s.kind == "price" or s.fact in ("price", "compare at", claims.SAVING) for s in spans)
    if angle == "proof":
        return any(s.kind == "proof" or s.fact == praise != "" for s in spans)
    if angle == "urgency":
        return any(s.fact in urgent for s in spans) or bool(urgent and DEADLINE.search(text))
    return True


# --- briefs as they are kept
FROZEN = ("name", "audience", "angles", "must_include", "banned", "use_voice", "use_reviews")
ORDERED_FIELDS = ("channels", "locale", "tone", "variants")


def frozen(brief: CopyBrief) -> dict:
    """The brief as it is now, for a request's own record."""
    return {name: getattr(brief, name) for name in FROZEN}


def of(record: Mapping, locale: str, *, praise: Praise, voice: Mapping) -> Brief:
    """What a request's record asks for, with what the reviews say and how the shop writes today."""
    return Brief(
        audience=record.get("audience", ""), angles=tuple(record.get("angles", ())),
        must_include=tuple(record.get("must_include", ())), banned=tuple(record.get("banned", ())),
        voice=voice if record.get("use_voice", True) else {}, praise=praise,
        use_reviews=record.get("use_reviews", True), locale=locale,
    )  # fmt: skip


def phrases(lines: str) -> list[str]:
    """The entries of a text field, one a line or parted by commas (also 、 and ，); each once."""
    found = (clean_line(part)[:80] for part in re.split(r"[\n,，、;；]", lines))
    return list(dict.fromkeys(entry for entry in found if entry.strip("| ")))


def check(fields: Mapping) -> None:
    """Raise ValidationError (by field) where a brief of these fields makes no sense."""
    errors = {}
    if not fields["name"].strip():
        errors["name"] = _("Give the brief a name.")
    if not fields["channels"] or not set(fields["channels"]) <= set(CHANNELS):
        errors["channels"] = _("Choose at least one channel.")
    if not set(fields["angles"]) <= set(ANGLES):
        errors["angles"] = _("Unknown angle.")
    if fields["tone"] not in TONES:
        errors["tone"] = _("Unknown tone.")
    if not 1 <= fields["variants"] <= 10:
        errors["variants"] = _("Between 1 and 10.")
    for name in ("must_include", "banned"):
        if len(fields[name]) > MOST_WORDS:
            errors[name] = _("At most %(n)d entries.") % {"n": MOST_WORDS}
    both = {w.strip().casefold() for entry in fields["must_include"] for w in entry.split("|")}
    if clash := [word for word in fields["banned"] if word.casefold() in both]:
        errors["banned"] = _("“%(word)s” can't be both demanded and banned.") % {"word": clash[0]}
    if errors:
        raise ValidationError(errors)


def save(*, brief: CopyBrief | None, store: Store, by: User | None, **fields) -> CopyBrief:
    """Write a brief, new where `brief` is None. Raises ValidationError (by field)."""
    check(fields)
    row = brief or CopyBrief(store=store, created_by=by)
    for name, value in fields.items():
        setattr(row, name, value)
    row.updated_at = timezone.now()
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise ValidationError({"name": _("There is a brief of that name already.")}) from None
    return row


def crowded(brief: CopyBrief, bounds: Mapping[str, Limit]) -> list[Limit]:
    """Fields of the brief's channels that can't hold all the words that must be in every text."""
    least = sum(min(len(word.strip()) for word in entry.split("|")) + 1 for entry in brief.must_include) - 1
    return [limit for limit in bounds.values() if limit.channel in brief.channels and 0 < limit.limit < least]
