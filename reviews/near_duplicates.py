"""Copies of one text: the same words, or nearly the same, told to people with the original beside them.

The oldest review is the original, and copies point to it, never to each other. Nearly the same is an indel similarity
of the folded words (2 · common subsequence / total length, rapidfuzz's `ratio`) of at least 92 %. All pairs are too
many to compare, so only those are that share one of the smallest hashes of their six-letter runs (bottom-k MinHash,
Broder 1997): with k = 12 a pair whose runs overlap by a third is missed once in a hundred.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import regex
from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext_noop
from rapidfuzz import fuzz

from ecomai.models import Store
from reviews import effective
from reviews.models import Flag, Review
from reviews.words import fold

LOCK = 0x5247
ALIKE = 92.0
SHORTEST = 25
READ = 2000
RUN, SKETCH = 6, 12
# A run of letters in more originals than this tells nothing ("recommend"); of the rest the likeliest are compared.
COMMON, COMPARED = 400, 30
# Up to so many reviews look for their like through the index of the database; comparing more in memory is faster.
FEW = 10
SIMILAR = 0.55
WIDE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
EXACT = gettext_noop("The same words as another review.")
NEAR = gettext_noop("Nearly the same words as another review.")


@dataclass
class _Row:
    id: int
    words: str
    words_hash: str
    # Short praise is written alike by strangers: it is a copy only where the author and the product are the same.
    group: tuple
    was: int | None


def _weight(folded: str) -> int:
    """About how many letters the words are worth; a Chinese, Japanese or Korean sign says as much as three."""
    return len(folded) + 2 * len(WIDE.findall(folded))


def sketch(folded: str) -> list[int]:
    """The smallest hashes of the text's runs of six letters; texts that share many runs share some of these."""
    codes = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    if len(codes) < RUN:
        return []
    hashes = np.zeros(len(codes) - RUN + 1, dtype=np.uint64)
    for k in range(RUN):
        hashes = hashes * np.uint64(0x100000001B3) + codes[k : len(codes) - RUN + 1 + k]
    # SplitMix64's finaliser: order by value must not be order by letter.
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.unique(hashes ^ (hashes >> np.uint64(31)))[:SKETCH].tolist()


def _rows(found) -> list[_Row]:
    """Oldest first."""
    rows = []
    values = found.exclude(words_hash="").order_by("written_at", "id").values_list(
        "id", "title", "text", "words_hash", "author_hashes", "product_id", "product_ref", "duplicate_of_id"
    )  # fmt: skip
    for pk, title, text, words_hash, authors, product, ref, was in values.iterator(chunk_size=5000):
        words = fold(title) + fold(text[:READ])
        if _weight(words) >= SHORTEST - 5:  # 25 characters of a text are about 20 letters
            group: tuple = (words_hash,)
        elif authors:
            group = (words_hash, authors[0], product or ref)
        else:
            group = (words_hash, pk)
        rows.append(_Row(pk, words, words_hash, group, was))
    return rows


def _assign(rows: list[_Row]) -> dict[int, tuple[int, float]]:
    """copy → (original, similarity in %). `rows` are oldest first, so an original is always there before its copies."""
    first: dict[tuple, int] = {}
    words: dict[int, str] = {}
    buckets: dict[int, list[int]] = defaultdict(list)
    out: dict[int, tuple[int, float]] = {}
    for row in rows:
        if row.group in first:
            original = first[row.group]
            root, score = out.get(original, (original, 100.0))
            out[row.id] = (root, score)
            continue
        first[row.group] = row.id
        if _weight(row.words) < SHORTEST - 5:
            continue
        marks = sketch(row.words)
        shared = Counter(pk for mark in marks if len(buckets[mark]) <= COMMON for pk in buckets[mark])
        best, best_score = None, 0.0
        for pk, _n in shared.most_common(COMPARED):
            score = fuzz.ratio(row.words, words[pk], score_cutoff=ALIKE)
            if score > best_score:
                best, best_score = pk, score
        if best is not None:
            out[row.id] = (best, round(best_score, 1))
            continue
        words[row.id] = row.words
        for mark in marks:
            buckets[mark].append(row.id)
    return out


def _around(store: Store, ids: set[int]) -> set[int]:
    """These reviews and those that may be their copies or originals, with the groups that those are in."""
    mine = Review.objects.filter(store=store)
    near = set(ids)
    hashes = set(mine.filter(pk__in=ids).exclude(words_hash="").values_list("words_hash", flat=True))
    near |= set(mine.filter(words_hash__in=hashes).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pg_trgm.similarity_threshold', %s, true)", [str(SIMILAR)])
        cursor.execute(
            "SELECT o.id FROM reviews_review r JOIN reviews_review o ON o.store_id = r.store_id AND o.id <> r.id"
            " AND UPPER(o.text) %% UPPER(r.text) WHERE r.id = ANY(%s) AND r.store_id = %s AND length(r.text) >= %s",
            [sorted(ids), store.pk, 8],
        )
        near |= {pk for (pk,) in cursor.fetchall()}
    near |= set(mine.filter(pk__in=near).exclude(duplicate_of=None).values_list("duplicate_of_id", flat=True))
    near |= set(mine.filter(duplicate_of__in=near).values_list("pk", flat=True))
    return near


@transaction.atomic
def group(store: Store, review_ids: Iterable[int] | None = None) -> int:
    """Find the copies among these reviews, or all, and everything like them; returns how many changed what they copy.

    Writes `duplicate_of` and the flag with its reason; a person's "no copy" stands. Twice the same changes nothing.
    More than FEW reviews read the whole store (about 1 kB of memory a review); calls for one store take turns.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, store.pk])
    mine = Review.objects.filter(store=store)
    ids = set((mine if review_ids is None else mine.filter(pk__in=set(review_ids))).values_list("pk", flat=True))
    if not ids:
        return 0
    touched = ids | set(mine.filter(duplicate_of__in=ids).values_list("pk", flat=True))
    whole = review_ids is None or len(touched) > FEW
    rows = _rows(mine if whole else mine.filter(pk__in=_around(store, touched)))
    found = _assign(rows)
    denied = set(
        Flag.objects.filter(store=store, kind=Flag.Kind.DUPLICATE, upheld=False).values_list("review", flat=True)
    )
    changed: dict[int, tuple[int, float] | None] = {}
    wanted: dict[int, tuple[int, float]] = {}
    for row in rows:
        now = None if row.id in denied else found.get(row.id)
        # Of the others only what these reviews decide: who else is near them is not known here.
        if not whole and row.id not in touched and (now is None or now[0] not in touched) and row.was not in touched:
            continue
        if now is not None:
            wanted[row.id] = now
        if (now and now[0]) != row.was:
            changed[row.id] = now
    # Words that went away (an edit to stars alone) leave no row above.
    gone = mine.filter(pk__in=touched, words_hash="").filter(Q(duplicate_of__isnull=False)).values_list("pk", flat=True)
    changed.update(dict.fromkeys(gone))
    _write(store, changed, wanted)
    effective.refresh(changed)
    return len(changed)


def _write(store: Store, changed: dict, wanted: dict[int, tuple[int, float]]) -> None:
    with connection.cursor() as cursor:
        # In the order in which intake and the sums lock them.
        cursor.execute("SELECT FROM reviews_review WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [list(changed)])
        cursor.execute(
            "UPDATE reviews_review r SET duplicate_of_id = o.id"
            " FROM unnest(%s::bigint[], %s::bigint[]) v(copy, original) LEFT JOIN reviews_review o ON o.id = v.original"
            " WHERE r.id = v.copy",
            [list(changed), [now[0] if now else None for now in changed.values()]],
        )
    flags = Flag.objects.filter(store=store, kind=Flag.Kind.DUPLICATE)
    flags.filter(review__in=[pk for pk, now in changed.items() if now is None], upheld=None).delete()
    there = {flag.review_id: flag for flag in flags.filter(review__in=wanted)}
    fresh, moved = [], []
    for pk, (original, score) in wanted.items():
        reason, evidence = (EXACT if score == 100 else NEAR), {"review": original, "similarity": score}
        flag = there.get(pk)
        if flag is None:
            fresh.append(Flag(store=store, review_id=pk, kind=Flag.Kind.DUPLICATE, reason=reason, evidence=evidence))
        elif flag.upheld is None and (flag.reason, flag.evidence) != (reason, evidence):
            flag.reason, flag.evidence = reason, evidence
            moved.append(flag)
    Flag.objects.bulk_create(fresh, ignore_conflicts=True, batch_size=1000)
    Flag.objects.bulk_update(moved, ["reason", "evidence"], batch_size=1000)
