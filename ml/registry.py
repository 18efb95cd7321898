"""Make, promote and roll back model versions; register the house versions that ship with the app."""

import hashlib
import json
import shutil
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
    scope = ModelVersion.objects.select_for_update().filter(capability=version.capability, store_id=version.store_id)
    version = scope.get(pk=version.pk)
    if version.status == ModelVersion.Status.LIVE:
        return version
    if version.status not in (ModelVersion.Status.READY, ModelVersion.Status.RETIRED):
        raise PromotionError(f"{version.label} is {version.status}; only a ready version can go live")
    if not (folder(version) / "model.bin").exists():
        raise PromotionError(f"{version.label}: its files are missing")
    scope.filter(status=ModelVersion.Status.LIVE).update(status=ModelVersion.Status.RETIRED)
    version.status, version.reason, version.promoted_at = ModelVersion.Status.LIVE, reason, timezone.now()
    version.save(update_fields=["status", "reason", "promoted_at"])
    return version


def roll_back(capability: str, store_id: int | None, *, by: User | None = None) -> ModelVersion:
    """Make the version that was live before live again. Raises PromotionError when there is none."""
    previous = (
        ModelVersion.objects.filter(
            capability=capability, store_id=store_id, status=ModelVersion.Status.RETIRED, promoted_at__isnull=False
        )
        .order_by("-promoted_at")
        .first()
    )
    if previous is None:
        raise PromotionError("There is no earlier version to go back to.")
    return promote(previous, reason="roll-back", by=by)


def _adapter_hash(adapter: Path) -> str:
    return hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest()[:12]


def _house_artefact(capability: str, adapter: Path | None, progress: sources.Progress) -> tuple[str, str, dict]:
    """(label, path below MODELS_DIR, metrics) of the house version, merged and converted if it isn't yet."""
    base = settings.GENERATOR
    if adapter is None:
        return f"{base} (base)", str(sources.prepare(base, progress=progress).relative_to(settings.MODELS_DIR)), {}
    digest = _adapter_hash(adapter)
    target = settings.MODELS_DIR / "house" / f"{capability}-{digest}"
    metrics_file = adapter / "metrics.json"
    metrics = json.loads(metrics_file.read_text(encoding="utf-8")) if metrics_file.exists() else {}
    if not (target / "model.bin").exists():
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

    Idempotent. A house version that a person promoted by hand afterwards stays live.
    """
    if settings.GENERATOR_BACKEND != "local":
        return []
    out = []
    for card in sorted(HOUSE.iterdir()):
        if not card.is_dir() or card.name.startswith((".", "_")):
            continue
        capability = card.name
        adapter = card if (card / "adapter_model.safetensors").exists() else None
        label, path, metrics = _house_artefact(capability, adapter, progress)
        existing = ModelVersion.objects.filter(capability=capability, store=None, label=label).first()
        if existing is None:
            version = new_version(
                capability=capability, store_id=None, base=settings.GENERATOR,
                method="lora" if adapter else "base", label=label,
                data_hash=str(metrics.get("data_hash", "")), config=metrics.get("config", {}),
            )  # fmt: skip
            mark_ready(version, path=path, metrics=metrics)
            out.append(promote(version, reason="shipped with the app"))
        else:
            ModelVersion.objects.filter(pk=existing.pk).update(path=path)
            out.append(live(capability) or promote(existing, reason="shipped with the app"))
    return out
