"""Which concepts of the lexicon a text names: colours, materials, proofs and places, in any of our languages."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale

from products.claims_lexicon import BANNED, KINDS, MASKED

CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
WORD = re.compile("[^\\W\\d_\u3040-\u30ff\u3400-\u9fff]+")
# Endings that inflection adds to a form.
ENDINGS = re.compile(r"(?:s|es|e|en|er|em|n|ne|nes|nen|ner|te|ten|ter|tes|x|ed|ien)?$")
# What a German compound may end with, whatever stands before it.
GERMAN_HEADS = {
    "holz": ("material", "wood"), "leder": ("material", "leather"), "wolle": ("material", "wool"), "seide": ("material", "silk"), "stahl": ("material", "steel"),
    "kautschuk": ("material", "rubber"), "kunststoff": ("material", "plastic"), "porzellan": ("material", "porcelain"), "keramik": ("material", "ceramic"),
    "verstellbar": ("proof", "adjustable"), "abnehmbar": ("proof", "removable"), "faltbar": ("proof", "foldable"),
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """A surface form of a concept: its words, folded; `only` names the language in which it is a claim."""

    parts: tuple[str, ...]
    kind: str
    concept: str
    only: str


def fold(text: str) -> str:
    """Case and accents away, for comparison."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


@lru_cache(maxsize=1)
def _forms() -> tuple[dict[str, list[Form]], list[tuple[str, str, str]]]:
    """(Latin forms by their first two letters, CJK forms as (form, kind, concept), longest first)."""
    latin: dict[str, list[Form]] = {}
    cjk: list[tuple[str, str, str]] = []
    for kind, table in {**KINDS, "banned": BANNED}.items():
        for concept, forms in table.items():
            for form in forms.split():
                if CJK.search(form):
                    cjk.append((form, kind, concept))
                    continue
                form, _colon, only = form.partition(":")
                parts = tuple(fold(part) for part in re.split(r"[-'’]", form))
                latin.setdefault(parts[0][:2], []).append(Form(parts, kind, concept, only.rstrip("=")))
    cjk.sort(key=lambda item: -len(item[0]))
    return latin, cjk


# Countries whose names are also cloth, hats or first names.
_AMBIGUOUS = {"JE", "PA", "GE", "TD", "JO", "NE", "ML", "TO", "IM", "GG", "SX", "MF", "BL"}


@lru_cache(maxsize=1)
def _countries() -> tuple[dict[str, list[tuple[tuple[str, ...], str]]], list[tuple[str, str]]]:
    """Names of all countries: Latin ones by their first word, CJK ones as (name, code)."""
    latin: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    cjk = []
    for locale in ("en", "es", "de", "fr", "zh_Hans", "ja"):
        for code, name in Locale.parse(locale).territories.items():
            if len(code) != 2 or code in _AMBIGUOUS:
                continue
            if CJK.search(name):
                if len(name) > 2:
                    cjk.append((name, code))
            elif len(name) > 3:
                words = tuple(fold(m[0]) for m in WORD.finditer(name))
                latin.setdefault(words[0], []).append((words, code))
    return latin, cjk


def _part(form: str, word: str, compound: bool) -> bool:
    if form.endswith("="):
        return word == form[:-1]
    if form.endswith("*"):
        return word.startswith(form[:-1])
    if not word.startswith(form):
        return False
    return bool(ENDINGS.match(word[len(form) :])) or (compound and len(form) >= 5)


def concepts(text: str, locale: str = "") -> Iterator[tuple[int, int, str, str]]:
    """(start, end, kind, concept) of every lexicon concept that the text names; no locale means all of them."""
    latin, cjk = _forms()
    masked = {i for match in re.finditer(MASKED, text) for i in range(match.start(), match.end())}
    words = [(m.start(), m.end(), fold(m[0])) for m in WORD.finditer(text)]
    countries, cjk_countries = _countries()
    for i, (start, end, word) in enumerate(words):
        if start in masked:
            continue
        known = False
        for form in latin.get(word[:2], ()):
            length = len(form.parts)
            if form.only and locale and not locale.startswith(form.only) or i + length > len(words):
                continue
            follow = words[i : i + length]
            if all(
                _part(part, w, form.kind == "material" and n == length - 1)
                for n, (part, (_s, _e, w)) in enumerate(zip(form.parts, follow, strict=True))
            ) and all(len(text[a[1] : b[0]]) == 1 for a, b in zip(follow, follow[1:], strict=False)):
                known = True
                yield start, follow[-1][1], form.kind, form.concept
        if locale in ("", "de") and not known:
            for head, (kind, concept) in GERMAN_HEADS.items():
                if re.search(rf"{head}(?:e[mnrs]?)?$", word) and not word.startswith(head):
                    yield start, end, kind, concept
        if text[start].isupper():
            for name, code in countries.get(word, ()):
                if tuple(w for _s, _e, w in words[i : i + len(name)]) == name:
                    yield start, words[i + len(name) - 1][1], "place", code
    if CJK.search(text):
        taken = set(masked)
        tables = [(form, kind, concept) for form, kind, concept in cjk]
        tables += [(name, "place", code) for name, code in cjk_countries]
        for form, kind, concept in tables:
            at = text.find(form)
            while at >= 0:
                if not taken & set(range(at, at + len(form))):
                    taken |= set(range(at, at + len(form)))
                    yield at, at + len(form), kind, concept
                at = text.find(form, at + len(form))
