"""The shop aspects that the review model knows; every data set is mapped to them."""

ASPECTS = (
    "quality", "price", "shipping", "service", "packaging", "size_fit", "design", "performance", "usability",
    "accessories", "authenticity", "general",
)  # fmt: skip
# Classes of one aspect, in the order of the head's outputs.
POLARITIES = ("absent", "negative", "neutral", "positive")
