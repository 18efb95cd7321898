"""A generator that answers from a list: the gates, the ranking and the rows behind it are the real ones."""

from collections.abc import Callable

import pytest

from ml.generation import Candidate, Generation, ModelRef, Prompt, SamplingOptions
from products import copywriting

TEXTS = {
    "seo.title": [
        "Stoneware mug, 350 ml, dishwasher-safe", "Dishwasher-safe mug in glazed stoneware", "A sturdy mug of 350 ml for tea",
        "Is 350 ml of tea enough? Stoneware mug", "Porcelain mug of 2 litres",
    ],
    "seo.description": [
        "A sturdy mug in glazed stoneware that holds 350 ml. It goes into the dishwasher and comes out as before.",
        "Glazed stoneware, 350 ml, dishwasher-safe: a sturdy mug for your tea, your coffee and whatever comes next.",
    ],
}  # fmt: skip


class Writer:
    """`prompts` are the prompts that it was asked, in order."""

    def __init__(self, texts: dict[str, list[str]]) -> None:
        self.texts, self.prompts = texts, []
        self.before: Callable[[], None] = lambda: None

    def __call__(self, prompts: list[Prompt], *, n: int = 1, options: SamplingOptions, **_more) -> Generation:
        self.before()
        self.prompts += prompts
        rows = []
        for prompt in prompts:
            field = prompt.suffix.split("|")[0].strip()
            rows.append([Candidate(text, 9, -0.5, "stop") for text in self.texts[field]])
        return Generation(rows, ModelRef(None, "test-writer", "local"), 9, 0.1)


@pytest.fixture
def writer(monkeypatch) -> Writer:
    found = Writer({key: list(texts) for key, texts in TEXTS.items()})
    monkeypatch.setattr(copywriting.generator, "generate", found)
    return found
