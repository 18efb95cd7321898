"""Rows for training the replies' model: the sentences of replies that people approved, each with the prompt it answers."""

import hashlib
import re
from datetime import datetime

import regex

from ecomai.models import Store
from reviews.models import Reply
from reviews.replies import parts_of, settings_of
from reviews.reply_prompts import EXAMPLES, prefix, stems, suffix
from reviews.review_dataset import GOLD_SHARE, VALID_SHARE

SENTENCE = regex.compile(r".+?(?:[.!?](?=\s|$)|[。！？]|$)", regex.S)
SETTLED = [Reply.Status.APPROVED, Reply.Status.EXPORTED, Reply.Status.SENT]


def _kind(sentence: str, language: str) -> str:
    """Thanks, apology or joy, by the words of the language's examples; what is neither counts as thanks."""
    known = EXAMPLES[language]
    if re.search(known["sorry"], sentence, re.I):
        return "negative"
    return "positive" if re.search(known["glad"], sentence, re.I) else "thanks"


def _completions(reply: Reply, signature: str) -> dict[str, list[list[str]]]:
    """Kind → [suffix, sentence]: a sentence answers the part of its kind whose words it shares most."""
    text = reply.text.strip().removesuffix(signature).strip() if signature else reply.text.strip()
    parts = parts_of(reply.review)
    found: dict[str, list[list[str]]] = {}
    for match in SENTENCE.finditer(text):
        sentence = " ".join(match[0].split())
        kind = _kind(sentence, reply.language)
        same = [part for part in parts if part.kind == kind]
        if sentence and same:
            part = max(same, key=lambda part: len(stems(part.evidence) & stems(sentence)))
            found.setdefault(kind, []).append([suffix(part.evidence), f" {sentence}"])
    return found


def for_store(store: Store | None) -> dict[str, list[dict]]:
    """{"train", "valid", "test"} rows {"id", "language", "prefix", "completions"}; nothing for the house. A review is in
    one part alone, always the same; without consent it is in none."""
    parts: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    if store is None:
        return parts
    signature = settings_of(store).signature
    rows = Reply.objects.filter(store=store, status__in=SETTLED, language__in=list(EXAMPLES), review__consent=True)
    for reply in rows.select_related("review__judgement").order_by("id"):
        key = f"{store.pk}:{reply.review.words_hash or reply.review_id}"
        draw = int(hashlib.sha256(key.encode()).hexdigest()[:13], 16) / 16**13
        part = "test" if draw < GOLD_SHARE else "valid" if draw < GOLD_SHARE + VALID_SHARE else "train"
        for kind, completions in sorted(_completions(reply, signature).items()):
            parts[part].append({
                "id": f"{reply.pk}-{kind}", "language": reply.language,
                "prefix": prefix(kind, reply.language, reply.tone), "completions": completions,
            })  # fmt: skip
    return parts


def new_labels(store: Store, since: datetime | None = None) -> int:
    """How many replies were approved after that time (in all for None)."""
    rows = Reply.objects.filter(store=store, status__in=SETTLED)
    return (rows.filter(approved_at__gt=since) if since else rows).count()
