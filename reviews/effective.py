"""What counts about a review, and the sums that follow from it: one function writes both, in the caller's transaction.

What counts: the newest label of a person that isn't a blind second look, else the machine's judgement, else what the
rating says. Counted nowhere are hidden reviews, reviews that a person called spam (the newest label decides; without
one, a confirmed flag of a kind in SPAM_KINDS), and syndicated copies: a review that is a copy of another
(`duplicate_of`) and comes from another source than it, or from the source "syndicated".
"""

from collections.abc import Iterable

from django.db import connection, transaction

from ml.aspects import ASPECTS
from reviews.models.judgements import Flag

CHUNK = 5000
# Flags that say "this is no shopper's opinion" once a person has confirmed them. The other kinds tell about a review
# that stands: a confirmed danger must not make it vanish.
SPAM_KINDS = [kind.value for kind in Flag.Kind if kind not in (Flag.Kind.SAFETY, Flag.Kind.MISMATCH)]
# Shared by every refresh of a store, held alone by its rebuild: the first half of a two-number advisory lock.
LOCK = 0x5245

_BY_ID = {"review": "r.id = ANY(%(ids)s)", "part": "review_id = ANY(%(ids)s)"}
_BY_STORE = {"review": "r.store_id = %(store)s", "part": "store_id = %(store)s"}


def _sentiment(stars: str) -> str:
    """SQL: 1 and 2 stars are negative, 3 neutral, 4 and 5 positive; halves round up."""
    return f"CASE WHEN floor({stars} + 0.5) <= 2 THEN -1 WHEN floor({stars} + 0.5) = 3 THEN 0 ELSE 1 END"


REVIEWS = f"""
WITH said AS (
    SELECT DISTINCT ON (review_id) review_id, (value #>> '{{{{}}}}')::float AS stars FROM reviews_label
    WHERE {{part}} AND field = 'stars' AND NOT blind ORDER BY review_id, made_at DESC, id DESC
), now AS (
    SELECT r.id, coalesce(s.stars, j.expected, r.rating::float) AS stars,
        CASE WHEN s.stars IS NOT NULL THEN {_sentiment("s.stars")} WHEN j.review_id IS NOT NULL THEN j.sentiment
             WHEN r.rating IS NOT NULL THEN {_sentiment("r.rating")} END AS sentiment
    FROM reviews_review r LEFT JOIN said s ON s.review_id = r.id LEFT JOIN reviews_judgement j ON j.review_id = r.id
    WHERE {{review}}
)
UPDATE reviews_review r SET stars = now.stars, sentiment = now.sentiment FROM now
WHERE r.id = now.id AND (r.stars, r.sentiment) IS DISTINCT FROM (now.stars, now.sentiment)
"""

OPINIONS = """
WITH said AS (
    SELECT DISTINCT ON (review_id, aspect) review_id, aspect, value #>> '{{}}' AS word FROM reviews_label
    WHERE {part} AND field = 'aspect' AND NOT blind AND aspect = ANY(%(aspects)s)
    ORDER BY review_id, aspect, made_at DESC, id DESC
), machine AS (
    SELECT j.review_id, a.key AS aspect, (a.value ->> 'polarity')::smallint AS polarity,
        coalesce((a.value ->> 'probability')::float, 1) AS probability
    FROM reviews_judgement j, jsonb_each(j.aspects) a WHERE {part} AND a.key = ANY(%(aspects)s)
), wanted AS (
    SELECT review_id, aspect, s.word IS NOT NULL AS by_person,
        CASE WHEN s.word IS NULL THEN m.polarity
             ELSE (CASE s.word WHEN 'negative' THEN -1 WHEN 'neutral' THEN 0 WHEN 'positive' THEN 1 END) END AS polarity,
        CASE WHEN s.word IS NULL THEN m.probability ELSE 1 END AS probability
    FROM machine m FULL JOIN said s USING (review_id, aspect)
), gone AS (
    DELETE FROM reviews_opinion o WHERE {part} AND NOT EXISTS (
        SELECT FROM wanted w WHERE w.review_id = o.review_id AND w.aspect = o.aspect AND w.polarity IS NOT NULL)
)
INSERT INTO reviews_opinion AS o (store_id, review_id, aspect, polarity, probability, by_person)
SELECT r.store_id, r.id, w.aspect, w.polarity, w.probability, w.by_person
FROM wanted w JOIN reviews_review r ON r.id = w.review_id WHERE w.polarity IS NOT NULL
ON CONFLICT (review_id, aspect) DO UPDATE
SET polarity = excluded.polarity, probability = excluded.probability, by_person = excluded.by_person
WHERE (o.polarity, o.probability, o.by_person) IS DISTINCT FROM
    (excluded.polarity, excluded.probability, excluded.by_person)
"""

COUNTED = (
    "review_id", "store_id", "product_id", "day", "language", "source", "rating", "stars", "sentiment", "safety",
    "flagged", "verified", "telling", "aspects",
)  # fmt: skip
# How much a review says: the probabilities of its opinions added up (a person's count 1), at most five of them, less
# where the text is too short to be a story (below 60 bytes) or too long to be read (above 900). Bytes of UTF-8, since a
# Chinese character says about three Latin letters' worth.
TELLING = """round(least(coalesce(a.said, 0), 500) * least(1, octet_length(r.text) / 60.0)
        * least(1, 900.0 / greatest(octet_length(r.text), 1)))::smallint"""
_ASPECT_OF_REVIEW = ", ".join(f"coalesce(max(polarity + 2) FILTER (WHERE aspect = '{a}'), 0)" for a in ASPECTS)

FRESH = f"""
    SELECT r.id AS review_id, r.store_id, r.product_id, (r.written_at AT TIME ZONE 'UTC')::date AS day, r.language,
        r.source, round(r.rating * 100)::smallint AS rating, round(r.stars * 100)::smallint AS stars, r.sentiment,
        coalesce(f.safety, false) AS safety, coalesce(f.flagged, false) AS flagged, r.verified IS TRUE AS verified,
        {TELLING} AS telling,
        coalesce(a.aspects, array_fill(0::smallint, ARRAY[{len(ASPECTS)}])) AS aspects
    FROM reviews_review r
    LEFT JOIN (
        SELECT DISTINCT ON (review_id) review_id, value #>> '{{{{}}}}' = 'true' AS spam
        FROM reviews_label WHERE {{part}} AND field = 'spam' AND NOT blind
        ORDER BY review_id, made_at DESC, id DESC
    ) s ON s.review_id = r.id
    LEFT JOIN (
        SELECT review_id, bool_or(upheld IS TRUE AND kind = ANY(%(spam_kinds)s)) AS spam,
            bool_or(kind = 'safety_urgent' AND upheld IS NOT FALSE) AS safety,
            bool_or(upheld IS NOT FALSE) AS flagged
        FROM reviews_flag WHERE {{part}} GROUP BY review_id
    ) f ON f.review_id = r.id
    LEFT JOIN (
        SELECT review_id, ARRAY[{_ASPECT_OF_REVIEW}]::smallint[] AS aspects,
            sum(round(probability * 100)::int) AS said
        FROM reviews_opinion WHERE {{part}} GROUP BY review_id
    ) a ON a.review_id = r.id
    LEFT JOIN reviews_review o ON o.id = r.duplicate_of_id
    WHERE {{review}} AND r.status = 'published' AND NOT coalesce(s.spam, f.spam, false)
        AND NOT (r.duplicate_of_id IS NOT NULL AND (r.source = 'syndicated' OR r.source <> o.source))
"""


def _sums() -> dict[str, str]:
    """Column of a tally → SQL that sums it over rows of CountedReview `c`, each taken `sign` times."""

    def count(condition: str) -> str:
        return f"coalesce(sum(sign) FILTER (WHERE {condition}), 0)::int"

    sums = {
        "n": "sum(sign)::int",
        "rated": count("rating IS NOT NULL"),
        "rating_sum": "coalesce(sum(sign * rating::bigint), 0)::bigint",
        "rating_squares": "coalesce(sum(sign * rating::bigint * rating), 0)::bigint",
        **{f"star{k}": count(f"(rating + 50) / 100 = {k}") for k in range(1, 6)},
        "read": count("stars IS NOT NULL"),
        "stars_sum": "coalesce(sum(sign * stars::bigint), 0)::bigint",
        "stars_squares": "coalesce(sum(sign * stars::bigint * stars), 0)::bigint",
        "negative": count("sentiment = -1"),
        "neutral": count("sentiment = 0"),
        "positive": count("sentiment = 1"),
        **{name: count(name) for name in ("safety", "flagged", "verified")},
    }
    cells = ", ".join(count(f"aspects[{i}] = {code}") for i in range(1, len(ASPECTS) + 1) for code in (1, 2, 3))
    return sums | {"aspects": f"ARRAY[{cells}]"}


SUMS = _sums()
TALLY_COLUMNS = ", ".join(SUMS)
TALLY_SUMS = ", ".join(SUMS.values())
_ADD = ", ".join(
    f"{name} = t.{name} + excluded.{name}" if name != "aspects" else
    "aspects = ARRAY[" + ", ".join(f"t.aspects[{i}] + excluded.aspects[{i}]" for i in range(1, 3 * len(ASPECTS) + 1)) + "]"
    for name in SUMS
)  # fmt: skip
# A review is in up to three cells of its product's month: all, its language, its source.
CELLS = """(
    SELECT '' AS cell_language, '' AS cell_source UNION ALL SELECT c.language, '' WHERE c.language <> ''
    UNION ALL SELECT '', c.source WHERE c.source <> '') cells"""

_COLUMNS = ", ".join(COUNTED)
_VALUES = ", ".join(f"c.{name}" for name in COUNTED[1:])
MOVE = f"""
WITH fresh AS ({FRESH}
), old AS (
    SELECT {_COLUMNS} FROM reviews_countedreview WHERE review_id = ANY(%(ids)s)
), change AS (
    SELECT -1 AS sign, o.* FROM old o LEFT JOIN fresh f USING (review_id) WHERE o IS DISTINCT FROM f
    UNION ALL SELECT 1, f.* FROM fresh f LEFT JOIN old o USING (review_id) WHERE o IS DISTINCT FROM f
), gone AS (
    DELETE FROM reviews_countedreview c USING change d WHERE c.review_id = d.review_id AND d.sign = -1
        AND NOT EXISTS (SELECT FROM fresh f WHERE f.review_id = c.review_id)
), kept AS (
    INSERT INTO reviews_countedreview AS c ({_COLUMNS}) SELECT {_COLUMNS} FROM change WHERE sign = 1
    ON CONFLICT (review_id) DO UPDATE SET ({", ".join(COUNTED[1:])}) =
        ROW({", ".join(f"excluded.{name}" for name in COUNTED[1:])})
), days AS (
    INSERT INTO reviews_storeday AS t (store_id, day, language, source, {TALLY_COLUMNS})
    SELECT store_id, day, language, source, {TALLY_SUMS} FROM change c GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (store_id, day, language, source) DO UPDATE SET {_ADD}
), months AS (
    INSERT INTO reviews_productmonth AS t (store_id, product_id, month, language, source, {TALLY_COLUMNS})
    SELECT store_id, product_id, date_trunc('month', day)::date, cell_language, cell_source, {TALLY_SUMS}
    FROM change c CROSS JOIN LATERAL {CELLS} WHERE product_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (product_id, language, source, month, store_id) DO UPDATE SET {_ADD}
)
SELECT count(DISTINCT review_id) FROM change
"""


def scoped(sql: str, *, by_store: bool) -> str:
    """The statement for the reviews `%(ids)s`, or for all of the store `%(store)s`."""
    return sql.format(**(_BY_STORE if by_store else _BY_ID))


def parameters(**values) -> dict:
    """The values that every statement here takes, and the given ones."""
    return {"aspects": list(ASPECTS), "spam_kinds": SPAM_KINDS, **values}


def refresh(review_ids: Iterable[int]) -> int:
    """Make sentiment, stars, opinions and all sums right for these reviews; returns how many changed what they add.

    Call it in the transaction that changed a label, judgement, rating, text, product, flag, language or hidden state,
    or deleted reviews (their numbers are then taken away); once a transaction, with all ids, so that two transactions
    lock in the same order. Calling it twice changes nothing. Two at once wait for each other: each review's row is
    locked first, and what it added before is read after that.
    """
    ids = sorted(set(review_ids))
    moved = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for start in range(0, len(ids), CHUNK):
            values = parameters(ids=ids[start : start + CHUNK])
            cursor.execute(
                "SELECT pg_advisory_xact_lock_shared(%(lock)s, store_id::int) FROM (SELECT store_id FROM reviews_review"
                " WHERE id = ANY(%(ids)s) UNION SELECT store_id FROM reviews_countedreview WHERE review_id = ANY(%(ids)s)"
                " ORDER BY 1) stores",
                {**values, "lock": LOCK},
            )
            cursor.execute("SELECT FROM reviews_review WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE", values)
            cursor.execute(
                "SELECT FROM reviews_countedreview WHERE review_id = ANY(%(ids)s) ORDER BY review_id FOR UPDATE", values
            )
            for sql in (REVIEWS, OPINIONS):
                cursor.execute(scoped(sql, by_store=False), values)
            cursor.execute(scoped(MOVE, by_store=False), values)
            moved += cursor.fetchone()[0]
    return moved
