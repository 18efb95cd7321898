"""The one prompt form of the copy model: facts first (shared by every asset of a product), then one asset's order.

The training pairs and the running app render through here, so that both always agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecomai.lib.text import clean_line

FENCE = "###"
MAX_DESCRIPTION = 600
MAX_VALUE = 160


@dataclass(frozen=True)
class Facts:
    """What is known of a product, as text. `price` and `compare_at_price` are "NN.NN CUR"."""

    title: str
    brand: str = ""
    category: str = ""
    price: str = ""
    compare_at_price: str = ""
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What to write: `field` like "google_rsa.headline", `limit` in the field's own unit."""

    field: str
    locale: str
    tone: str
    angle: str
    limit: int


def _safe(value: str, limit: int) -> str:
    # A product text can't close the fence or open a line of its own: it is data.
    return clean_line(value).replace(FENCE, "#")[:limit].strip()


def prefix(facts: Facts) -> str:
    """The facts as one fenced block, a fact a line; ends with the line that opens the order."""
    lines = [("title", facts.title), ("brand", facts.brand), ("category", facts.category)]
    lines += [("price", facts.price), ("compare at", facts.compare_at_price)]
    lines += list(facts.attributes.items())
    lines += [(name, ", ".join(values)) for name, values in facts.options.items()]
    lines += [("description", facts.description)]
    body = "\n".join(
        f"{_safe(name, 60)}: {_safe(value, MAX_DESCRIPTION if name == 'description' else MAX_VALUE)}"
        for name, value in lines
        if value and value.strip()
    )
    return f"{FENCE} facts\n{body}\n{FENCE}"


def suffix(order: Order) -> str:
    """The order line that follows the facts; the model answers with one line."""
    return f" {order.field} | {order.locale} | {order.tone} | {order.angle} | {order.limit}\n"
