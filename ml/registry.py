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


def _metrics(adapter: Path) -> dict:
    """What was measured when the adapter was trained; `base` is the model it fits."""
    return json.loads((adapter / "metrics.json").read_text(encoding="utf-8"))


def _adapter_hash(adapter: Path) -> str:
    return hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest()[:12]


def _house_artefact(capability: str, adapter: Path | None, progress: sources.Progress) -> tuple[str, str, dict]:
    """(label, path below MODELS_DIR, metrics) of the house version, merged and converted if it isn't yet."""
    base = settings.GENERATOR
    metrics = _metrics(adapter) if adapter else {}
    if adapter is None or metrics["base"] != base:
        return f"{base} (base)", str(sources.prepare(base, progress=progress).relative_to(settings.MODELS_DIR)), {}
    digest = _adapter_hash(adapter)
    target = settings.MODELS_DIR / "house" / f"{capability}-{digest}"
    # Written last, after the check: without it a kill came in between.
    if not (target / "agreement.json").exists():
        from ml.engines.causal_lora import merge
        from ml.engines.convert import agreement

        name = f"house {capability}"
        sources.prepare(base, progress=progress)
        progress(sources.Step(name, "merge adapter", 0, 2, 0.0))
        merged = target.with_name(target.name + ".merged")
        merge(sources.hf_dir(base), adapter, merged)
        progress(sources.Step(name, "convert", 1, 2, 0.0))
        sources.convert(merged, target)
        checked = agreement(merged, target, list(CHECK_PROMPTS))
        if checked["logit_correlation"] < 0.95:
            shutil.rmtree(target)
            raise sources.ModelSourceError(
                f"{name}: the converted model does not agree with the trained one: {checked}"
            )
        (target / "agreement.json").write_text(json.dumps(checked), encoding="utf-8")
        shutil.rmtree(merged)
        progress(sources.Step(name, "convert", 2, 2, 0.0))
    metrics["agreement"] = json.loads((target / "agreement.json").read_text(encoding="utf-8"))
    return f"house-{capability}-{digest}", str(target.relative_to(settings.MODELS_DIR)), metrics


CHECK_PROMPTS = (
    "### facts\ntitle: Stoneware mug\nMaterial: stoneware\nVolume: 300 ml\n### google_rsa.headline | en | neutral",
    "### facts\ntitle: Leinenkissen\nMaterial: Leinen\nFarbe: Grau\n### meta.headline | de | friendly",
    "### facts\ntitle: 保温杯\n材质: 不锈钢\n容量: 500 ml\n### seo.title | zh-Hans | neutral",
)


def register_house(progress: sources.Progress = lambda step: None) -> list[ModelVersion]:
    """Register the shipped adapters as house versions and make them live; the plain base where none is shipped.

    An adapter fits one base: with another GENERATOR the plain base is registered. Idempotent. A house version of the
    same base that a person promoted by hand stays live.
    """
    if settings.GENERATOR_BACKEND != "local":
        return []
    out = []
    for card in sorted(HOUSE.iterdir()):
        if not card.is_dir() or card.name.startswith((".", "_")):
            continue
        capability = card.name
        adapter = card if (card / "metrics.json").exists() else None
        label, path, metrics = _house_artefact(capability, adapter, progress)
        existing = ModelVersion.objects.filter(capability=capability, store=None, label=label).first()
        if existing is None:
            version = new_version(
                capability=capability, store_id=None, base=settings.GENERATOR,
                method="lora" if metrics else "base", label=label,
                data_hash=str(metrics.get("data_hash", "")), config=metrics.get("config", {}),
            )  # fmt: skip
            mark_ready(version, path=path, metrics=metrics)
            out.append(promote(version, reason="shipped with the app"))
        else:
            ModelVersion.objects.filter(pk=existing.pk).update(path=path)
            now = live(capability)
            fits = now is not None and now.base == settings.GENERATOR
            out.append(now if fits else promote(existing, reason="shipped with the app"))
    return out
