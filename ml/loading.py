"""One cache of loaded models per process; a promotion is noticed within seconds, without a restart."""

import threading
import time
from collections import OrderedDict
from pathlib import Path

from ml import registry
from ml.generation import GenerationError
from ml.local_generator import LocalGenerator
from ml.models import ModelVersion

LOOK_EVERY = 3.0
KEEP = 3  # models in memory; stores beyond that take turns

_lock = threading.Lock()
_engines: OrderedDict[str, LocalGenerator] = OrderedDict()
_live: dict[tuple[str, int | None], tuple[float, ModelVersion]] = {}


def engine(folder: Path) -> LocalGenerator:
    """The loaded generator of a converted folder."""
    key = str(folder)
    with _lock:
        if key in _engines:
            _engines.move_to_end(key)
            return _engines[key]
        loaded = _engines[key] = LocalGenerator(folder)
        while len(_engines) > KEEP:
            _engines.popitem(last=False)
        return loaded


def live_version(capability: str, store_id: int | None) -> ModelVersion | None:
    """The live version for the store (else the house's), looked up every few seconds."""
    now = time.monotonic()
    known = _live.get((capability, store_id))
    if known and now - known[0] < LOOK_EVERY:
        return known[1]
    found = registry.live(capability, store_id)
    if found is not None:
        _live[(capability, store_id)] = (now, found)
    return found


def live_generator(capability: str, store_id: int | None) -> tuple[ModelVersion, LocalGenerator]:
    """The live version for the store and its loaded engine. Raises GenerationError when there is none."""
    version = live_version(capability, store_id)
    if version is None:
        raise GenerationError(f"No model is live for {capability}: run `python manage.py prepare_models`")
    folder = registry.folder(version)
    if not (folder / "model.bin").exists():
        raise GenerationError(f"{version.label}: {folder.name} is missing; run `python manage.py prepare_models`")
    return version, engine(folder)


def forget() -> None:
    """Drop what was looked up (tests, after a promotion in this process)."""
    _live.clear()
