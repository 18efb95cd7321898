"""The channels' editorial rules: what a text may look like, whatever it says."""

import re
from collections import Counter
from functools import lru_cache

import emoji

from products.channels import Limit
from products.claims_quantities import quantities
from products.copy_prompts import Facts

CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
KANA = re.compile("[\u3040-\u30ff]")
HAN = re.compile("[\u3400-\u9fff]")
LATIN = re.compile(r"[A-Za-zÀ-ÿ]")
HALF_WIDTH_KATAKANA = re.compile("[\uff61-\uff9f]")
REPEATED = re.compile(r"([!?.,;:！？。、])\1+|[!?！？]{2,}")
DECORATION = re.compile("[★☆♥♡◆◇■□●○▲△▼▽✓✔✦✧※→←↑↓•*~^]|={2,}|-{2,}|_{2,}")
SPACED = re.compile(r"\b(?:[A-Za-z][ .]){4,}")
LINK = re.compile(
    r"https?://|www\.|\b[\w.-]+@[\w-]+\.\w+|\b\w+\.(?:com|de|fr|es|net|org)\b|(?<!\d)\+?\d{3}[ -]\d{3}[ -]\d{3,}", re.I
)
TAG = re.compile(r"<[a-z/!][^>]*>", re.I)
LEAK = re.compile(
    r"###|\bgoogle_rsa\b|\bgoogle_merchant\b|\bmeta\.|\bamazon\.|\bseo\.|compare at:|\btitle:|\bneutral \||\| (?:en|de|es|fr|ja|zh-Hans) \|"
)
PROMO = re.compile(
    r"free shipping|\bon sale\b|\bsale!|discount|% off|envío gratis|oferta|rebaja|versandkostenfrei|rabatt|angebot|livraison gratuite|promo|solde"
    r"|包邮|特价|促销|優惠|送料無料|セール|割引", re.I)  # fmt: skip
DANGLING = {
    "en": "and or with for of the a an to from by at your is are its that",
    "de": "und oder für der die das den dem ein eine von am im ist sind",  # not auf, zu, ab: verbs end with them
    "es": "y o con para en de el la los las un una a por su del al es que",
    "fr": "et ou avec pour en de le la les un une à au aux des du est que sur",
}
FOLLOWS = re.compile(r"[,;:、，；：\-–(（]$|\b[&+]$")
STOP_WORDS = set(
    "a an the and or of for in on with to y de la el en con und mit für der die das aus et de la le pour avec en".split()
)
# Words that several of our languages share.
COGNATES = set(
    "bluetooth solar aluminium aluminum polyester nylon natural normal material original color bambus beige orange marine merino cognac silicone "
    "transport table support version style format total crème crema double simple place volume large surface longue".split()
)


def problems(text: str, limit: Limit, locale: str, facts: Facts) -> list[str]:
    """Names of the rules that the text breaks, in the order of the checks; empty when it may be shown.

    Names: empty, too_long, too_short, markup, link, emoji, punctuation, decoration, exclamation, capitals, leak,
    language, untranslated, unfinished, repetition, only_title, unbalanced, amazon, promo, characters.
    """
    found = []

    def when(name: str, broken: object) -> None:
        if broken:
            found.append(name)

    length = limit.count(text)
    when("empty", not text.strip())
    when("too_long", length > limit.limit)
    when("too_short", length < limit.minimum)
    when("markup", TAG.search(text) or "\n" in text)
    when("link", LINK.search(text))
    when("emoji", emoji.emoji_count(text) or HALF_WIDTH_KATAKANA.search(text))
    when("punctuation", REPEATED.search(text.replace("...", "…")))
    when("decoration", DECORATION.search(text) or SPACED.search(text))
    marks = text.count("!") + text.count("！")
    when("exclamation", marks > (0 if limit.key == "google_rsa.headline" else 1))
    when("capitals", _shouts(text, facts))
    when("leak", LEAK.search(text))
    when("language", not in_language(text, locale))
    when("untranslated", _untranslated(text, locale, facts))
    when("unfinished", _unfinished(text, locale))
    when("repetition", _repeats(text))
    when(
        "only_title",
        _bare(text) == _bare(facts.title) and limit.key.endswith((".headline", ".primary_text", ".bullet")),
    )
    when("unbalanced", _unbalanced(text, locale))
    if limit.key.startswith("amazon."):
        when("amazon", limit.key == "amazon.title" and (limit.forbidden(text) or overused(text)))
        when("promo", PROMO.search(text))
    if limit.key == "google_merchant.title":
        when("promo", PROMO.search(text))
    when("characters", limit.key != "amazon.title" and limit.forbidden(text))
    return found


def _bare(text: str) -> str:
    return re.sub(r"\W+", "", text.casefold())


def _shouts(text: str, facts: Facts) -> bool:
    """A word of four or more capitals that the facts don't write like that."""
    known = " ".join([facts.title, facts.brand, facts.description, *facts.attributes.values(), *facts.attributes])
    return any(word not in known for word in re.findall(r"\b[A-ZÀ-Þ]{4,}\b", text))


def _unfinished(text: str, locale: str) -> bool:
    if FOLLOWS.search(text.rstrip()):
        return True
    last = re.search(r"(?<![\w-])(?<!\d )([^\W\d_]+)$", text.rstrip())  # not "26 in", "USB-A"
    return bool(last) and last[1].casefold() in DANGLING.get(locale, "").split()


def _repeats(text: str) -> bool:
    """The same word twice in a row, the same stretch of four words (of eight characters in CJK) again, or in a short
    text the same measure twice or two words of weight twice each."""
    if len(text) <= 160:
        measures = [(q.value, q.dimension) for q in quantities(text) if q.dimension and not q.lent]
        weighty = Counter(re.findall(r"[^\W\d_]{5,}", text.casefold()))
        if len(measures) != len(set(measures)) or sum(n > 1 for n in weighty.values()) > 1:
            return True
    words = re.findall(r"[\w'’-]+", text.casefold())
    if any(a == b and len(a) > 1 and a != "in" and not a.isdigit() for a, b in zip(words, words[1:], strict=False)):
        return True
    grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    if len(grams) != len(set(grams)):
        return True
    if CJK.search(text):
        pieces = [text[i : i + 8] for i in range(len(text) - 7)]
        return len(pieces) != len(set(pieces))
    return False


def _untranslated(text: str, locale: str, facts: Facts) -> bool:
    """Facts in another language of Latin script than the text's, and a word of theirs left as it was."""
    if not LATIN.search(facts.description) or CJK.search(facts.description):
        return False
    source = " ".join([facts.description, *facts.attributes.values()])
    if in_language(source, locale):
        return False
    words = set(re.findall(r"[a-zà-ÿ]{5,}", text.casefold()))
    plain = re.findall(r"(?<![A-Za-zÀ-ÿ])[A-Za-zÀ-ÿ][a-zà-ÿ]{4,}(?![A-Za-zÀ-ÿ])", source)  # no StVZO, no LED
    left = words & {word.casefold() for word in plain} - COGNATES
    # Romance languages and English share too many words for one to tell.
    return bool(left) if locale == "de" else len(left) > len(words) / 2


def overused(text: str) -> list[str]:
    """The words that stand in the text more than twice, but for articles, prepositions and conjunctions."""
    counts = Counter(w for w in re.findall(r"[^\W\d_]{2,}", text.casefold()) if w not in STOP_WORDS)
    return [word for word, count in counts.items() if count > 2]


def _unbalanced(text: str, locale: str) -> bool:
    pairs = ["()", "（）", "「」", "[]", "„“" if "„" in text else "“”", "«»"] + (["¿?"] if locale == "es" else [])
    return any(text.count(a) != text.count(b) for a, b in pairs)


@lru_cache(maxsize=1)
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(["en", "de", "es", "fr", "it", "pt", "nl", "da", "sv", "no"])
    return identifier


def in_language(text: str, locale: str) -> bool:
    """Script first; the language of Latin texts only where there is enough to judge (six words)."""
    if locale == "ja":
        letters = len(KANA.findall(text)) + len(HAN.findall(text))
        return letters > 0 and (bool(KANA.search(text)) or len(text) < 16)
    if locale.startswith("zh"):
        return bool(HAN.search(text)) and not KANA.search(text)
    if CJK.search(text):
        return False
    if not LATIN.search(text):
        return True
    if len(re.findall(r"[^\W\d_]{2,}", text)) < 6:
        return True
    return dict(_identifier().rank(text)).get(locale.split("-")[0], 1.0) > 0.1
