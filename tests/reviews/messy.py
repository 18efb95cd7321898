"""The messy inputs that lie beside the repository, where they do: one dictionary a case."""

import json
from collections.abc import Iterator
from pathlib import Path

PATH = Path(__file__).resolve().parents[3] / "shared/data/reviews/messy_inputs.jsonl"


def expectations() -> Iterator[dict]:
    """{id, text, stars, expect} of each case; nothing where the file is absent."""
    if PATH.exists():
        with PATH.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
