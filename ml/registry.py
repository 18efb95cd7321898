"""Make, promote and roll back model versions; register the house versions that ship with the app."""

import hashlib
import json
import shutil
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ecomai.models import User
from ml import sources
from ml.capabilities import Capability, capability, load, names
from ml.models import ModelVersion

HOUSE = Path(__file__).parent / "house"


class PromotionError(Exception):
    """The version can't be made live; the text says why."""


def folder(version: ModelVersion) -> Path:
    """The converted folder of a version."""
    return settings.MODELS_DIR / version.path


def new_version(
    *, capability: str, store_id: int | None, base: str, method: str, label: str, config: dict | None = None,
    data_hash: str = "", parent: ModelVersion | None = None, by: User | None = None,
) -> ModelVersion:  # fmt: skip
    """A row for a version that is about to be trained."""
    return ModelVersion.objects.create(
        capability=capability, store_id=store_id, base=base, method=method, label=label, config=config or {},
        data_hash=data_hash, parent=parent, created_by=by,
    )  # fmt: skip


def mark_ready(version: ModelVersion, *, path: str, metrics: dict) -> None:
    """The artefact lies at `path` (below MODELS_DIR) and was measured."""
    ModelVersion.objects.filter(pk=version.pk).update(status=ModelVersion.Status.READY, path=path, metrics=metrics)
    version.refresh_from_db()


def live(capability: str, store_id: int | None = None) -> ModelVersion | None:
    """The store's live version, else the house's, else None."""
    rows = ModelVersion.objects.filter(capability=capability, status=ModelVersion.Status.LIVE)
    own = rows.filter(store_id=store_id).first() if store_id else None
    return own or rows.filter(store=None).first()


@transaction.atomic
def promote(version: ModelVersion, *, reason: str = "", by: User | None = None) -> ModelVersion:
    """Make a ready or retired version live in its scope; the one that was live is retired. Raises PromotionError."""
    version = _lock_scope(version.capability, version.store_id)[version.pk]
    if version.status == ModelVersion.Status.LIVE:
        return version
    return _go_live(version, reason=reason, since=timezone.now())


@transaction.atomic
def roll_back(capability: str, store_id: int | None, *, by: User | None = None) -> ModelVersion:
    """Make the version that was live before live again, and once more goes back further; before a store's first
    version came the house's. Raises PromotionError when there is none."""
    scope = _lock_scope(capability, store_id).values()
    current = next((v for v in scope if v.status == ModelVersion.Status.LIVE), None)
    earlier = [
        v for v in scope
        if current and v.status == ModelVersion.Status.RETIRED and v.promoted_at and v.promoted_at < current.promoted_at
    ]  # fmt: skip
    if earlier:
        # It keeps the time of its own promotion: the order of promotions is what "before" means.
        previous = max(earlier, key=lambda v: v.promoted_at)
        return _go_live(previous, reason="roll-back", since=previous.promoted_at)
    house = live(capability)
    if current is None or store_id is None or house is None:
        raise PromotionError("There is no earlier version to go back to.")
    ModelVersion.objects.filter(pk=current.pk).update(status=ModelVersion.Status.RETIRED)
    return house


def _lock_scope(capability: str, store_id: int | None) -> dict[int, ModelVersion]:
    """All versions of the scope, locked: two promotions at once take turns."""
    rows = ModelVersion.objects.select_for_update().filter(capability=capability, store_id=store_id).order_by("pk")
    return {version.pk: version for version in rows}


def _go_live(version: ModelVersion, *, reason: str, since: datetime) -> ModelVersion:
    if version.status not in (ModelVersion.Status.READY, ModelVersion.Status.RETIRED):
        raise PromotionError(f"{version.label} is {version.status}; only a ready version can go live")
    if not (folder(version) / "model.bin").exists():
        raise PromotionError(f"{version.label}: its files are missing")
    ModelVersion.objects.filter(
        capability=version.capability, store_id=version.store_id, status=ModelVersion.Status.LIVE
    ).update(status=ModelVersion.Status.RETIRED)
    version.status, version.reason, version.promoted_at = ModelVersion.Status.LIVE, reason, since
    version.save(update_fields=["status", "reason", "promoted_at"])
    return version


def _told(card: Path) -> dict:
    """What was measured when the house version was trained; `base` is the model it fits. Empty without a training."""
    for name in ("metrics.json", "result.json"):
        if (card / name).exists() and _weights(card) is not None:
            return json.loads((card / name).read_text(encoding="utf-8"))
    return {}


def _weights(card: Path) -> Path | None:
    names = ("adapter_model.safetensors", "weights.safetensors")
    return next((card / name for name in names if (card / name).exists()), None)


def _digest(weights: Path) -> str:
    return hashlib.sha256(weights.read_bytes()).hexdigest()[:12]


def _house_artefact(found: Capability, card: Path, progress: sources.Progress) -> tuple[str, str, dict]:
    """(label, path below MODELS_DIR, metrics) of the house version, merged and converted if it isn't yet; the plain base
    where the shipped one doesn't fit (a base of `shipped` can do the work)."""
    base = found.base_name
    told, weights = _told(card), _weights(card)
    if weights is None or told.get("base") != base:
        return f"{base} (base)", str(sources.prepare(base, progress=progress).relative_to(settings.MODELS_DIR)), {}
    digest = _digest(weights)
    target = settings.MODELS_DIR / "house" / f"{found.name}-{digest}"
    # Written last, after the check: without it a kill came in between.
    if not (target / "agreement.json").exists():
        with sources.one_at_a_time():
            if not (target / "agreement.json").exists():
                _convert_house(found, card, target, progress)
    told["agreement"] = json.loads((target / "agreement.json").read_text(encoding="utf-8"))
    return f"house-{found.name}-{digest}", str(target.relative_to(settings.MODELS_DIR)), told


def _convert_house(found: Capability, card: Path, target: Path, progress: sources.Progress) -> None:
    """Merge and convert the shipped weights into `target`, checked against the trained ones."""
    base, name = found.base_name, f"house {found.name}"
    sources.prepare(base, progress=progress)
    progress(sources.Step(name, "convert", 0, 1, 0.0))
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    checked = load(found.export)(sources.hf_dir(base), card, fresh)
    for figure, least in found.agreement.items():
        if checked.get(figure, 0.0) < least:
            shutil.rmtree(fresh)
            raise sources.ModelSourceError(
                f"{name}: the converted model does not agree with the trained one: {checked}"
            )
    (fresh / "agreement.json").write_text(json.dumps(checked), encoding="utf-8")
    sources.swap_in(fresh, target)
    progress(sources.Step(name, "convert", 1, 1, 0.0))


def shipped() -> list[Capability]:
    """Capabilities that come with something to serve here: a house version that fits the base, or a base that can do the
    work as it is. Another one, or one whose base was changed, serves nothing until a version of it is trained."""
    out = []
    for card in sorted(HOUSE.iterdir()):
        if card.is_dir() and card.name in names():
            found = capability(card.name)
            if found.base == "GENERATOR":
                fits = settings.GENERATOR_BACKEND == "local"
            else:
                fits = _told(card).get("base") == found.base_name
            if fits:
                out.append(found)
    return out


def register_house(progress: sources.Progress = lambda step: None) -> list[ModelVersion]:
    """Register the shipped house versions and make them live; the plain base where none is shipped and it can serve.

    A house version fits one base: with another GENERATOR the plain base is registered. Idempotent. A house version of
    the same base that a person promoted by hand stays live.
    """
    out = []
    for found in shipped():
        card = HOUSE / found.name
        label, path, metrics = _house_artefact(found, card, progress)
        trained = str(card) if metrics else ""
        existing = ModelVersion.objects.filter(capability=found.name, store=None, label=label).first()
        if existing is None:
            version = new_version(
                capability=found.name, store_id=None, base=found.base_name,
                method=str(metrics.get("config", {}).get("method", "lora")) if metrics else "base", label=label,
                data_hash=str(metrics.get("data_hash", "")), config=metrics.get("config", {}),
            )  # fmt: skip
            ModelVersion.objects.filter(pk=version.pk).update(trained=trained)
            mark_ready(version, path=path, metrics=metrics)
            out.append(promote(version, reason="shipped with the app"))
        else:
            ModelVersion.objects.filter(pk=existing.pk).update(path=path, trained=trained)
            now = live(found.name)
            fits = now is not None and now.base == found.base_name
            out.append(now if fits else promote(existing, reason="shipped with the app"))
    return out
