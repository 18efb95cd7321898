"""Who sees which arm: decided by stable hashes, written with the exposure in one statement, kept for good.

A visitor that has an arm keeps it, also when traffic, targeting or a bandit's shares change. Bots and visitors without an
id see the listing as it is and leave no row.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.utils import timezone

from ecomai.models import Store
from products import exposure_tokens, live_experiments
from products.live_experiments import Live, LiveArm, LiveExperiment


@dataclass(frozen=True)
class Viewer:
    """Who looks at products, in which language and currency (empty: all)."""

    visitor: UUID | None
    locale: str
    currency: str = ""
    segment: Mapping[str, str] = field(default_factory=dict)
    bot: bool = False

    @property
    def decided(self) -> dict[str, Any]:
        """What a row of an assignment holds of the viewer."""
        return {"visitor": self.visitor, "locale": self.locale[:12], "segment": json.dumps(dict(self.segment))}


@dataclass(frozen=True)
class Shown:
    """One experiment on a product and what this visitor sees of it. `texts`: field → text, empty where the listing's stay."""

    experiment_id: int
    arm_id: int
    variant: str
    is_control: bool
    texts: dict[str, str]
    token: str


def visitor_id(store: Store, raw: str) -> UUID:
    """The first 16 bytes of HMAC-SHA256 of the shop's id for a visitor, keyed with the store's salt."""
    salt = live_experiments.live(store.pk).visitor_salt
    return UUID(bytes=hmac.new(salt.encode(), raw.encode(), hashlib.sha256).digest()[:16])


def bucket(salt: str, visitor: UUID) -> float:
    """Where a visitor falls from 0 to below 1: 53 bits of keyed BLAKE2b, even and the same on every machine.

    Two salts give two independent places, so taking part, the arm and every other experiment don't hang together.
    """
    digest = hashlib.blake2b(visitor.bytes, key=salt.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def locale_chain(locale: str) -> list[str]:
    """ "de-AT" → ["de-at", "de"]: what texts are looked for, the nearest first."""
    code = locale.lower().replace("_", "-")
    return [code, code.split("-")[0]] if "-" in code else [code]


def choose(experiment: LiveExperiment, visitor: UUID) -> LiveArm | None:
    """The arm that a new visitor falls in, by the shares as they are now; None where all shares are 0."""
    total = sum(arm.weight for arm in experiment.arms)
    left = bucket(f"{experiment.salt}:arm", visitor) * total
    for arm in experiment.arms:
        left -= arm.weight
        if left < 0:
            return arm
    return experiment.arms[-1] if total > 0 else None


def takes_part(experiment: LiveExperiment, viewer: Viewer) -> bool:
    """Whether a new visitor belongs to the experiment: targeting, its slice of the group, its share of the traffic."""
    if experiment.locales and not set(experiment.locales) & set(locale_chain(viewer.locale)):
        return False
    if any(viewer.segment.get(name) not in values for name, values in experiment.segments):
        return False
    visitor = viewer.visitor
    if experiment.group_salt:
        place = bucket(f"{experiment.group_salt}:group", visitor)
        if not experiment.group_from <= place < experiment.group_to:
            return False
    return bucket(f"{experiment.salt}:traffic", visitor) < experiment.traffic


def in_holdout(live: Live, visitor: UUID) -> bool:
    """Whether the store keeps this visitor out of every experiment."""
    return live.holdout > 0 and bucket(f"{live.visitor_salt}:holdout", visitor) < live.holdout


@dataclass(frozen=True)
class Alone:
    """One experiment that alone touches a product, as is usual, with the arm that the visitor gets if it has none yet.

    `TABLES` are common table expressions that look for the visitor's arm and write what is new, with `values` beside
    them: the statement that loads the product has them, too. `arm` has a row of `arm_id`, or none.
    """

    experiment: LiveExperiment
    texts: Mapping[str, Mapping[int, str]]
    live: Live
    visitor: UUID
    product_id: int
    at: datetime
    values: Mapping[str, Any]

    TABLES = (
        "item AS ("
        " SELECT id FROM products_product WHERE id = %(product)s AND store_id = %(store)s AND (%(drafts)s OR status = 'active')"
        "), had AS ("
        " SELECT arm_id FROM products_assignment WHERE experiment_id = %(experiment)s AND visitor = %(visitor)s"
        "), assigned AS ("
        " INSERT INTO products_assignment"
        "  (store_id, experiment_id, visitor, arm_id, at, locale, segment, is_bot, other_arm)"
        " SELECT %(store)s, %(experiment)s, %(visitor)s, %(arm)s::bigint, %(at)s, %(locale)s, %(segment)s::jsonb, false, false"
        " FROM item WHERE %(arm)s::bigint IS NOT NULL AND NOT EXISTS (SELECT FROM had)"
        # Not DO NOTHING: a row that another request has just written must come back, too.
        " ON CONFLICT (experiment_id, visitor) DO UPDATE SET visitor = EXCLUDED.visitor"
        " RETURNING arm_id"
        "), arm AS (SELECT arm_id FROM had UNION ALL SELECT arm_id FROM assigned), seen AS ("
        " INSERT INTO products_exposure (store_id, experiment_id, arm_id, visitor, product_id, at)"
        " SELECT %(store)s, %(experiment)s, arm_id, %(visitor)s, id, %(at)s FROM item, arm WHERE NOT EXISTS ("
        "  SELECT FROM products_exposure"
        "  WHERE experiment_id = %(experiment)s AND visitor = %(visitor)s AND product_id = %(product)s)"
        " ON CONFLICT (experiment_id, visitor, product_id) DO NOTHING"
        ")"
    )

    def shown(self, arm_id: int | None) -> list[Shown]:
        """What the visitor sees under the arm that the statement told."""
        if arm_id is None:
            return []
        return [_shown(self.live, self.experiment, arm_id, self.texts, self.visitor, self.product_id, self.at)]


def alone(store: Store, viewer: Viewer, product_id: int, *, drafts: bool) -> Alone | None:
    """The experiment that alone touches a product; None where none does, or several. `drafts`: also on hidden products."""
    if viewer.visitor is None or viewer.bot:
        return None
    live = live_experiments.live(store.pk)
    found = _candidates(live, viewer, product_id)
    return _alone(live, *found[0], viewer, product_id, drafts, None) if len(found) == 1 else None


def _arm(experiment: LiveExperiment, viewer: Viewer) -> LiveArm | None:
    """The arm of a new visitor."""
    return choose(experiment, viewer.visitor) if takes_part(experiment, viewer) else None


def _alone(live, experiment, texts, viewer: Viewer, product_id: int, drafts: bool, at: datetime | None) -> Alone:
    arm, at = _arm(experiment, viewer), at or timezone.now()
    values = {
        "store": live.store_id, "experiment": experiment.id, "product": product_id, "at": at, "drafts": drafts,
        "arm": arm.id if arm else None, **viewer.decided,
    }  # fmt: skip
    return Alone(experiment, texts, live, viewer.visitor, product_id, at, values)


def _candidates(live: Live, viewer: Viewer, product_id: int) -> list[tuple[LiveExperiment, dict]]:
    """The experiments that have texts for the product in the language, oldest first."""
    known = live.texts(product_id)
    if not known or in_holdout(live, viewer.visitor):
        return []
    found = [(e, _in_locale(known[e.id], viewer.locale)) for e in live.experiments if e.id in known]
    return [(e, texts) for e, texts in found if texts]


def show(store: Store, viewer: Viewer, product_id: int, *, at: datetime | None = None) -> list[Shown]:
    """The experiments that touch this product for this visitor, oldest first; decides and writes at the first sight.

    Of two experiments on the same field the older one is shown and the other doesn't count.
    """
    if viewer.visitor is None or viewer.bot:
        return []
    live = live_experiments.live(store.pk)
    candidates = _candidates(live, viewer, product_id)
    try:
        if len(candidates) == 1:
            one = _alone(live, *candidates[0], viewer, product_id, True, at)
            rows = connection.rows(f"WITH {Alone.TABLES} SELECT arm_id FROM arm", one.values)
            return one.shown(rows[0][0] if rows else None)
        return _show_several(live, candidates, viewer, product_id, at) if candidates else []
    except IntegrityError:
        # An experiment or the product was deleted since the look: nothing is tried on it any more.
        live_experiments.forget(store.pk)
        return []


def _show_several(live, candidates, viewer: Viewer, product_id: int, at: datetime | None) -> list[Shown]:
    at = at or timezone.now()
    had = _assigned(viewer.visitor, product_id, [e.id for e, _texts in candidates])
    fields: set[str] = set()
    arms: dict[int, int] = {}
    new, unseen = [], []
    for experiment, texts in candidates:
        if fields & texts.keys():
            continue
        if experiment.id in had:
            arms[experiment.id], seen = had[experiment.id]
            if not seen:
                unseen.append((experiment.id, arms[experiment.id]))
        else:
            arm = _arm(experiment, viewer)
            if arm is None:
                continue
            arms[experiment.id] = arm.id
            new.append((experiment.id, arm.id))
        fields |= texts.keys()
    if new or unseen:
        arms |= _write(live.store_id, viewer, product_id, new, unseen, at)
    return [
        _shown(live, experiment, arms[experiment.id], texts, viewer.visitor, product_id, at)
        for experiment, texts in candidates
        if experiment.id in arms
    ]


def _in_locale(texts: live_experiments.Texts, locale: str) -> dict[str, Mapping[int, str]]:
    """Field → arm → text in the nearest language that the experiment has."""
    own = {code.lower(): fields for code, fields in texts.items()}
    out: dict[str, Mapping[int, str]] = {}
    for code in reversed(locale_chain(locale)):
        out |= own.get(code, {})
    return out


def _shown(live, experiment: LiveExperiment, arm_id: int, texts, visitor: UUID, product_id: int, at: datetime) -> Shown:
    arm = experiment.arm(arm_id)
    token = exposure_tokens.Token(live.store_id, experiment.id, arm_id, visitor, product_id, at)
    return Shown(
        experiment.id,
        arm_id,
        arm.name if arm else "",
        bool(arm and arm.is_control),
        {name: by_arm[arm_id] for name, by_arm in texts.items() if arm_id in by_arm},
        exposure_tokens.sign(token),
    )


def _assigned(visitor: UUID, product_id: int, experiments: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """Experiment → (arm, whether this product was seen under it) of a visitor."""
    rows = connection.rows(
        "SELECT a.experiment_id, a.arm_id, EXISTS (SELECT FROM products_exposure e"
        " WHERE e.experiment_id = a.experiment_id AND e.visitor = a.visitor AND e.product_id = %s)"
        " FROM products_assignment a WHERE a.visitor = %s AND a.experiment_id = ANY(%s)",
        [product_id, visitor, list(experiments)],
    )
    return {experiment: (arm, seen) for experiment, arm, seen in rows}


def _write(store_id: int, viewer: Viewer, product_id: int, new, unseen, at: datetime) -> dict[int, int]:
    """Write assignments and exposures by one statement. Returns experiment → arm of those that were new: where another
    request was faster, its arm."""
    rows = connection.rows(
        "WITH assigned AS ("
        " INSERT INTO products_assignment"
        "  (store_id, experiment_id, visitor, arm_id, at, locale, segment, is_bot, other_arm)"
        " SELECT %(store)s, n.experiment, %(visitor)s, n.arm, %(at)s, %(locale)s, %(segment)s::jsonb, false, false"
        " FROM unnest(%(new)s::bigint[], %(new_arms)s::bigint[]) AS n (experiment, arm) ORDER BY 2"
        # Not DO NOTHING: a row that another request has just written must come back, too.
        " ON CONFLICT (experiment_id, visitor) DO UPDATE SET visitor = EXCLUDED.visitor"
        " RETURNING experiment_id, arm_id"
        "), seen AS ("
        " INSERT INTO products_exposure (store_id, experiment_id, arm_id, visitor, product_id, at)"
        " SELECT %(store)s, s.experiment_id, s.arm_id, %(visitor)s, %(product)s, %(at)s FROM ("
        "  SELECT experiment_id, arm_id FROM assigned UNION ALL"
        "  SELECT * FROM unnest(%(unseen)s::bigint[], %(unseen_arms)s::bigint[])) s (experiment_id, arm_id)"
        " ORDER BY 2 ON CONFLICT (experiment_id, visitor, product_id) DO NOTHING"
        ") SELECT experiment_id, arm_id FROM assigned",
        {
            "store": store_id, "product": product_id, "at": at, **viewer.decided, "new": [e for e, _arm in new], "new_arms": [a for _e, a in new],
            "unseen": [e for e, _arm in unseen], "unseen_arms": [a for _e, a in unseen],
        },
    )  # fmt: skip
    return dict(rows)
