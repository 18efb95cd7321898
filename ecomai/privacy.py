"""Everything about one person, over all apps: found, exported, erased, and a report that doesn't name them.

Each app registers what it keeps; this module knows none of them. An erasure may run twice or be killed at any line:
every app erases in one transaction with its line of the report, and a second time finds nothing.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ecomai.lib import sealed
from ecomai.models import Job, Store, User
from ecomai.privacy_models import PrivacyRequest

PURPOSE = "privacy"
KEEP_ARCHIVE = timedelta(days=7)
MOST_IDENTIFIERS = 10
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Person:
    """Who is meant: mail addresses, phone numbers, customer numbers, as they were given."""

    identifiers: tuple[str, ...]


@dataclass(frozen=True)
class Keeper:
    """What one app knows about people.

    - `count(store, person)` → what → how many.
    - `export(store, person, progress)` → name of a file without ending → rows (JSON).
    - `erase(store, person, keep_text)` → what → how many, in the caller's transaction; called again it finds nothing.
    """

    app: str
    title: str
    count: Callable[[Store, Person], dict[str, int]]
    export: Callable[[Store, Person, Progress], dict[str, list[dict]]]
    erase: Callable[[Store, Person, bool], dict[str, int]]
    names: Mapping[str, object]


class BadRequest(ValueError):
    """The request can't be taken; the text is a code: empty, too_many, not_confirmed."""


_keepers: dict[str, Keeper] = {}


def register(
    app: str,
    *,
    title: str,
    find: Callable[[Store, Person], dict[str, int]],
    export: Callable[[Store, Person, Progress], dict[str, list[dict]]],
    erase: Callable[[Store, Person, bool], dict[str, int]],
    names: Mapping[str, object] = {},
) -> None:
    """Announce what an app keeps about people (from AppConfig.ready)."""
    _keepers[app] = Keeper(app, title, find, export, erase, names)


def told(counts: dict[str, dict[str, int]]) -> list[tuple[str, int]]:
    """A report for people: (what, how many), without what there was none of."""
    names = {app: keeper.names for app, keeper in _keepers.items()}
    return [
        (str(names.get(app, {}).get(what, what)), n) for app, rows in counts.items() for what, n in rows.items() if n
    ]


def person_of(text: str) -> Person:
    """One identifier a line. Raises BadRequest."""
    lines = tuple(dict.fromkeys(line.strip()[:200] for line in text.splitlines() if line.strip()))
    if not lines:
        raise BadRequest("empty")
    if len(lines) > MOST_IDENTIFIERS:
        raise BadRequest("too_many")
    return Person(lines)


def find(store: Store, person: Person) -> dict[str, dict[str, int]]:
    """App → what → how many; apps that know nothing of the person are left out."""
    found = {app: keeper.count(store, person) for app, keeper in sorted(_keepers.items())}
    return {app: counts for app, counts in found.items() if any(counts.values())}


@transaction.atomic
def request(
    *,
    store: Store,
    by: User,
    kind: str,
    person: Person,
    keep_text: bool,
    typed: str,
    job: Callable[[PrivacyRequest], Job],
) -> PrivacyRequest:
    """Write down a request and give it a job. An erasure wants the store's short name typed. Raises BadRequest."""
    if kind not in PrivacyRequest.Kind.values:
        raise BadRequest("kind")
    if kind == PrivacyRequest.Kind.ERASE and typed.strip() != store.slug:
        raise BadRequest("not_confirmed")
    mark = sealed.fingerprint(f"{store.pk}:{json.dumps(sorted(person.identifiers))}", PURPOSE)
    made = PrivacyRequest.objects.create(
        store=store, kind=kind, fingerprint=mark, keep_text=keep_text, by=by,
        sealed=sealed.seal(json.dumps(person.identifiers).encode(), PURPOSE),
    )  # fmt: skip
    made.job = job(made)
    made.save(update_fields=["job"])
    return made


def carry_out(found: PrivacyRequest, progress: Progress) -> None:
    """Do what a request asks; once done it is never done again, and what names the person is emptied."""
    if found.status != PrivacyRequest.Status.WAITING or not found.sealed:
        return
    person = Person(tuple(json.loads(sealed.unseal(found.sealed, PURPOSE))))
    fields: dict = {}
    if found.kind == PrivacyRequest.Kind.EXPORT:
        files = {
            f"{app}/{name}": rows
            for app, keeper in sorted(_keepers.items())
            for name, rows in keeper.export(found.store, person, progress).items()
        }
        counts: dict[str, dict[str, int]] = {}
        for name, rows in files.items():
            app, _slash, what = name.partition("/")
            counts.setdefault(app, {})[what] = len(rows)
        fields |= {
            "archive": sealed.seal(_zip(files, found, counts), PURPOSE), "expires_at": timezone.now() + KEEP_ARCHIVE,
        }  # fmt: skip
    else:
        counts = dict(found.counts)
        for number, (app, keeper) in enumerate(sorted(_keepers.items())):
            progress(number, len(_keepers))
            # What is gone and that it is gone are written together: a kill loses neither.
            with transaction.atomic():
                erased = keeper.erase(found.store, person, found.keep_text)
                counts[app] = _added(counts.get(app, {}), erased)
                PrivacyRequest.objects.filter(pk=found.pk).update(counts=counts)
        progress(len(_keepers), len(_keepers))
    PrivacyRequest.objects.filter(pk=found.pk, status=PrivacyRequest.Status.WAITING).update(
        status=PrivacyRequest.Status.DONE, counts=counts, sealed=None, finished_at=timezone.now(), **fields
    )


def _added(one: dict[str, int], two: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + two.get(name, 0) for name in sorted({*one, *two})}


def _zip(files: dict[str, list[dict]], found: PrivacyRequest, counts: dict) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        about = {"store": found.store.name, "made_at": timezone.now().isoformat(), "counts": counts}
        archive.writestr("about.json", json.dumps(about, ensure_ascii=False, indent=1))
        for name, rows in files.items():
            archive.writestr(f"{name}.json", json.dumps(rows, ensure_ascii=False, indent=1, default=str))
    return buffer.getvalue()


def archive_of(found: PrivacyRequest) -> bytes | None:
    """The ZIP of an export; None when there is none any more."""
    if not found.archive or (found.expires_at and found.expires_at <= timezone.now()):
        return None
    return sealed.unseal(found.archive, PURPOSE)


def settle(store: Store | None = None) -> None:
    """Forget what is over: archives that expired, and whom a request meant whose job failed or was cancelled."""
    rows = PrivacyRequest.objects.filter(store=store) if store else PrivacyRequest.objects.all()
    rows.filter(expires_at__lte=timezone.now()).update(archive=None)
    rows.filter(
        status=PrivacyRequest.Status.WAITING, job__status__in=[Job.Status.FAILED, Job.Status.CANCELLED, Job.Status.DONE]
    ).update(status=PrivacyRequest.Status.FAILED, sealed=None, finished_at=timezone.now())
