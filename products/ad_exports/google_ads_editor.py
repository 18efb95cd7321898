"""Responsive search ads as Google Ads Editor imports them: one ad, in an ad group of its own, per product.

The ad group bears the product's handle, which stays when the title changes, so that a later file changes the same ad group.
"""

from collections.abc import Iterator

from products.ad_exports.checks import ITEM, NOTE, TEXT, Problem, Sheet, faults, tidy
from products.ad_exports.merchant_feed import link_of
from products.ad_exports.source import Item, Plan, items

HEADLINE, DESCRIPTION, PATH = "google_rsa.headline", "google_rsa.description", "google_rsa.path"
FIELDS = (HEADLINE, DESCRIPTION, PATH)
PARTS = (("Headline", HEADLINE, 15), ("Description", DESCRIPTION, 4))  # the columns that the Editor has
COLUMNS = [
    "Campaign", "Ad Group", "Ad type",
    *(f"{name} {n}{end}" for name, _key, most in PARTS for n in range(1, most + 1) for end in ("", " position")),
    "Path 1", "Path 2", "Final URL", "Status",
]  # fmt: skip
MOST = {"Campaign": 128, "Ad Group": 255}


def rows(plan: Plan) -> Iterator[dict[str, str] | Problem]:
    for item in items(plan, FIELDS, (HEADLINE, DESCRIPTION)):
        sheet = Sheet(item.current.id, item.name)
        row = {
            "Campaign": sheet.value("Campaign", plan.choice.campaign or plan.store.name, MOST["Campaign"], ITEM),
            "Ad Group": sheet.value("Ad Group", item.current.product["handle"], MOST["Ad Group"], ITEM),
            "Ad type": "Responsive search ad",
            "Status": "Paused" if plan.choice.paused else "Enabled",
            "Final URL": sheet.address("Final URL", link_of(item.current.product, plan.store), ITEM),
        }
        for name, key, columns in PARTS:
            _part(sheet, row, item, plan, name, key, columns)
        row |= dict(zip(("Path 1", "Path 2"), _paths(item, plan), strict=False))
        sheet.demand(row, "Campaign", "Ad Group", "Final URL")
        yield from sheet.problems
        if not sheet.is_out:
            yield row


def _part(sheet: Sheet, row: dict[str, str], item: Item, plan: Plan, name: str, key: str, columns: int) -> None:
    """The headlines or the descriptions of an ad; it needs the rule's least number of different ones."""
    rule = plan.rules[key]
    most = min(rule.most, columns)
    good: dict[str, str] = {}
    for found in item.texts.get(key, []):
        text = sheet.text(name, found.text, rule)
        if text and text.casefold() in good:
            sheet.note(TEXT, name, "same_text", text)
        elif text:
            good[text.casefold()] = text
    if len(good) < rule.least:
        sheet.note(ITEM, name, "too_few" if item.texts.get(key) else "no_copy", n=len(good), least=rule.least)
    if len(good) > most:
        sheet.note(NOTE, name, "too_many", n=len(good), most=most)
    for number, text in enumerate(list(good.values())[:most], 1):
        row[f"{name} {number}"] = text
    if plan.choice.pin and good:
        row[f"{name} 1 position"] = "1"


def _paths(item: Item, plan: Plan) -> list[str]:
    """Up to two words behind the shop's address: approved ones, else the last of the category that fit. They are
    ornament, so what doesn't fit is not used."""
    texts = [found.text for found in item.texts.get(PATH, [])]
    if not texts and plan.own:
        texts = (
            item.current.category.split(" > ")[-2:] if item.current.category else [item.current.product["product_type"]]
        )
    texts = [tidy(text).replace(" ", "-") for text in texts]
    return [text for text in texts if text and text[0].isalnum() and not any(faults(text, plan.rules[PATH]))][:2]
