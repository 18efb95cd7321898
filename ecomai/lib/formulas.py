"""Cells that a spreadsheet would run as formulas: neutralised on the way out, restored on the way in."""

import re

_NUMBER = re.compile(r"^[+-]?\d[\d.,]*%?$")
# The full-width signs too: spreadsheets in East Asian languages read them as the plain ones.
_RISKY = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")


def safe(value: str) -> str:
    """The cell with an apostrophe in front when a spreadsheet would take it for a formula; numbers stay numbers.

    A value that begins with apostrophes and a risky sign gets one more, so that `restore` always finds the original.
    """
    bare = value.lstrip("'")
    if bare.startswith(_RISKY) and not _NUMBER.match(value):
        return "'" + value
    return value


def restore(value: str) -> str:
    """Undo `safe`."""
    if value.startswith("'") and value.lstrip("'").startswith(_RISKY):
        return value[1:]
    return value
