"""The fact gate: every number, unit, price, colour, material, proof, place and name of a text needs a fact behind it.

Precision first: a text that says something which the facts don't hold is not shown as good.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from ecomai.lib.numerals import ascii_digits
from products.claims_lexicon import BANNED, IMPLIES, KINDS, MASKED, NUMBER_WORDS
from products.copy_prompts import Facts

CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
WORD = re.compile(r"[^\W\d_][\w'’.-]*", re.U)
NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*")
# Endings that inflection adds to a form.
ENDINGS = re.compile(r"^(?:s|es|e|en|er|em|n|ne|nes|nen|ner|te|ten|ter|tes|x|ed|ien)?$")
UNITS = {
    "ml": ("volume", 1), "cl": ("volume", 10), "dl": ("volume", 100), "l": ("volume", 1000), "litre": ("volume", 1000),
    "litres": ("volume", 1000), "liter": ("volume", 1000), "liters": ("volume", 1000), "litro": ("volume", 1000),
    "litros": ("volume", 1000), "升": ("volume", 1000), "毫升": ("volume", 1), "リットル": ("volume", 1000),
    "mm": ("length", 1), "cm": ("length", 10), "m": ("length", 1000), "厘米": ("length", 10), "毫米": ("length", 1),
    "米": ("length", 1000), "in": ("inch", 1), "inch": ("inch", 1), "inches": ("inch", 1), "zoll": ("inch", 1),
    "pulgadas": ("inch", 1), "pouces": ("inch", 1), "英寸": ("inch", 1), "インチ": ("inch", 1), '"': ("inch", 1),
    "mg": ("mass", Decimal("0.001")), "g": ("mass", 1), "kg": ("mass", 1000), "克": ("mass", 1), "千克": ("mass", 1000),
    "公斤": ("mass", 1000), "w": ("power", 1), "kw": ("power", 1000), "v": ("voltage", 1), "mah": ("charge", 1),
    "ah": ("charge", 1000), "h": ("time", 3600), "hours": ("time", 3600), "hour": ("time", 3600), "horas": ("time", 3600),
    "stunden": ("time", 3600), "std": ("time", 3600), "heures": ("time", 3600), "小时": ("time", 3600), "時間": ("time", 3600),
    "min": ("time", 60), "minute": ("time", 60), "minutes": ("time", 60), "minuten": ("time", 60), "minutos": ("time", 60), "分钟": ("time", 60),
    "分": ("time", 60), "%": ("share", 1), "°c": ("degree", 1), "k": ("kelvin", 1), "hz": ("hertz", 1), "gb": ("data", 1),
    "db": ("sound", 1), "lm": ("light", 1),
}  # fmt: skip
DIGITS = {ord(c): str(i % 10) for i, c in enumerate("０１２３４５６７８９٠١٢٣٤٥٦٧٨٩")}
UNIT_AFTER = re.compile(
    r"[ \u00a0\u202f-]?(" + "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True)) + r")(?![A-Za-zÀ-ÿ])", re.I
)
MONEY = re.compile(r"[€$£¥]|\b(?:EUR|USD|GBP|JPY|CNY|CHF|MXN|CAD)\b|(?<=\d)\s?[元円]")
STOP = set(
    "the a an and or of for in on with to your you our from at by as is are it its this that el la los las de del y con en "
    "para por un una tu su der die das und mit für aus von im am dein deine le les des et avec pour dans du ton votre".split()
)


@dataclass(frozen=True)
class Span:
    """Words of the text: `kind` of claim; `fact` and `value` tell which fact supports them (empty: none does)."""

    start: int
    end: int
    kind: str
    text: str
    fact: str = ""
    value: str = ""


@dataclass(frozen=True)
class Check:
    """The result of the gate."""

    supported: list[Span]
    unsupported: list[Span]

    @property
    def ok(self) -> bool:
        return not self.unsupported


def _fold(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


@lru_cache(maxsize=1)
def _forms() -> tuple[dict[str, list[tuple[str, str, str]]], list[tuple[str, str, str]]]:
    """(Latin forms by their first two letters, CJK forms, longest first)."""
    latin: dict[str, list[tuple[str, str, str]]] = {}
    cjk: list[tuple[str, str, str]] = []
    tables = {**KINDS, "banned": BANNED}
    for kind, concepts in tables.items():
        for concept, forms in concepts.items():
            for form in forms.split():
                if CJK.search(form):
                    cjk.append((form, kind, concept))
                else:
                    form, _colon, locale = form.partition(":")
                    exact = "=" if (form + locale).endswith("=") else ""
                    folded = f"{_fold(form.rstrip('='))}{exact}"
                    if locale.rstrip("="):
                        folded = f"{folded}:{locale.rstrip('=')}"
                    latin.setdefault(folded[:2], []).append((folded, kind, concept))
    cjk.sort(key=lambda item: -len(item[0]))
    return latin, cjk


def _matches(form: str, word: str, joined: str, locale: str, kind: str) -> bool:
    """Whether a Latin form of the lexicon means this word (already folded)."""
    form, _colon, only = form.partition(":")
    if only and locale and not locale.startswith(only):
        return False
    if form.endswith("="):
        return word == form[:-1]
    if form.endswith("*"):
        return word.startswith(form[:-1])
    if "-" in form and joined.startswith(form):
        return True
    if word.startswith(form):
        return bool(ENDINGS.match(word[len(form) :])) or (kind == "material" and len(form) >= 5)
    return form in word.split("-")


def concepts(text: str, locale: str = "") -> Iterator[tuple[int, int, str, str]]:
    """(start, end, kind, concept) of every lexicon concept that the text names; no locale means all of them."""
    latin, cjk = _forms()
    words = [(m.start(), m.end(), _fold(m[0].rstrip(".'’-"))) for m in WORD.finditer(text)]
    for i, (start, end, word) in enumerate(words):
        joined = f"{word}-{words[i + 1][2]}" if i + 1 < len(words) else ""
        for form, kind, concept in latin.get(word[:2], ()):
            if _matches(form, word, joined, locale, kind):
                yield start, words[i + 1][1] if "-" in form and not word.startswith(form) else end, kind, concept
    if CJK.search(text):
        taken: set[int] = {i for phrase in MASKED for m in re.finditer(phrase, text) for i in range(m.start(), m.end())}
        for form, kind, concept in cjk:
            at = text.find(form)
            while at >= 0:
                if not taken & set(range(at, at + len(form))):
                    taken |= set(range(at, at + len(form)))
                    yield at, at + len(form), kind, concept
                at = text.find(form, at + len(form))


@dataclass(frozen=True)
class Quantity:
    start: int
    end: int
    value: Decimal
    dimension: str  # "" for a bare number


def quantities(text: str) -> list[Quantity]:
    """Every number of the text with its unit, in the dimension's base unit."""
    text = text.translate(DIGITS)
    out = []
    for match in re.finditer(r"\d+(?:[.,]\d+)*", text):
        raw = match[0]
        for value in _readings(raw):
            unit = UNIT_AFTER.match(text, match.end())
            if unit:
                dimension, factor = UNITS[unit[1].lower()]
                out.append(Quantity(match.start(), unit.end(), value * factor, dimension))
            else:
                out.append(Quantity(match.start(), match.end(), value, ""))
            break
    return out


def _readings(raw: str) -> list[Decimal]:
    """The likely value of digits with separators: a last group of three is thousands, anything else decimals."""
    if "." not in raw and "," not in raw:
        return [Decimal(raw)]
    head, sep, tail = max(raw.rpartition("."), raw.rpartition(","), key=lambda parts: len(parts[0]))
    whole = head.replace(".", "").replace(",", "")
    if len(tail) == 3 and whole != "0" and (raw.count(sep) > 1 or len(whole) <= 3):
        return [Decimal(whole + tail)]
    return [Decimal(f"{whole}.{tail}")]


class FactBook:
    """A product's facts, ready to be asked."""

    def __init__(self, facts: Facts):
        self.facts = facts
        entries = [("title", facts.title), ("brand", facts.brand), ("category", facts.category)]
        entries += [("price", facts.price), ("compare at", facts.compare_at_price), ("description", facts.description)]
        entries += list(facts.attributes.items())
        entries += [(name, ", ".join(values)) for name, values in facts.options.items()]
        self.entries = [(name, value) for name, value in entries if value]
        self.concepts: dict[str, tuple[str, str]] = {}
        self.numbers: dict[tuple[Decimal, str], tuple[str, str]] = {}
        self.bare: dict[Decimal, tuple[str, str]] = {}
        for name, value in self.entries:
            for _s, _e, _kind, concept in concepts(f"{name} {value}"):
                while concept:
                    self.concepts.setdefault(concept, (name, value))
                    concept = IMPLIES.get(concept, "")
            for quantity in quantities(value):
                self.numbers.setdefault((quantity.value, quantity.dimension), (name, value))
            for number in re.findall(r"\d+(?:[.,]\d+)*", ascii_digits(value)):
                self.bare.setdefault(_readings(number)[0], (name, value))
            for _word, figure in _number_words(value):
                self.bare.setdefault(Decimal(figure), (name, value))
        # Counts that follow: how many colours, sizes, pieces of a list.
        for name, values in facts.options.items():
            self.bare.setdefault(Decimal(len(values)), (name, ", ".join(values)))
        for name, value in facts.attributes.items():
            items = [v for v in re.split(r"[,、，/+]| and | und | y | et ", value) if v.strip()]
            if len(items) > 1:
                self.bare.setdefault(Decimal(len(items)), (name, value))
        self._discount()
        self.text = " ".join(f"{name} {value}" for name, value in self.entries)
        self.words = {_fold(m[0].strip(".'’-")) for m in WORD.finditer(self.text)}
        self.folded = _fold(self.text)

    def _discount(self) -> None:
        if self.facts.price and self.facts.compare_at_price:
            now, before = (Decimal(p.split()[0]) for p in (self.facts.price, self.facts.compare_at_price))
            if before > now > 0:
                source = ("compare at", self.facts.compare_at_price)
                share = (before - now) / before * 100
                self.numbers.setdefault(
                    (share.quantize(Decimal(1)), "share"), source
                ) if share == share.to_integral() else None
                self.bare.setdefault(before - now, source)

    def number(self, quantity: Quantity) -> tuple[str, str] | None:
        """The fact that holds a quantity: the same value in the same dimension; a bare number in any."""
        if quantity.dimension:
            found = self.numbers.get((quantity.value, quantity.dimension))
            if found is None and quantity.dimension in ("time", "degree", "kelvin", "inch", "share"):
                factor = {"time": 3600}.get(quantity.dimension, 1)
                found = self.bare.get(quantity.value) or self.bare.get(quantity.value / factor)
            if found is None and quantity.dimension not in ("share",):
                # "60 x 45 cm" gives the unit once.
                for unit_value in {f for d, f in UNITS.values() if d == quantity.dimension}:
                    found = found or self._listed(quantity.value / unit_value)
            return found
        return self.bare.get(quantity.value)

    def _listed(self, value: Decimal) -> tuple[str, str] | None:
        for name, text in self.entries:
            if re.search(r"\d\s*(?:[x×–~-]|a|to|bis|à)\s*\d", text):
                if value in [_readings(n)[0] for n in re.findall(r"\d+(?:[.,]\d+)*", text)]:
                    return name, text
        return None


def _number_words(text: str) -> Iterator[tuple[str, int]]:
    words = {_fold(w) for w in re.findall(r"[^\W\d_]+", text)}
    for line in NUMBER_WORDS.values():
        for figure, word in enumerate(line.split(), 1):
            if _fold(word) in words and figure > 1:
                yield word, figure
    for figure, char in enumerate("一二三四五六七八九十", 1):
        if figure > 1 and char in text:
            yield char, figure


# "larger than", "three times as much": a comparison needs a fact that makes it.
COMPARISON = re.compile(
    r"\b(?:more|less|better|\w{3,}er) than\b|\btimes (?:as|more|the)\b|\btwice (?:as|the)\b"
    r"|\b\w{3,}er als\b|\bmal so\b|\bdoppelt so\b|\b(?:más|menos) [\w ]{0,20}que\b|\bveces más\b"
    r"|\b(?:plus|moins) [\w' ]{0,20}que\b|\bfois plus\b|[\u4e00-\u9fff]倍|より(?:も|大|小|軽|速)",
    re.I,
)
CODE = re.compile(r"(?<![A-Za-z\d.,-])(?=[A-Za-z\d-]*[A-Za-z])(?=[A-Za-z\d-]*\d)[A-Za-z][A-Za-z\d-]*[A-Za-z\d]")
CAPITAL = re.compile(r"(?<![.!?:。！？|·–-] )(?<![¿¡«“(‘'’])(?<!^)\b[A-ZÀ-Þ][\w’'-]*[a-zß-ÿ][\w’'-]*")


def check(text: str, book: FactBook, locale: str = "en") -> Check:
    """Every claim of the text, with the fact behind it or without one."""
    supported: list[Span] = []
    unsupported: list[Span] = []

    def put(start: int, end: int, kind: str, found: tuple[str, str] | None) -> None:
        span = Span(start, end, kind, text[start:end], *(found or ("", "")))
        (supported if found else unsupported).append(span)

    for quantity in quantities(text):
        kind = "price" if MONEY.search(text[max(0, quantity.start - 4) : quantity.end + 4]) else "number"
        found = book.number(quantity)
        if kind == "price" and found and found[0] not in ("price", "compare at"):
            priced = [p for p in (book.facts.price, book.facts.compare_at_price) if p]
            found = next((("price", p) for p in priced if Decimal(p.split()[0]) == quantity.value), None)
        put(quantity.start, quantity.end, kind, found)
    named = list(concepts(text, locale))
    seen: set[tuple[int, int]] = set()
    for start, end, kind, concept in named:
        if kind == "banned":
            in_facts = _fold(text[start:end]) in book.folded
            if not in_facts:
                put(start, end, concept, None)
        elif (start, end) not in seen or concept in book.concepts:
            found = book.concepts.get(concept)
            if found is None and any(s == (start, end) for s in seen):
                continue
            # One word may name two concepts ("rosa", "marine"): one that the facts hold is enough.
            others = [c for s, e, _k, c in named if (s, e) == (start, end)]
            found = found or next((book.concepts[c] for c in others if c in book.concepts), None)
            if found is None and _fold(text[start:end]) in book.folded:
                found = next(((n, v) for n, v in book.entries if _fold(text[start:end]) in _fold(v)), None)
            seen.add((start, end))
            put(start, end, kind, found)
    for match in COMPARISON.finditer(text):
        if _fold(match[0]) not in book.folded:
            put(match.start(), match.end(), "comparison", None)
    for match in re.finditer(r"[^\W\d_]+", text):
        figure = _WORD_FIGURES.get(_fold(match[0]))
        if figure and locale[:2] in figure[1]:
            put(match.start(), match.end(), "number", book.bare.get(Decimal(figure[0])))
    _names(text, book, locale, put)
    return Check(_unique(supported), _unique(unsupported))


def _word_figures() -> dict[str, tuple[int, set[str]]]:
    out: dict[str, tuple[int, set[str]]] = {}
    for locale, line in NUMBER_WORDS.items():
        for figure, word in enumerate(line.split(), 1):
            if figure > 1:
                out.setdefault(_fold(word), (figure, set()))[1].add(locale)
    return out


_WORD_FIGURES = _word_figures()


def touches(text: str, book: FactBook) -> bool:
    """Whether the text takes up anything of the facts: a word of four letters, or two characters of Chinese or Japanese."""
    for match in WORD.finditer(text):
        word = _fold(match[0].strip(".'’-"))
        if (
            len(word) >= 4
            and word not in STOP
            and (word in book.words or any(w.startswith(word[:5]) for w in book.words if len(w) > 4 and len(word) > 4))
        ):
            return True
    pairs = {text[i : i + 2] for i in range(len(text) - 1) if CJK.match(text[i]) and CJK.match(text[i + 1])}
    return any(pair in book.text for pair in pairs) or not CJK.search(book.text) and bool(pairs)


def _names(text: str, book: FactBook, locale: str, put) -> None:
    """Brands and model names: mixed letter-digit codes, and capitalised words inside a sentence."""
    for match in CODE.finditer(text):
        word = _fold(match[0])
        if not UNIT_AFTER.fullmatch(re.sub(r"^\d+(?:[.,]\d+)*", "", match[0])) and word not in book.folded:
            put(match.start(), match.end(), "code", None)
    if book.facts.brand and (at := _fold(text).find(_fold(book.facts.brand))) >= 0 and len(_fold(text)) == len(text):
        put(at, at + len(book.facts.brand), "brand", ("brand", book.facts.brand))
    if locale in ("es", "fr", "it", "pt-BR"):  # languages that write only names with a capital inside a sentence
        titled = sum(1 for m in WORD.finditer(text) if m[0][0].isupper()) / max(1, len(WORD.findall(text)))
        if titled < 0.4:
            for match in CAPITAL.finditer(text):
                word = _fold(re.split("['’]", match[0])[-1].strip("-"))
                if any(s <= match.start() < e for s, e, _k, _c in concepts(text, locale)):
                    continue  # a place or a colour: judged as such
                if (
                    word not in book.words
                    and word not in STOP
                    and not any(word.startswith(w[:5]) for w in book.words if len(w) > 4)
                ):
                    put(match.start(), match.end(), "name", None)


def _unique(spans: list[Span]) -> list[Span]:
    best: dict[tuple[int, int], Span] = {}
    for span in spans:
        best.setdefault((span.start, span.end), span)
    return sorted(best.values(), key=lambda s: s.start)
