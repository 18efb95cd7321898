"""Colours that people can read: WCAG AA (4.5 : 1) for every pair of ink and ground, in light and in dark."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).resolve().parents[2] / "assets" / "app.css").read_text(encoding="utf-8")
PAIRS = [(ink, ground) for ink in ("ink", "ink-2", "ink-3", "accent-text") for ground in ("bg", "surface", "raised")]
PAIRS += [("accent-text", "accent-soft"), ("accent-ink", "accent"), ("bad", "surface")]
PAIRS += [(tone, f"{tone}-soft") for tone in ("ok", "warn", "bad", "info")]


def colours(selector: str) -> dict[str, str]:
    block = CSS.split(f"{selector} {{", 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [":root", '[data-theme="dark"]'])
def test_text_stands_out_from_its_ground(theme):
    found = colours(theme)
    weak = {}
    for ink, ground in PAIRS:
        low, high = sorted([luminance(found[ink]), luminance(found[ground])])
        if (ratio := (high + 0.05) / (low + 0.05)) < 4.5:
            weak[ink, ground] = round(ratio, 2)
    assert weak == {}
