"""The texts that an asset had: kept before each change, compared word by word, put back; and what people say of it."""

import difflib
import re
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from ecomai.lib.text import clean_line
from ecomai.models import User
from products.models import AdAsset, AssetComment, AssetRevision

LONGEST_COMMENT = 1000
# A word with the blanks behind it; a character alone in scripts without spaces.
PIECE = re.compile(
    r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\W\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+|\s+|[^\w\s]"
)


@dataclass(frozen=True)
class Piece:
    """Part of a comparison: `kind` is same, old (only before) or new (only after)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Version:
    """A text in an asset's history. `changes` compare it with the one before; `revision` is None for the text of now.
    `by`: who brought it (None: the model), `at`: since when."""

    text: str
    origin: str
    model_label: str
    by: User | None
    at: datetime
    changes: list[Piece]
    revision: AssetRevision | None


def keep(asset: AdAsset, by: User | None) -> AssetRevision:
    """Write down the text that is about to be replaced; call it in the transaction that replaces it."""
    return AssetRevision.objects.create(
        store_id=asset.store_id, asset=asset, text=asset.text, origin=asset.origin, model_label=asset.model_label,
        replaced_by=by,
    )  # fmt: skip


def compare(old: str, new: str) -> list[Piece]:
    """What was taken out and put in between two texts, by words (by characters in scripts without spaces)."""
    before, after = PIECE.findall(old), PIECE.findall(new)
    out: list[Piece] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            out.append(Piece("same", "".join(before[a:b])))
            continue
        if a < b:
            out.append(Piece("old", "".join(before[a:b])))
        if c < d:
            out.append(Piece("new", "".join(after[c:d])))
    return out


def versions(asset: AdAsset) -> list[Version]:
    """Every text that the asset had, the newest first."""
    kept = list(asset.revisions.select_related("replaced_by").order_by("replaced_at", "pk"))
    rows = [(r.text, r.origin, r.model_label, r) for r in kept]
    rows.append((asset.text, asset.origin, asset.model_label, None))
    out, before = [], None
    for i, (text, origin, label, revision) in enumerate(rows):
        brought = kept[i - 1] if i else None
        by = brought.replaced_by if brought and origin == AdAsset.Origin.HUMAN else None
        at = brought.replaced_at if brought else asset.request.finished_at or asset.written_at
        out.append(Version(text, origin, label, by, at, compare(before, text) if before is not None else [], revision))
        before = text
    return out[::-1]


def comment(asset: AdAsset, text: str, by: User) -> AssetComment:
    """Say something about a text. Raises ValueError for nothing or too much."""
    lines = [clean_line(line) for line in text.splitlines()]
    text = "\n".join(line for line in lines if line)
    if not text or len(text) > LONGEST_COMMENT:
        raise ValueError(text[:40])
    return AssetComment.objects.create(store_id=asset.store_id, asset=asset, author=by, text=text, at=timezone.now())
