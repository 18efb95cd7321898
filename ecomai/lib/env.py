"""Read settings from the environment: typed, with `NAME_FILE` for secrets, and loud on bad values."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The variable's value, the default when it is unset or empty; `NAME_FILE` names a file that holds it (container secrets)."""
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE={file}: {error.strerror}") from error
    return os.environ.get(name) or default


def flag(name: str, default: bool) -> bool:
    """A boolean; anything but 1/0, true/false, yes/no, on/off is an error."""
    value = text(name, "1" if default else "0").strip().lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r}: write one of 1, 0, true, false, yes, no, on, off")


def number(name: str, default: int) -> int:
    """A whole number."""
    value = text(name, str(default)).strip()
    try:
        return int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r}: write a whole number") from error


def listing(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]
