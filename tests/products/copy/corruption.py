"""Makes false texts of the true ones, to measure the fact gate: one change at a time, each a lie about the product."""

import random
import re
from collections.abc import Iterator

from ecomai.lib.numerals import ascii_digits
from products.claims import FactBook, check

WORDS = {
    "colour": {
        "en": {"red": "red", "blue": "blue", "green": "green", "yellow": "yellow", "purple": "purple"},
        "de": {"red": "rot", "blue": "blau", "green": "grün", "yellow": "gelb", "purple": "lila"},
        "es": {"red": "rojo", "blue": "azul", "green": "verde", "yellow": "amarillo", "purple": "morado"},
        "fr": {"red": "rouge", "blue": "bleu", "green": "vert", "yellow": "jaune", "purple": "violet"},
        "zh-Hans": {"red": "红色", "blue": "蓝色", "green": "绿色", "yellow": "黄色", "purple": "紫色"},
        "ja": {"red": "赤", "blue": "青", "green": "緑", "yellow": "黄色", "purple": "紫"},
    },
    "material": {
        "en": {"leather": "leather", "cotton": "cotton", "silk": "silk", "brass": "brass", "plastic": "plastic"},
        "de": {"leather": "Leder", "cotton": "Baumwolle", "silk": "Seide", "brass": "Messing", "plastic": "Kunststoff"},
        "es": {"leather": "cuero", "cotton": "algodón", "silk": "seda", "brass": "latón", "plastic": "plástico"},
        "fr": {"leather": "cuir", "cotton": "coton", "silk": "soie", "brass": "laiton", "plastic": "plastique"},
        "zh-Hans": {"leather": "真皮", "cotton": "纯棉", "silk": "真丝", "brass": "黄铜", "plastic": "塑料"},
        "ja": {"leather": "本革", "cotton": "コットン", "silk": "シルク", "brass": "真鍮", "plastic": "プラスチック"},
    },
}
UNITS = {"ml": "l", "cm": "mm", "kg": "g", "l": "ml", "mm": "cm", "g": "kg", "W": "V", "m": "cm"}
PROOFS = {
    "en": [
        "FSC-certified",
        "vegan",
        "waterproof",
        "organic",
        "handmade",
        "BPA-free",
        "IP68",
        "dermatologically tested",
    ],
    "de": ["FSC-zertifiziert", "vegan", "wasserdicht", "aus Bio-Anbau", "handgefertigt", "BPA-frei", "IP68"],
    "es": ["con certificado FSC", "vegano", "impermeable", "ecológico", "hecho a mano", "sin BPA", "IP68"],
    "fr": ["certifié FSC", "végane", "imperméable", "biologique", "fait main", "sans BPA", "IP68"],
    "zh-Hans": ["FSC认证", "纯素", "防水", "有机", "手工制作", "不含BPA", "IP68"],
    "ja": ["FSC認証", "ヴィーガン", "防水", "オーガニック", "手作り", "BPAフリー", "IP68"],
}


def corruptions(
    text: str, locale: str, book: FactBook, brands: list[str], rng: random.Random
) -> Iterator[tuple[str, str]]:
    """(kind, false text): a number, colour, material or brand swapped, a proof added."""
    # A digit of each number, where the facts don't happen to hold the new digits too.
    held = {n.replace(",", ".") for n in re.findall(r"\d+(?:[.,]\d+)*", ascii_digits(book.text))}
    for match in re.finditer(r"\d+(?:[.,]\d+)*", text):
        at = rng.choice([i for i in range(match.start(), match.end()) if text[i].isdigit()])
        digit = rng.choice([d for d in "123456789" if d != text[at]])
        false = text[:at] + digit + text[at + 1 :]
        changed = ascii_digits(false[match.start() : match.end()]).replace(",", ".")
        if changed not in held and changed.removesuffix(".00") not in held:
            yield "number", false
    # A unit for another one.
    for old, new in UNITS.items():
        match = re.search(rf"(?<=\d)( ?){old}(?![A-Za-z])", text)
        if match and not re.search(rf"\d ?{new}(?![A-Za-z])", book.text):
            yield "unit", text[: match.start()] + match[1] + new + text[match.end() :]
    for span in check(text, book, locale).supported:
        if span.kind in WORDS:
            words = [w for concept, w in WORDS[span.kind][locale].items() if concept not in book.concepts]
            if words:
                yield span.kind, text[: span.start] + rng.choice(words) + text[span.end :]
    if book.facts.brand and book.facts.brand in text:
        yield "brand", text.replace(book.facts.brand, rng.choice([b for b in brands if b != book.facts.brand]))
    proof = rng.choice(PROOFS[locale])
    if check(proof, book, locale).unsupported or not check(proof, book, locale).supported:
        yield (
            "proof",
            f"{text.rstrip('.。!?')}{'，' if locale == 'zh-Hans' else '、' if locale == 'ja' else ', '}{proof}",
        )
