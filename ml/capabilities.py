"""What can be trained: each app announces its capabilities here, so that `ml` knows none of the apps.

Functions are named by dotted path and imported when they are needed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.conf import settings


@dataclass(frozen=True)
class Capability:
    """One thing that models do, and how it is trained, measured and brought to life.

    - `dataset`: function(store, or None for the house) → {"train" | "valid" | "test": rows}. A row is a dict with "id"
      and "language" and what the trainer wants. The test part is frozen: no row of it ever trains.
    - `house_dataset`, `house_config`: for `train_house`; function(folder of extra data, or None) → (train rows, held-out
      rows, hash), on the encoder ({part: rows}, hash). `house_teachers`: what each of several first trainings changes
      in the settings; the house model goes on from the first one and learns from the mean of them all.
    - `base`: name of the setting that names the base model.
    - `trainer`: module that is run as a process, `python -m TRAINER RUN`; it keeps to the protocol of `ml.training`.
    - `config`: dataclass of the settings, checked when made; `defaults` differ from its own; `options` are offered first.
    - `objectives`: what a training may be for, where the configuration has an `objective` and not all of them fit.
    - `export`: function(base folder, result of the training, target) → figures of how the converted model agrees with
      the trained one; in `ml.engines` it is run as a process. `agreement`: the least that they may be.
    - `predict`: function(folder of a converted version, rows, check) → a prediction (dict) a row, in order.
    - `measure`: function(rows, the live version's predictions, the candidate's) → `ml.measures.Measured`; `measures` names
      others for objectives of their own. `baseline`: function(rows) → predictions that a first version must beat.
    - `rescore`: function(store, or None for all that use the house version) → jobs to send; called after the live
      version changed.
    - `new_labels`: function(store, since or None) → how many labels came. `data_page`: name of the page of a store that
      shows what there is to learn from.
    """

    name: str
    title: str
    dataset: str
    house_dataset: str = ""
    house_config: dict[str, Any] = field(default_factory=dict)
    house_teachers: tuple[dict[str, Any], ...] = ()
    base: str = "ENCODER"
    trainer: str = "ml.engines.text_trainer"
    config: str = "ml.configs.TextTrainConfig"
    defaults: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("lora", "adalora", "adapter", "full")
    objectives: tuple[str, ...] = ()
    export: str = ""
    agreement: dict[str, float] = field(default_factory=dict)
    predict: str = ""
    measure: str = ""
    measures: dict[str, str] = field(default_factory=dict)
    baseline: str = ""
    rescore: str = ""
    new_labels: str = ""
    data_page: str = ""

    def measure_of(self, config: dict[str, Any]) -> str:
        """The measure for a version that was trained with these settings."""
        return self.measures.get(str(config.get("objective", "")), self.measure)

    @property
    def base_name(self) -> str:
        """The base model that the settings name."""
        return getattr(settings, self.base)


_known: dict[str, Capability] = {}


def register(found: Capability) -> None:
    """Announce a capability (from AppConfig.ready)."""
    _known[found.name] = found


def names() -> list[str]:
    """All that were announced."""
    return sorted(_known)


def capability(name: str) -> Capability:
    """Raises KeyError for an unknown one."""
    return _known[name]


def load(dotted: str) -> Callable[..., Any]:
    """The function or class of a dotted path. Raises ImportError, AttributeError."""
    module, _dot, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def checked_config(found: Capability, values: dict[str, Any]) -> dict[str, Any]:
    """The whole configuration as plain JSON: `values` over the capability's defaults. Raises ValueError that names the
    setting."""
    kind = load(found.config)
    merged = {**found.defaults, **values}
    unknown = sorted(set(merged) - set(kind.__dataclass_fields__))
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(unknown)}")
    for name, value in merged.items():
        default = kind.__dataclass_fields__[name].default
        if isinstance(default, bool) != isinstance(value, bool) and isinstance(default, bool | int | float):
            raise ValueError(f"{name}={value!r}: {'true or false' if isinstance(default, bool) else 'a number'}")
        if isinstance(default, int | float) and not isinstance(value, int | float):
            raise ValueError(f"{name}={value!r}: a number")
        if isinstance(default, int) and isinstance(value, float):
            raise ValueError(f"{name}={value!r}: a whole number")
        if isinstance(default, str) and not isinstance(value, str):
            raise ValueError(f"{name}={value!r}: a text")
    return kind(**merged).as_json()
