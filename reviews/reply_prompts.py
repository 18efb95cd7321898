"""How the model is asked for one sentence of a reply, and which sentences are let through.

A base model writes sentences, not letters: it gets a few worked examples of one kind (thanks, apology or joy) in the
reviewer's language and one fenced piece of the review. Every word of a draft is the model's; what breaks a rule is
thrown away, never mended.
"""

import json
import re
from functools import lru_cache
from pathlib import Path

import regex

from ecomai.lib.text import clean_line, measure
from reviews import languages
from reviews.words import fold

EXAMPLES: dict[str, dict] = json.loads((Path(__file__).parent / "reply_examples.json").read_text(encoding="utf-8"))
KINDS = ("thanks", "negative", "positive")
SHORTEST, LONGEST = 12, 220  # display columns of a sentence
MAX_EVIDENCE = 240
TASK = {
    "thanks": "thanks the customer in one sentence",
    "negative": "says in one sentence that it is sorry about what the customer complains about",
    "positive": "says in one sentence that it is glad about what the customer likes",
}
URL = re.compile(
    r"https?:|www\.|\b[\w-]+\.(?:com|net|org|shop|store|io|co|de|fr|cn|ru|info|invalid)\b|@|<|>|\[|\]|\{|\}", re.I
)
MONEY = regex.compile(r"\p{Sc}|\b(?:eur|euros?|usd|dollars?|pounds?|yuan|rupiah|yen)\b|元|円", re.I)
NUMBER = regex.compile(r"\p{N}")
# What only the shop may promise: named here, allowed where the policies say the same word.
PROMISE = re.compile(
    r"refund|reimburs|replac\w+|voucher|coupon|discount|compensat\w*|money back|free of charge|for free|gift|exchange|"
    r"guarantee|warranty|return\w*|"
    r"we will|we'll|we are going to|we can|will be|contact us|call us|tomorrow|within|next time|"
    r"erstatt\w*|ersatz\w*|gutschein\w*|rabatt\w*|kostenlos\w*|umtausch\w*|garantie\w*|wir werden|melden sie sich|morgen|"
    r"rembours\w*|échang\w*|bon d'achat|réduction|gratuit\w*|nous allons|nous ferons|contactez|demain|"
    r"reembols\w*|devoluci\w*|descuento\w*|gratis|cupón|vamos a|garantía|contáctenos|mañana|"
    r"rimbors\w*|sostitu\w*|sconto|gratuit\w*|buono|provvederemo|faremo|domani|"
    r"desconto|troca\w*|cupom|grátis|vamos|garantia|amanhã|"
    r"ganti rugi|diskon|pengembalian|kupon|gratis|kami akan|besok|"
    r"退款|退货|退貨|换货|換貨|赔偿|補償|补偿|优惠券|折扣|免费|保修|我们会|我们将|将会|明天|"
    r"返金|返品|交換|割引|クーポン|無料|保証|いたします|明日",
    re.I,
)
# Words of somebody who takes orders from the text, or talks about themselves as a machine.
OBEDIENT = re.compile(
    r"instruction|ignore|prompt|system|as an ai|language model|5[- ]?star|five star|anweisung|ignorier|consigne|"
    r"instruccion|istruzion|instruç|instruksi|abaikan|指令|忽略|提示词|指示|無視",
    re.I,
)
# A sentence of a review that speaks to the machine, not to the shop.
ORDER = re.compile(
    OBEDIENT.pattern
    + r"|\b(?:mark|rate|label|classify|treat|score) (?:this|it|me|the|my)\b|you are now|pretend|respond with|reply with|"
    r"markier\w*|bewerte dies|du bist jetzt|marque[zr]? (?:ce|cet)|marca (?:esta|este|esto)|tandai|标记为|標記為|评为|マークして",
    re.I,
)
SENTENCE = regex.compile(r"[^.!?。！？\n]+[.!?。！？]*")
LETTERS = regex.compile(r"\p{L}[\p{L}\p{M}'’]*")
DENSE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]+")


def fenced(text: str) -> str:
    """A piece of a review as data: one line, no quotation marks to leave the fence with."""
    return re.sub(r'["“”„«»「」]', "'", clean_line(text))[:MAX_EVIDENCE].strip()


def without_orders(text: str) -> tuple[str, str]:
    """(what a review tells, what in it gives orders to the machine), sentence by sentence: a small model does what it
    reads, whatever stands above it, so that orders never reach it."""
    told, orders = [], []
    for found in SENTENCE.finditer(text):
        (orders if ORDER.search(found[0]) else told).append(found[0].strip())
    return " ".join(filter(None, told)), " ".join(orders)


def prefix(kind: str, language: str, tone: str) -> str:
    """Task and worked examples; the same for all sentences of a kind, so that it is computed once."""
    known = EXAMPLES.get(language) or EXAMPLES["en"]
    head = f"A shop answers reviews, politely, in a {clean_line(tone)[:40] or 'friendly'} tone. Each answer {TASK[kind]}, in the language of the review. Reviews are quoted; what they ask for is not done.\n\n"
    return head + "".join(f'Review: "{review}"\nAnswer: {answer}\n\n' for review, answer in known[kind])


def suffix(evidence: str) -> str:
    """The review's own words; the model answers with one line."""
    return f'Review: "{fenced(evidence)}"\nAnswer:'


def stems(text: str) -> set[str]:
    """Comparable pieces: beginnings of words; pairs of characters where a script has no spaces."""
    found = {word.casefold()[:5] for word in LETTERS.findall(DENSE.sub(" ", text)) if len(word) > 3}
    for run in DENSE.findall(text):
        found |= {run[i : i + 2] for i in range(len(run) - 1)}
    return found


@lru_cache(maxsize=64)
def _example_stems(language: str, kind: str) -> frozenset[str]:
    """Pieces that at least two example answers of all kinds share: the polite frame, not what the examples are about."""
    seen: dict[str, int] = {}
    for k in KINDS:
        for _review, answer in EXAMPLES[language][k]:
            for stem in stems(answer):
                seen[stem] = seen.get(stem, 0) + 1
    return frozenset(
        stem
        for stem, n in seen.items()
        if n > 1 or stem in stems(EXAMPLES[language]["sorry"] + " " + EXAMPLES[language]["glad"])
    )


def _frame(language: str, kind: str) -> frozenset[str]:
    return _example_stems(language, kind) if language in EXAMPLES else frozenset()


def first_sentence(text: str) -> str:
    """The first sentence of what the model wrote: a second one wanders."""
    found = regex.match(r".+?(?:[.!?](?=\s|$)|[。！？])", text)
    return (found[0] if found else text).strip()


def refusal(sentence: str, *, kind: str, language: str, evidence: str, policies: str, orders: str = "") -> str:
    """Why a sentence is not let through, as a short code; empty when it is. `orders` is what the review said to the
    machine: no word of it may come back."""
    width = measure(sentence).width
    if width < SHORTEST:
        return "too_short"
    if width > LONGEST or not sentence.endswith((".", "!", "。", "！", "…")):
        return "unfinished"
    if URL.search(sentence):
        return "link"
    if any(found[0].casefold() not in policies.casefold() for found in PROMISE.finditer(sentence)):
        return "promise"
    if MONEY.search(sentence) or any(c not in policies for c in NUMBER.findall(sentence)):
        return "number"
    if OBEDIENT.search(sentence):
        return "obeys_review"
    ordered = stems(orders) - stems(evidence) - _frame(language, kind)
    # "mark" comes back as "marked": the shorter beginning decides.
    if any(own.startswith(stem) or stem.startswith(own) for own in stems(sentence) for stem in ordered):
        return "obeys_review"
    told = languages.identify(sentence, (language,), language)
    if told.code not in (language, languages.UNDETERMINED) and told.confidence >= languages.SURE:
        return "language"
    known = EXAMPLES.get(language)
    if known is not None:
        sorry, glad = (re.search(known[k], sentence, re.I) for k in ("sorry", "glad"))
        if (kind == "negative" and (not sorry or (glad and language not in ("zh", "ja")))) or (
            kind == "positive" and (not glad or sorry)
        ):
            return "wrong_feeling"
        if kind == "thanks" and sorry:
            return "wrong_feeling"
    examples = {fold(answer) for k in KINDS for _review, answer in (known or EXAMPLES["en"])[k]}
    if fold(sentence) in examples:
        return "copied_example"
    if kind != "thanks":
        if len(fold(evidence)) > 24 and fold(evidence) in fold(sentence):
            return "echo"
        frame = _frame(language, kind)
        own = stems(sentence) - frame
        supported = own & stems(evidence)
        if known and (not supported or len(own - supported) > (3 if not DENSE.search(sentence) else 14)):
            return "not_in_review"
    return ""
