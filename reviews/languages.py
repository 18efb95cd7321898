"""The language of a review: its letters first, then py3langid among the languages of that script.

The shop's languages are ten times as likely as others beforehand; a text that says too little gets the language that
the source, the product or the shop suggests, with a low confidence. Nothing to read is "und".
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import regex

UNDETERMINED = "und"
# Below this, the text doesn't tell its language by itself.
SURE = 0.5
# Odds of a language of the shop against one that it doesn't sell in.
SHOP_ODDS = 10.0
# What identification reads of a text, in characters: more doesn't make it better.
READ = 2000

SCRIPTS = {
    "Latin": regex.compile(r"\p{Latin}"), "Han": regex.compile(r"\p{Han}"),
    "Kana": regex.compile(r"[\p{Hiragana}\p{Katakana}]"), "Hangul": regex.compile(r"\p{Hangul}"),
    "Cyrillic": regex.compile(r"\p{Cyrillic}"), "Arabic": regex.compile(r"\p{Arabic}"),
    "Devanagari": regex.compile(r"\p{Devanagari}"), "Thai": regex.compile(r"\p{Thai}"),
    "Greek": regex.compile(r"\p{Greek}"), "Hebrew": regex.compile(r"\p{Hebrew}"),
    "Bengali": regex.compile(r"\p{Bengali}"), "Tamil": regex.compile(r"\p{Tamil}"),
    "Telugu": regex.compile(r"\p{Telugu}"), "Gujarati": regex.compile(r"\p{Gujarati}"),
    "Gurmukhi": regex.compile(r"\p{Gurmukhi}"), "Kannada": regex.compile(r"\p{Kannada}"),
    "Malayalam": regex.compile(r"\p{Malayalam}"), "Sinhala": regex.compile(r"\p{Sinhala}"),
    "Georgian": regex.compile(r"\p{Georgian}"), "Armenian": regex.compile(r"\p{Armenian}"),
    "Khmer": regex.compile(r"\p{Khmer}"), "Lao": regex.compile(r"\p{Lao}"), "Myanmar": regex.compile(r"\p{Myanmar}"),
}  # fmt: skip
# Scripts of one language, as good as always.
ALONE = {
    "Kana": "ja", "Hangul": "ko", "Thai": "th", "Greek": "el", "Hebrew": "he", "Tamil": "ta", "Telugu": "te",
    "Gujarati": "gu", "Gurmukhi": "pa", "Kannada": "kn", "Malayalam": "ml", "Sinhala": "si", "Georgian": "ka",
    "Armenian": "hy", "Khmer": "km", "Lao": "lo", "Myanmar": "my",
}  # fmt: skip
# Candidates of the shared scripts besides the shop's own languages.
SHARED = {
    "Latin": ("ca", "cs", "da", "de", "en", "es", "et", "fi", "fr", "hr", "hu", "id", "it", "lt", "lv", "nl", "no", "pl",
              "pt", "ro", "sk", "sl", "sv", "sw", "tl", "tr", "vi"),
    "Cyrillic": ("bg", "kk", "mk", "ru", "sr", "uk"),
    "Arabic": ("ar", "fa", "ur"),
    "Devanagari": ("hi", "mr", "ne"),
    "Bengali": ("as", "bn"),
}  # fmt: skip
SCRIPT_OF = {language: script for script, languages in SHARED.items() for language in languages} | {
    language: script for script, language in ALONE.items()
}
# One sign of these stands for several letters of an alphabet.
DENSE = {"Han": 3, "Kana": 3, "Hangul": 2, "Thai": 1.5}
ALIASES = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "cmn": "zh", "yue": "zh", "fil": "tl", "pt_br": "pt"}

# Words that make a short review plain where statistics have too little to go by.
TELLING = {
    word: language
    for language, words in {
        "id": "mantap mantul bagus bgus puas keren sesuai jelek kecewa barang barangnya pengiriman cepat sekali recommended sip "
              "rapi rusak lumayan seller baik terima kasih makasih",
        "en": "good great nice awesome excellent amazing bad terrible awful love loved works perfect thanks cheap broken "
              "garbage the and is it was very not fine",
        "de": "gut sehr schlecht schrott nicht toll danke zufrieden schön prima klasse mangelhaft kaputt und ist billig",
        "fr": "très bien bon parfait mauvais nul déçu déçue merci satisfait satisfaite qualité génial livraison",
        "es": "bueno buena muy malo mala bonito gracias recomendado encantado perfecto bien calidad excelente",
        "pt": "bom boa muito ótimo otimo ruim péssimo obrigado obrigada gostei amei adorei não excelente",
        "it": "ottimo ottima buono buona bello bella pessimo perfetto grazie consigliato soddisfatto molto",
        "nl": "goed slecht mooi prima bedankt tevreden heel niet blij snel geleverd",
        "pl": "dobry dobre dobra polecam super świetny słaby dziękuję bardzo ok",
        "tr": "güzel iyi kötü harika çok teşekkürler berbat mükemmel tavsiye ederim",
        "vi": "tốt đẹp tuyệt rất hàng giao nhanh tệ",
    }.items()
    for word in words.split()
}  # fmt: skip
# Common to several of the languages above, so they tell nothing.
for _word in ("prima", "super", "ok", "excelente", "recommended", "seller", "sip", "bien", "bon", "nul"):
    TELLING.pop(_word, None)

# Hindi in Latin letters, and Arabic in Latin letters and digits: no model here knows them as languages of their own.
HINDI = frozenset(
    "bahut bohot bhut accha acha achha acchi achi hai hain nahi nahin paisa paise vasool wasool thodi thoda tha thi mast "
    "bekar bakwas kharab bilkul sahi mera meri mujhe kya aur lekin liye wala wali kaafi kafi ekdum bhi yeh ye raha gaya "
    "hua kiya lena mat badhiya zabardast ghatiya sasta mehnga saman".split()
)
ARABIZI = frozenset(
    "el awi awy bs bas helw helwa gamed gameda msh mesh mish kwayes kwayesa kwais tawseel montag begad gedan giddan "
    "shokran shukran habibi ana enta kol kan keda kda 3ala 3and da di dah bta3 fe mn w wel el7amdolellah wallah mashallah "
    "7elw 7elwa kwayyes ktir kteer mni7 mnih zwin bzaf mzyan".split()
)
ARABIZI_WORD = regex.compile(r"\b(?:[a-z]+[235679][a-z]+|[37][a-z]{2,})\b")
WORD = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}\p{N}'’]*")
SENTENCE = regex.compile(r"[.!?\n。！？]+")
TRIPLE = regex.compile(r"(\p{L})\1{2,}")


@dataclass(frozen=True)
class Language:
    """`code`: ISO 639 or "und". `confidence`: 0 … 1; below SURE the code is a suggestion. `mixed`: two languages."""

    code: str
    confidence: float
    mixed: bool = False


def base(code: str) -> str:
    """The ISO 639 code of "pt-BR" or "zh_Hant"; "" for none."""
    code = code.strip().replace("_", "-").split("-")[0].lower()
    return "" if code == UNDETERMINED else ALIASES.get(code, code)


@lru_cache(maxsize=64)
def _identifier(candidates: tuple[str, ...]):
    """py3langid restricted to the candidates; its probabilities are calibrated for length (temperature √bytes)."""
    identifier = _whole_model()
    restricted = type(identifier)(
        *identifier._full_model, identifier.tk_nextmove, identifier.tk_output, norm_probs=True, tk_row=identifier.tk_row
    )
    restricted.set_languages(candidates)
    return restricted


@lru_cache(maxsize=1)
def _whole_model():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(_whole_model().labels)


def _rank(text: str, script: str, shop: tuple[str, ...]) -> tuple[str, float]:
    """(language, probability) of a text in a script that several languages share."""
    own = {code for code in shop if SCRIPT_OF.get(code, "Latin") == script and code in _known()}
    candidates = tuple(sorted(own | set(SHARED[script])))
    weighed = {
        code: probability * (SHOP_ODDS if code in own else 1.0)
        for code, probability in _identifier(candidates).rank(text)
    }
    code = max(weighed, key=weighed.__getitem__)
    return code, weighed[code] / sum(weighed.values())


def _romanised(words: list[str]) -> bool:
    """Hindi or Arabic in Latin letters: at least three of their words, a fifth of the text."""
    for known in (HINDI, ARABIZI):
        hits = {word for word in words if word in known or (known is ARABIZI and ARABIZI_WORD.fullmatch(word))}
        telling = {word for word in hits if len(word) > 2}
        if len(hits) >= 3 and telling and len(hits) * 5 >= len(words):
            return True
    return False


def _latin_words(text: str) -> int:
    """Words of the Latin script beside another one; 0 when all are written as names and models are ("Pro Max")."""
    words = [word for word in WORD.findall(text) if len(word) > 1 and word.isascii() and word[1:].islower()]
    return len(words) if any(word.islower() for word in words) else 0


def _two_languages(text: str, code: str, script: str, shop: tuple[str, ...]) -> bool:
    """Whether a sentence of its own is surely of another language than the whole."""
    sentences = [s.strip() for s in SENTENCE.split(text) if len(s) >= 25][:8]
    if len(sentences) < 2:
        return False
    others = 0
    for sentence in sentences:
        other, probability = _rank(sentence, script, shop)
        others += other != code and probability >= 0.95
    return others > 0


def identify(text: str, shop: tuple[str, ...], default: str = "", hint: str = "") -> Language:
    """The language of a cleaned text.

    `shop`: the shop's languages; `default`: its main one; `hint`: what the source, product or reviewer suggests.
    """
    sample = text[:READ]
    letters = Counter({name: n for name, pattern in SCRIPTS.items() if (n := len(pattern.findall(sample)))})
    if not letters:
        return Language(UNDETERMINED, 0.0)
    shop = tuple(dict.fromkeys(filter(None, (base(code) for code in (*shop, default)))))
    suggested = base(hint) or base(default) or (shop[0] if shop else "")
    weight = {name: n * DENSE.get(name, 1) for name, n in letters.items()}
    if letters["Kana"] and letters["Kana"] * 8 >= letters["Han"]:  # Japanese is written in both
        weight["Kana"] += weight.pop("Han", 0)
    script = max(weight, key=weight.__getitem__)
    total = sum(weight.values())
    mixed = any(
        name != script and share >= 0.2 * total and (name != "Latin" or _latin_words(sample) >= 2)
        for name, share in weight.items()
        if not (name == "Han" and script in ("Kana", "Hangul"))
    )
    if script in ALONE:
        return Language(ALONE[script], 0.6 if mixed else 0.99, mixed)
    if script == "Han":
        return _han(letters["Han"], mixed, shop, suggested)
    if script == "Latin":
        return _latin(sample, mixed, shop, suggested)
    if script not in SHARED:
        return Language(UNDETERMINED, 0.0, mixed)
    code, probability = _rank(sample, script, shop)
    if probability < SURE and SCRIPT_OF.get(suggested) == script:
        return Language(suggested, round(probability, 3), mixed)
    return Language(code, round(probability, 3), mixed)


def _han(count: int, mixed: bool, shop: tuple[str, ...], suggested: str) -> Language:
    """Chinese, simplified or traditional; Japanese words without kana only where the shop is Japanese and not Chinese."""
    if count <= 6 and "zh" not in shop and (suggested == "ja" or "ja" in shop):
        return Language("ja", 0.4, mixed)
    return Language("zh", 0.6 if mixed else 0.99 if count > 4 else 0.8, mixed)


def _latin(sample: str, mixed: bool, shop: tuple[str, ...], suggested: str) -> Language:
    words = [word.casefold() for word in WORD.findall(TRIPLE.sub(r"\1\1", sample))]
    count = sum(map(len, words))
    if _romanised([w.casefold() for w in regex.findall(r"[\p{L}\p{N}'’]+", sample)]):
        return Language(UNDETERMINED, 0.3, True)
    code, probability = _rank(" ".join(words), "Latin", shop)
    if len(words) <= 3:
        told = {TELLING[word] for word in words if word in TELLING}
        # "gooood" is "good" and "sooo" is "so".
        told |= {
            TELLING[w] for word in words if (w := TRIPLE.sub(r"\1", regex.sub(r"(\p{L})\1", r"\1\1", word))) in TELLING
        }
        if len(told) == 1:
            (language,) = told
            if language in shop or language == code:
                return Language(language, max(0.7, round(probability, 3) if language == code else 0.7), mixed)
    if count < 4 or probability < SURE:
        low = min(probability, SURE - 0.1)
        return Language(suggested or code, round(low, 3), mixed)
    if count >= 60 and not mixed:
        mixed = _two_languages(sample, code, "Latin", shop)
    return Language(code, round(probability, 3), mixed)
