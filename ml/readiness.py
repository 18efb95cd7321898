"""Whether the models can answer: cheap enough for a health check."""

from django.conf import settings

from ml import registry, sources


def models_ready() -> tuple[bool, str]:
    """(ready, what is missing)."""
    names = [settings.ENCODER] + ([settings.GENERATOR] if settings.GENERATOR_BACKEND == "local" else [])
    missing = [name for name in names if not sources.is_prepared(name)]
    if missing:
        return False, f"not prepared: {', '.join(missing)}"
    for capability in registry.shipped():
        version = registry.live(capability.name)
        if version is None:
            return False, f"no live version for {capability.name}"
        if not (registry.folder(version) / "model.bin").exists():
            return False, f"files of {version.label} are missing"
    return True, "ready"
