"""What can be trained: each app announces its capabilities here, so that `ml` knows none of the apps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Capability:
    """`dataset`: dotted path of a function(extra folder or None) → (train rows, held-out rows, hash)."""

    name: str
    title: str
    dataset: str


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
