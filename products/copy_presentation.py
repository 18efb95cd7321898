"""How texts are shown: names of rules, the words that a fact supports, cards, and the fields of an order side by side."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, QuerySet
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ecomai.lib.text import Length, measure
from products import briefs, copy_previews
from products.channels import ANGLES, CHANNELS, Limit
from products.copy_editing import Verdict
from products.copy_gates import Objection
from products.models import AdAsset, CopyRequest

RULES = {
    "empty": gettext_lazy("empty"), "too_long": gettext_lazy("over the channel's limit"), "too_short": gettext_lazy("too short"),
    "markup": gettext_lazy("contains markup"), "link": gettext_lazy("contains a link or a number to call"), "emoji": gettext_lazy("emoji or half-width signs"),
    "punctuation": gettext_lazy("repeated punctuation"), "decoration": gettext_lazy("decorative signs"), "exclamation": gettext_lazy("an exclamation mark too many"),
    "capitals": gettext_lazy("words in capitals"), "leak": gettext_lazy("repeats the order"), "language": gettext_lazy("in another language"), "untranslated": gettext_lazy("leaves words untranslated"),
    "unsure": gettext_lazy("the model itself found it unlikely"), "characters": gettext_lazy("characters that the channel refuses"),
    "unfinished": gettext_lazy("breaks off"), "repetition": gettext_lazy("repeats itself"), "only_title": gettext_lazy("only the title again"),
    "amazon": gettext_lazy("breaks Amazon's title rules"), "promo": gettext_lazy("promotional wording"), "unbalanced": gettext_lazy("open bracket or quote"),
    "duplicate": gettext_lazy("too much like another one"), "claim_number": gettext_lazy("a number that no fact holds"),
    "claim_price": gettext_lazy("a price that no fact holds"), "claim_colour": gettext_lazy("a colour that no fact holds"),
    "claim_material": gettext_lazy("a material that no fact holds"), "claim_proof": gettext_lazy("a property that no fact holds"),
    "claim_place": gettext_lazy("an origin that no fact holds"), "claim_code": gettext_lazy("a model name that no fact holds"),
    "claim_contradiction": gettext_lazy("denies what a fact says"), "claim_comparison": gettext_lazy("a comparison that no fact makes"),
    "claim_ungrounded": gettext_lazy("says nothing about this product"),
    "claim_name": gettext_lazy("a name that no fact holds"), "claim_brand": gettext_lazy("another product's brand"), "claim_superlative": gettext_lazy("a superlative"), "claim_urgency": gettext_lazy("false urgency"),
    "claim_health": gettext_lazy("a health promise"), "claim_cliché": gettext_lazy("a worn phrase"),
    "claim_customers": gettext_lazy("speaks for customers without reviews to show"), "contradicted": gettext_lazy("reviews say otherwise"),
    "banned_word": gettext_lazy("a word that the brief bans"), "missing_word": gettext_lazy("without a word that the brief demands"),
}  # fmt: skip
ASPECTS = {
    "quality": gettext_lazy("quality"), "price": gettext_lazy("price"), "shipping": gettext_lazy("shipping"), "service": gettext_lazy("service"),
    "packaging": gettext_lazy("packaging"), "size_fit": gettext_lazy("size and fit"), "design": gettext_lazy("design"),
    "performance": gettext_lazy("performance"), "usability": gettext_lazy("ease of use"), "accessories": gettext_lazy("accessories"),
    "authenticity": gettext_lazy("authenticity"), "general": gettext_lazy("the whole"),
}  # fmt: skip
FACETS = {
    "noise": gettext_lazy("noise"), "speed": gettext_lazy("speed and power"),
    "reliability": gettext_lazy("reliability"), "battery": gettext_lazy("battery"),
}  # fmt: skip


def marked(asset: AdAsset) -> SafeString:
    """The text with the words that a fact supports marked; everything escaped."""
    out, at = [], 0
    for span in asset.facts:
        start, end = span["start"], span["end"]
        if start < at or end > len(asset.text):
            continue
        fact = escape(f"{span['name']}: {span['value']}" if span["value"] else span["name"])
        out.append(escape(asset.text[at:start]))
        shown = escape(asset.text[start:end])
        out.append(f'<mark class="fact" tabindex="0" data-fact="{fact}" aria-description="{fact}">{shown}</mark>')
        at = end
    out.append(escape(asset.text[at:]))
    return mark_safe("".join(out))


def cards(assets: QuerySet[AdAsset]) -> QuerySet[AdAsset]:
    """The rows with what a card needs besides."""
    return assets.select_related("edited_by", "decided_by").annotate(
        comment_count=Count("comments", distinct=True), revision_count=Count("revisions", distinct=True)
    )


def _other_lengths(length: Length, unit: str) -> list[str]:
    """The counters that the channel doesn't count by, where they differ from the one it does."""
    named = {
        "chars": ngettext("%(n)d character", "%(n)d characters", length.chars), "width": _("display width %(n)d"),
        "bytes": ngettext("%(n)d byte", "%(n)d bytes", length.bytes),
    }  # fmt: skip
    counted = getattr(length, unit)
    numbers = {name: getattr(length, name) for name in named if name != unit}
    return [named[name] % {"n": n} for name, n in numbers.items() if n != counted]


def dress(asset: AdAsset, bounds: Mapping[str, Limit], draft: str = "") -> AdAsset:
    """Give an asset what its card shows; `draft` is what somebody is typing in its place."""
    asset.limit = bounds[asset.field]
    asset.length = measure(draft or asset.text)
    asset.counted = getattr(asset.length, asset.limit.unit)
    asset.other_lengths = _other_lengths(asset.length, asset.limit.unit)
    asset.marked = marked(asset)
    asset.angle_label = briefs.ANGLES.get(asset.angle) or ANGLES.get(asset.angle, asset.angle)
    return asset


def objection_text(found: Objection) -> str:
    """What the brief or the reviews hold against a text, in a sentence."""
    if found.rule == "banned_word":
        return _("“%(word)s” is banned by the brief") % {"word": found.what}
    if found.rule == "missing_word":
        return _("The brief demands “%(word)s”") % {"word": found.what}
    if found.rule == "contradicted":
        aspect, _blank, numbers = found.why.partition(" ")
        negative, _slash, n = numbers.partition("/")
        return _("“%(words)s”: %(negative)s of %(n)s reviews that speak of %(aspect)s are negative") % {
            "words": found.what, "negative": negative, "n": n, "aspect": ASPECTS.get(aspect, aspect),
        }  # fmt: skip
    return _("“%(words)s”: no reviews support what this says about customers") % {"words": found.what}


def warnings(verdict: Verdict) -> list[str]:
    """Everything that speaks against a text, for people."""
    unheld = [_("“%(text)s”: no fact holds this") % {"text": span.text} for span in verdict.checked.unsupported]
    said = [objection_text(found) for found in verdict.objections]
    return list(dict.fromkeys([str(RULES.get(rule, rule)) for rule in verdict.broken] + unheld + said))


@dataclass(frozen=True)
class Field:
    """A field of an order: its texts side by side, how many were asked for, what was thrown away and why."""

    limit: Limit
    assets: list[AdAsset]
    asked: int
    thrown: list[dict]

    @property
    def missing(self) -> int:
        return max(0, self.asked - len(self.assets))


@dataclass(frozen=True)
class Group:
    """A channel of an order."""

    key: str
    name: str
    fields: list[Field]
    preview: copy_previews.Preview | None


def groups(order: CopyRequest, assets: Iterable[AdAsset], bounds: Mapping[str, Limit]) -> list[Group]:
    """The texts of an order by channel and field, with a preview of each channel from the best of them."""
    by_field: dict[str, list[AdAsset]] = defaultdict(list)
    for asset in assets:
        if asset.field in bounds:
            by_field[asset.field].append(dress(asset, bounds))
    tops = copy_previews.tops(asset for rows in by_field.values() for asset in rows)
    out = []
    for channel in order.channels:
        fields = []
        for key, limit in bounds.items():
            if limit.channel == channel and key in order.asked:
                thrown = [
                    {"rule": RULES.get(rule, rule), **entry}
                    for rule, entry in sorted(order.thrown_away.get(key, {}).items(), key=lambda i: -i[1]["count"])
                ]
                fields.append(Field(limit, by_field.get(key, []), order.asked[key], thrown))
        preview = copy_previews.build(channel, tops, order.product, order.store)
        out.append(Group(channel, CHANNELS.get(channel, channel), fields, preview))
    return out


def praise_lines(record: Mapping, quotes: Mapping[str, str] | None = None) -> dict[str, list[dict]]:
    """What the reviews say, for people: {"praised": […], "contradicted": […]} from the numbers of `Praise.as_json`."""
    return {
        "praised": [
            {"aspect": ASPECTS.get(a, a), "percent": round(share * 100), "n": n, "quote": (quotes or {}).get(a, "")}
            for a, share, n in record.get("praised", ())
        ],
        "contradicted": [
            {"aspect": ASPECTS.get(a, a), "negative": negative, "n": n, "spared": [FACETS.get(f, f) for part in spared for f in part]}
            for a, negative, n, *spared in record.get("contradicted", ())
        ],
    }  # fmt: skip
