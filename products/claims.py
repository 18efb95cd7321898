"""The fact gate: every number, unit, price, colour, material, proof, place and name of a text needs a fact behind it.

Precision first: a text that says something which the facts don't hold is not shown as good.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from babel import Locale

from ecomai.lib.numerals import ascii_digits
from products.claims_concepts import CJK, WORD, concepts, fold
from products.claims_lexicon import IMPLIES
from products.claims_quantities import UNIT_AFTER, UNITS, Quantity, currencies, number_words, quantities, reading
from products.copy_prompts import Facts

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


class FactBook:
    """A product's facts, ready to be asked. `others`: brand names that are not this product's."""

    def __init__(self, facts: Facts, others: Collection[str] = ()):
        self.facts = facts
        entries = [("title", facts.title), ("brand", facts.brand), ("category", facts.category)]
        entries += [("price", facts.price), ("compare at", facts.compare_at_price), ("description", facts.description)]
        entries += list(facts.attributes.items())
        entries += [(name, ", ".join(values)) for name, values in facts.options.items()]
        self.entries = [(name, value) for name, value in entries if value]
        self.text = " ".join(f"{name} {value}" for name, value in self.entries)
        self.words = {fold(m[0]) for m in WORD.finditer(self.text)}
        self.folded = fold(self.text)
        self.concepts: dict[str, tuple[str, str]] = {}
        self.numbers: dict[tuple[Decimal, str], tuple[str, str]] = {}
        self.bare: dict[Decimal, tuple[str, str]] = {}
        self.counts: dict[Decimal, tuple[str, str]] = {}
        for name, value in self.entries:
            for _s, _e, _kind, concept in concepts(f"{name} {value}"):
                while concept:
                    self.concepts.setdefault(concept, (name, value))
                    concept = IMPLIES.get(concept, "")
            for quantity in quantities(value, name):
                self.numbers.setdefault((quantity.value, quantity.dimension), (name, value))
            for number in re.findall(r"\d+(?:[.,]\d+)*", ascii_digits(value)):
                self.bare.setdefault(reading(number), (name, value))
            for _s, _e, figure in number_words(value):
                self.bare.setdefault(Decimal(figure), (name, value))
                self.numbers.setdefault((Decimal(figure), ""), (name, value))
        # Counts that follow: how many colours, sizes, pieces of a list.
        for name, values in facts.options.items():
            self.counts.setdefault(Decimal(len(values)), (name, ", ".join(values)))
        for name, value in facts.attributes.items():
            items = [v for v in re.split(r"[,、，/+]| and | und | y | et ", value) if v.strip()]
            if len(items) > 1:
                self.counts.setdefault(Decimal(len(items)), (name, value))
        self._discount()
        # Values that a text may take up word by word: an option, a member of an attribute's list.
        values = [(name, part.strip()) for name, listed in facts.options.items() for part in listed]
        values += [(n, part.strip()) for n, value in facts.attributes.items() for part in re.split("[,;、，；]", value)]
        self.values = [
            (
                re.compile(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])" if part.isascii() else re.escape(part), re.I),
                (name, part),
            )
            for name, part in values
            if 2 <= len(part) <= 40 and not part.isdigit()
        ]
        names = sorted({n for n in others if len(n) > 1 and fold(n) not in self.folded}, key=len, reverse=True)
        self.others = (
            re.compile("|".join(rf"(?<![A-Za-zÀ-ÿ]){re.escape(n)}(?![A-Za-zÀ-ÿ])" for n in names)) if names else None
        )

    def _discount(self) -> None:
        """What follows exactly from the two prices: the difference, and the percentage where it is whole."""
        if not (self.facts.price and self.facts.compare_at_price):
            return
        now, before = (Decimal(p.split()[0]) for p in (self.facts.price, self.facts.compare_at_price))
        if before > now > 0:
            source = ("compare at", self.facts.compare_at_price)
            self.bare.setdefault(before - now, (SAVING, f"{self.facts.compare_at_price} - {self.facts.price}"))
            share = (before - now) / before * 100
            if share == share.to_integral():
                self.numbers.setdefault((share, "share"), source)

    def number(self, quantity: Quantity) -> tuple[str, str] | None:
        """The fact that holds a quantity: the same value in the same dimension; a bare number in any."""
        if not quantity.dimension:
            return self.bare.get(quantity.value)
        found = self.numbers.get((quantity.value, quantity.dimension))
        if found is None and quantity.dimension in ("time", "degree", "kelvin", "inch", "share"):
            # "15 degrees", "forty hours": the unit stands in words.
            for factor in {3600, 60, 1} if quantity.dimension == "time" else {1}:
                found = found or self.numbers.get((quantity.value / factor, ""))
        if found is None and quantity.lent:  # "2 x 500 ml" is no two millilitres
            found = self.bare.get(quantity.figure)
        return found

    def count(self, figure: Decimal, following: str) -> tuple[str, str] | None:
        """The list of facts with that many members, where the text goes on to speak of one: "three colours"."""
        found = self.counts.get(figure)
        if found and (COUNTED.search(following[:24]) or fold(found[0])[:4] in fold(following[:24])):
            return found
        return None

    def says(self, text: str) -> tuple[str, str] | None:
        """The fact that holds these very words (in Chinese and Japanese: these characters)."""
        words = [fold(m[0]) for m in WORD.finditer(text)]
        for name, value in self.entries:
            if words:
                own = {fold(m[0]) for m in WORD.finditer(value)}
                if all(word in own for word in words):
                    return name, value
            elif text in value:
                return name, value
        return None


COUNTED = re.compile(
    r"colou?r|farb|couleur|coloris|size|größe|taille|talla|materi|matéri|matière|finish|style|version|variant|option|tinte|tono|teinte"
    r"|shade|ton|duft|scent|sabor|flavou?r|parfum|sorte|[色款种種尺选]|サイズ|カラー|タイプ", re.I
)  # fmt: skip
SAVING = "saving"  # the name under which the difference of the prices stands
SAVE = re.compile(
    r"\bsav(?:e|ing)|\boff\b|spar|ahorr|économi|réduction|rebaj|günstiger|weniger|立减|省|お得|引き", re.I
)
# "larger than", "three times as much": a comparison needs a fact that makes it.
COMPARISON = re.compile(
    r"\b(?:more|less|better|(?!rather|other)\w{3,}er) than\b|\btimes (?:as|more|the)\b|\btwice (?:as|the)\b"
    r"|(?-i:\b[a-zäöü]\w{2,}er als\b)|\bmal so\b|\bdoppelt so\b|\b(?:más|menos) (?!a medida)[\w ]{0,20}que\b|\bveces más\b"
    r"|\b(?:plus|moins) [\w' ]{0,20}que\b|\bfois plus\b|[\u4e00-\u9fff]倍|より(?:も|大|小|軽|速)",
    re.I,
)
# "No dishwasher": what the facts hold, denied.
DENIED = re.compile(
    r"(?:\b(?:no|not|never|without|kein\w*|nicht|ohne|sin|sans|pas de|ni|jamais)\s|不能?|无需|别)$", re.I
)
NUMBER_ONE = re.compile(r"\b(?:no|nr|n°|nº|número|numéro)\.? ?1\b|#1\b|第一名|ナンバーワン", re.I)
CODE = re.compile(r"(?<![A-Za-z\d.,-])(?=[A-Za-z\d-]*[A-Za-z])(?=[A-Za-z\d-]*\d)[A-Za-z][A-Za-z\d-]*[A-Za-z\d]")
# A standard or technique in capitals: CE, FDA, LED, USB.
ACRONYM = re.compile(r"(?<![A-Za-zÀ-ÿ\d-])[A-ZÄÖÜ]{2,5}(?![A-Za-zÀ-ÿ])")
NO_CLAIM = {
    "OK",
    "TV",
    "PC",
    "DIY",
    "XS",
    "XL",
    "XXL",
    "XXXL",
    "UV",
    "II",
    "III",
    "MX",
    "EUR",
    "USD",
    "GBP",
    "CHF",
    "JPY",
    "CNY",
}
CAPITAL = re.compile(r"(?<![.!?:。！？|·–—-] )(?<![¿¡«“(‘'’])(?<!^)\b[A-ZÀ-Þ][\w’'-]*[a-zß-ÿ][\w’'-]*")
DAYS = {
    fold(name)
    for locale in ("en", "es", "fr")
    for table in (Locale.parse(locale).days, Locale.parse(locale).months)
    for name in table["format"]["wide"].values()
}
LATIN_NAME = re.compile(r"[A-Za-zÀ-ÿ]{3,}")


def check(text: str, book: FactBook, locale: str = "en") -> Check:
    """Every claim of the text, with the fact behind it or without one."""
    supported: list[Span] = []
    unsupported: list[Span] = []

    def put(start: int, end: int, kind: str, found: tuple[str, str] | None) -> None:
        span = Span(start, end, kind, text[start:end], *(found or ("", "")))
        (supported if found else unsupported).append(span)

    for quantity in quantities(text):
        priced = None if quantity.dimension else currencies(text, quantity)
        found = book.number(quantity) or (
            None if quantity.dimension else book.count(quantity.value, text[quantity.end :])
        )
        if priced and found and not (found[0] in ("price", "compare at") or found[0] == SAVING and SAVE.search(text)):
            prices = [p for p in (book.facts.price, book.facts.compare_at_price) if p]
            found = next((("price", p) for p in prices if Decimal(p.split()[0]) == quantity.value), None)
        if priced and book.facts.price and book.facts.price.split()[-1] not in priced:
            found = None
        put(quantity.start, quantity.end, "price" if priced else "number", found)
    named = list(concepts(text, locale))
    for start, end, kind, concept in named:
        if kind == "banned":
            if not book.says(text[start:end]):
                put(start, end, concept, None)
            continue
        # One word may name two concepts ("rosa", "marine"): one that the facts hold is enough.
        others = [c for s, e, _k, c in named if (s, e) == (start, end)]
        found = next((book.concepts[c] for c in [concept, *others] if c in book.concepts), None)
        found = found or book.says(text[start:end])
        if (
            found
            and DENIED.search(text[:start])
            and not DENIED.search(found[1].casefold().partition(text[start:end].casefold())[0])
        ):
            kind, found = "contradiction", None
        put(start, end, kind, found)
    for match in COMPARISON.finditer(text):
        if fold(match[0]) not in book.folded:
            put(match.start(), match.end(), "comparison", None)
    for match in NUMBER_ONE.finditer(text):
        put(match.start(), match.end(), "superlative", None)
    listed = {k: len({c for _s, _e, kind, c in named if kind == k}) for k in ("colour", "material")}
    for start, end, figure in number_words(text, locale):
        counted = figure in listed.values()  # "Beech, cord, brass: three materials"
        held = book.bare.get(Decimal(figure)) or book.count(Decimal(figure), text[end:])
        put(start, end, "number", held or (("text", "") if counted else None))
    _names(text, book, locale, put)
    for pattern, source in book.values:
        for match in pattern.finditer(text):
            put(match.start(), match.end(), "value", source)
    return Check(_unique(supported), _unique(unsupported))


def touches(text: str, book: FactBook) -> bool:
    """Whether the text takes up anything of the facts: a word of four letters, or two characters of Chinese or Japanese."""
    for match in WORD.finditer(text):
        word = fold(match[0])
        if len(word) >= 4 and word not in STOP and (word in book.words or _known(word, book)):
            return True
    pairs = {text[i : i + 2] for i in range(len(text) - 1) if CJK.match(text[i]) and CJK.match(text[i + 1])}
    return any(pair in book.text for pair in pairs) or not CJK.search(book.text) and bool(pairs)


def _known(word: str, book: FactBook) -> bool:
    """Whether the facts hold a word with the same beginning."""
    return len(word) > 4 and any(w.startswith(word[:5]) for w in book.words if len(w) > 4)


def _names(text: str, book: FactBook, locale: str, put) -> None:
    """Brands and model names: codes, acronyms, other sellers' brands, and names where a capital tells them."""
    for match in CODE.finditer(text):
        if fold(match[0]) not in book.folded:
            put(match.start(), match.end(), "code", None)
    letters = [c for c in text if c.isalpha()]
    if sum(c.isupper() for c in letters) < 0.6 * len(letters):
        for match in ACRONYM.finditer(text):
            if match[0] not in NO_CLAIM and fold(match[0]) not in book.words:
                put(match.start(), match.end(), "code", None)
    if book.others:
        for match in book.others.finditer(text):
            put(match.start(), match.end(), "brand", None)
    if book.facts.brand and (at := text.casefold().find(book.facts.brand.casefold())) >= 0:
        put(at, at + len(book.facts.brand), "brand", ("brand", book.facts.brand))
    claimed = [(s, e) for s, e, _k, _c in concepts(text, locale)]
    if locale.startswith(("zh", "ja")):
        for match in LATIN_NAME.finditer(text):
            word = fold(match[0])
            unit = word in UNITS or UNIT_AFTER.match(text, match.start())
            if not unit and word not in book.folded and match[0] not in NO_CLAIM:
                put(match.start(), match.end(), "name", None)
    elif locale != "de":  # German writes every noun with a capital
        long = [w for w in WORD.findall(text)[1:] if len(w) > 3]
        titled = len(long) < 2 or sum(w[0].isupper() for w in long) > len(long) / 2  # A Headline Written Like This
        for match in () if titled else CAPITAL.finditer(text):
            word = fold(re.split("['’]", match[0])[-1 if locale == "fr" else 0].strip("-"))
            if any(s <= match.start() < e for s, e in claimed):
                continue  # a place or a colour: judged as such
            if word not in book.words | DAYS and word not in STOP and not _known(word, book):
                put(match.start(), match.end(), "name", None)


def _unique(spans: list[Span]) -> list[Span]:
    best: dict[tuple[int, int], Span] = {}
    for span in spans:
        best.setdefault((span.start, span.end), span)
    return sorted(best.values(), key=lambda s: s.start)
