"""What a channel makes of the texts: how many it shows at once, and where it cuts them off."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ecomai.lib.text import graphemes, measure
from ecomai.models import Store
from products.models import AdAsset, Product

# Display width that a phone shows before it cuts; channels publish few of these numbers and change them, so they are
# what people measure, not a promise. Meta's and the search snippet's are the channels' own advice.
SHOWN = {
    "google_rsa.title": 66, "google_rsa.description": 180, "google_merchant.title": 70, "google_merchant.description": 160,
    "meta.primary_text": 125, "meta.headline": 40, "amazon.title": 80, "amazon.bullet": 255, "seo.title": 60,
    "seo.description": 155,
}  # fmt: skip
HEADLINES, DESCRIPTIONS, BULLETS = 3, 2, 5


@dataclass(frozen=True)
class Shown:
    """A text as it is seen: `text`, and the `rest` that the channel hides behind an ellipsis."""

    text: str
    rest: str = ""


@dataclass(frozen=True)
class Preview:
    """One advert. `left_out`: texts that the space doesn't hold."""

    template: str
    title: Shown
    lines: list[Shown] = field(default_factory=list)
    site: str = ""
    left_out: list[str] = field(default_factory=list)


def cut(text: str, width: int) -> Shown:
    """The text cut between graphemes where it is wider than `width`, at the end of a word where one is near."""
    if measure(text).width <= width:
        return Shown(text)
    kept, used = "", 0
    for piece in graphemes(text):
        used += measure(piece).width
        if used > width - 1:  # the ellipsis wants its place
            break
        kept += piece
    blank = kept.rfind(" ")
    if blank > len(kept) * 0.7 and not text[len(kept) : len(kept) + 1].isspace():
        kept = kept[:blank]
    return Shown(kept.rstrip(), text[len(kept.rstrip()) :])


def tops(assets: Iterable[AdAsset]) -> dict[str, list[str]]:
    """Field → the texts that an ad would take, approved ones first, no rejected ones."""
    out: dict[str, list[str]] = defaultdict(list)
    for asset in sorted(assets, key=lambda a: (a.field, a.status != AdAsset.Status.APPROVED, a.position)):
        if asset.status != AdAsset.Status.REJECTED:
            out[asset.field].append(asset.text)
    return dict(out)


def build(channel: str, texts: Mapping[str, list[str]], product: Product, store: Store) -> Preview | None:
    """The channel's advert from the best texts; None where nothing was written for it."""
    if not any(key.startswith(f"{channel}.") for key in texts):
        return None
    site = urlsplit(store.url).netloc or store.name

    def best(name: str, otherwise: str = "") -> Shown:
        found = texts.get(f"{channel}.{name}") or [otherwise]
        return cut(found[0], SHOWN.get(f"{channel}.{name}", 10_000))

    template = f"products/_preview_{channel}.html"
    if channel == "google_rsa":
        headlines = texts.get("google_rsa.headline", [])
        title, left_out = "", []
        for text in headlines[:HEADLINES]:
            joined = f"{title} | {text}" if title else text
            if measure(joined).width <= SHOWN["google_rsa.title"]:
                title = joined
            else:
                left_out.append(text)
        lines = " ".join(texts.get("google_rsa.description", [])[:DESCRIPTIONS])
        body = [cut(lines, SHOWN["google_rsa.description"])] if lines else []
        return Preview(template, Shown(title or product.title), body, site, left_out)
    if channel == "google_merchant":
        body = [best("description")] if texts.get("google_merchant.description") else []
        return Preview(template, best("title", product.title), body, store.name)
    if channel == "meta":
        return Preview(template, best("headline", product.title), [best("primary_text")], store.name)
    if channel == "amazon":
        bullets = [cut(text, SHOWN["amazon.bullet"]) for text in texts.get("amazon.bullet", [])[:BULLETS]]
        return Preview(template, best("title", product.title), bullets, store.name)
    if channel == "seo":
        body = [best("description", product.description_text[:400])]
        return Preview(template, best("title", product.title), body, site)
    return None
