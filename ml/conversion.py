"""From what was trained to what runs: merge, convert, quantise, and check that both answer alike."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from ml import processes, sources
from ml.capabilities import capability, load
from ml.models import ModelVersion


class ConversionError(Exception):
    """The converted model can't be had or doesn't agree with the trained one; the text says which."""


def convert(version: ModelVersion, *, check: Callable[[], None] = lambda: None) -> Path:
    """The converted folder of a version, made if it isn't there; a kill leaves nothing or the whole.

    Raises ConversionError, processes.EngineFailed and what `check` raises.
    """
    found = capability(version.capability)
    if version.path and (settings.MODELS_DIR / version.path / "model.bin").exists():
        return settings.MODELS_DIR / version.path
    if not version.trained:
        raise ConversionError(f"{version.label}: its training's result is gone, and it was never converted")
    if version.base != found.base_name:
        raise ConversionError(
            f"{version.label} belongs to the base {version.base}, and the base is {found.base_name} now"
        )
    relative = f"versions/{version.capability}-{version.pk}"
    target = settings.MODELS_DIR / relative
    if not (target / "agreement.json").exists():
        sources.prepare(found.base_name)
        fresh = target.with_name(target.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        arguments = (sources.hf_dir(found.base_name), settings.MODELS_DIR / version.trained, fresh)
        if found.export.startswith("ml.engines."):
            told = processes.call(found.export, *arguments, check=check)
        else:
            told = load(found.export)(*arguments)
        for name, least in found.agreement.items():
            if told.get(name, 0.0) < least:
                shutil.rmtree(fresh)
                raise ConversionError(
                    f"{version.label}: the converted model does not agree with the trained one: {told}"
                )
        (fresh / "agreement.json").write_text(json.dumps(told), encoding="utf-8")
        sources.swap_in(fresh, target)
    told = json.loads((target / "agreement.json").read_text(encoding="utf-8"))
    version.path, version.metrics = relative, {**version.metrics, "agreement": told}
    ModelVersion.objects.filter(pk=version.pk).update(path=version.path, metrics=version.metrics)
    return target
