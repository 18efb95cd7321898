"""From candidates to drafts: mend what is safe, throw away what breaks a rule, states what no fact holds, or is against
the brief; rank the rest."""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ml import encoder
from products import claims, editorial
from products.channels import Limit
from products.claims_concepts import fold
from products.copy_prompts import Facts
from products.praise import Contradicted, contradiction, speaks_of_customers

MAX_EXAMPLES = 3
UNSURE = -1.8  # mean log-probability of a token under which the model only guesses
SHY = 0.4  # what a text loses in rank that isn't of the angle it was ordered in
ALIKE = 0.6  # trigram overlap from which two texts are the same one


@dataclass(frozen=True)
class Draft:
    """A candidate that passed every gate."""

    text: str
    angle: str
    logprob: float
    spans: list[claims.Span]
    closeness: float
    fit: float = 0.0  # how well it keeps to the brief's audience and the shop's voice; 0 where neither is known


@dataclass
class Sifted:
    """What became of the candidates of one field."""

    drafts: list[Draft] = field(default_factory=list)
    thrown: dict[str, dict] = field(default_factory=dict)
    seen: int = 0
    passed: int = 0

    def throw(self, reason: str, text: str, what: str = "") -> None:
        entry = self.thrown.setdefault(reason, {"count": 0, "examples": []})
        entry["count"] += 1
        if len(entry["examples"]) < MAX_EXAMPLES and text:
            entry["examples"].append({"text": text[:200], "what": what})


def judge(text: str, limit: Limit, locale: str, facts: Facts, book: claims.FactBook) -> tuple[list[str], claims.Check]:
    """All rules on one text: (names of broken editorial rules, result of the fact gate)."""
    return editorial.problems(text, limit, locale, facts), claims.check(text, book, locale)


UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"  # Thai, kana, Han, Hangul


def holds(text: str, phrase: str) -> bool:
    """Whether the text has the phrase, in any case and with or without accents: as whole words, or anywhere where the
    script writes without spaces."""
    if re.search(f"[{UNSPACED}]", phrase):
        return unicodedata.normalize("NFKC", phrase).casefold() in unicodedata.normalize("NFKC", text).casefold()
    words = r"\s+".join(map(re.escape, fold(phrase).split()))
    return bool(words) and bool(re.search(rf"(?<![^\W_{UNSPACED}]){words}(?![^\W_{UNSPACED}])", fold(text)))


def _as_ordered(angle: str, text: str, spans: list[claims.Span]) -> str:
    return angle


@dataclass(frozen=True)
class Wishes:
    """What a brief and the reviews ask of every text, beside the channel's rules and the facts.

    `must_include`: each entry must stand in the text; "a|b" is met by either. `praise`: names of the facts that hold
    what customers praise. `angle_of` tells the angle that a text really has, `taste` how well texts keep to audience
    and voice (0 neutral, higher better).
    """

    must_include: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    contradicted: tuple[Contradicted, ...] = ()
    praise: frozenset[str] = frozenset()
    angle_of: Callable[[str, str, list[claims.Span]], str] = _as_ordered
    taste: Callable[[list[str], Limit], Sequence[float]] | None = None


@dataclass(frozen=True)
class Objection:
    """Why a text is against the brief or the reviews: `rule` is banned_word, missing_word, contradicted or
    claim_customers; `what` the words at fault; `why` the numbers of the reviews."""

    rule: str
    what: str
    why: str = ""


def objections(text: str, wishes: Wishes, facts: Facts, spans: list[claims.Span]) -> list[Objection]:
    """Everything that the brief and the reviews hold against a text; `spans` are its supported claims."""
    found = [Objection("banned_word", word) for word in wishes.banned if holds(text, word)]
    for entry in wishes.must_include:
        if not any(holds(text, word.strip()) for word in entry.split("|")):
            found.append(Objection("missing_word", entry))
    if refuted := contradiction(text, wishes.contradicted):
        words, aspect = refuted
        found.append(Objection("contradicted", words, f"{aspect.aspect} {aspect.negative}/{aspect.n}"))
    told = speaks_of_customers(text)
    if told and not any(span.fact in wishes.praise for span in spans) and not holds(facts.description, told):
        found.append(Objection("claim_customers", told))
    return found


def repair(text: str, limit: Limit) -> str:
    """Mend what is safe to mend: quotes and bullets around, a final mark too many, a space before a full stop."""
    text = text.strip().strip('"“”«»「」').strip()
    text = re.sub(r"^[-*•–]\s*", "", text)
    if limit.key.endswith("headline") or limit.key.endswith("title"):
        text = text.rstrip("!！").rstrip()
        text = text[:-1] if text.endswith(".") and not text.endswith("..") else text.rstrip("。")
    return re.sub(r"\s{2,}", " ", text)


SENTENCE_END = re.compile(r"(?<=[.!?。！？])(?=\s|[^\s\d])|(?=[;；] ?)|(?= [–—|] )")
CLAUSE_END = re.compile(SENTENCE_END.pattern + r"|(?=[,，、] ?)")


def cut_back(text: str, at: int, boundary: re.Pattern = SENTENCE_END) -> str:
    """The text up to the last sentence (or what `boundary` ends) before `at`; empty when none ends there."""
    ends = [match.start() for match in boundary.finditer(text) if 0 < match.start() <= at and match.start() < len(text)]
    if not ends:
        return ""
    kept = text[: ends[-1]].rstrip()
    if text[-1] in ".。" and kept[-1] not in ".。!?！？":
        kept += text[-1]
    return kept


def mend(
    text: str, limit: Limit, locale: str, facts: Facts, book: claims.FactBook
) -> tuple[str, list[str], claims.Check]:
    """The text, or where a clause at its end breaks the limit or states what no fact holds, the text without it."""
    broken, checked = judge(text, limit, locale, facts, book)
    for _attempt in range(2):
        if broken == ["too_long"]:
            at = limit.limit if limit.unit != "width" or text.isascii() else limit.limit // 2
        elif not broken and checked.unsupported:
            at = checked.unsupported[0].start
        else:
            break
        # A headline is a list of points; in a sentence a comma may stand before what it needs.
        short = limit.key.endswith(("headline", "title"))
        shorter = repair(cut_back(text, at, CLAUSE_END if short else SENTENCE_END), limit)
        if len(shorter) < max(limit.minimum, len(text) * 0.4):
            break
        again, found = judge(shorter, limit, locale, facts, book)
        text, broken, checked = shorter, again, found
    return text, broken, checked


@dataclass(frozen=True)
class Relation:
    """How close in meaning texts are to the facts, and what is close enough.

    `foreign`: the facts stand in another language, so that shared words prove nothing; a text must then name a
    material, property, colour or name of them, and not a number alone.
    """

    close: Callable[[list[str]], Sequence[float]]
    bar: float
    foreign: bool = False


def relation(facts: Facts, locale: str) -> Relation:
    """The encoder's view of the facts."""
    parts = [facts.title, facts.brand, facts.category, facts.description]
    parts += [f"{name} {value}" for name, value in facts.attributes.items()]
    parts += [f"{name} {', '.join(values)}" for name, values in facts.options.items()]
    own = encoder.embed([" ".join(filter(None, parts))])[0]
    # Texts that people wrote from facts lie above these for nine in ten; across languages all lie lower.
    foreign = not editorial.in_language(facts.description or facts.title, locale)
    return Relation(lambda texts: encoder.embed(texts) @ own, 0.78 if foreign else 0.80, foreign)


def sift(
    candidates: list[tuple[str, float, str]],
    limit: Limit,
    locale: str,
    facts: Facts,
    book: claims.FactBook,
    into: Sifted,
    relate: Relation | None = None,
    wishes: Wishes = Wishes(),
) -> None:
    """Put (text, logprob, angle) candidates through every gate."""
    total = max(1, len(book.entries))
    sound: list[Draft] = []
    for raw, logprob, angle in candidates:
        into.seen += 1
        text, broken, checked = mend(repair(raw, limit), limit, locale, facts, book)
        if broken:
            into.throw(broken[0], text)
        elif not checked.ok:
            span = checked.unsupported[0]
            into.throw(f"claim_{span.kind}", text, span.text)
        elif not checked.supported and not claims.touches(text, book):
            # A person may be witty at a distance; a small model at a distance is off the subject.
            into.throw("claim_ungrounded", text)
        elif logprob < UNSURE:
            into.throw("unsure", text)
        elif against := objections(text, wishes, facts, checked.supported):
            into.throw(against[0].rule, text, against[0].what)
        else:
            told = wishes.angle_of(angle, text, checked.supported)
            held = len({s.fact for s in checked.supported}) / total
            sound.append(Draft(text, told, logprob, checked.supported, held, -SHY * (told != angle)))
    if relate and sound:
        values = map(float, relate.close([d.text for d in sound]))
        measured, sound = list(zip(sound, values, strict=True)), []
        for draft, value in measured:
            named = any(span.kind not in ("number", "price") for span in draft.spans)
            if value < relate.bar or relate.foreign and not named:
                into.throw("claim_ungrounded", draft.text)
            else:
                closeness = draft.closeness + min(1.0, (value - relate.bar) / 0.15)
                sound.append(replace(draft, closeness=closeness))
    if wishes.taste and sound:
        fits = wishes.taste([d.text for d in sound], limit)
        sound = [replace(draft, fit=draft.fit + float(fit)) for draft, fit in zip(sound, fits, strict=True)]
    into.passed += len(sound)
    for draft in sorted(sound, key=_worth, reverse=True):
        if any(overlap(draft.text, other.text) > ALIKE for other in into.drafts):
            into.throw("duplicate", "")
        else:
            into.drafts.append(draft)


def _worth(draft: Draft) -> float:
    """Close to the facts, to the brief and the shop's voice, and likely to the model (where the backend tells)."""
    return draft.closeness + draft.fit + (0.0 if math.isnan(draft.logprob) else 0.3 * draft.logprob)


def _grams(text: str) -> set[str]:
    plain = re.sub(r"\W+", " ", text.casefold())
    return {plain[i : i + 3] for i in range(max(1, len(plain) - 2))}


def overlap(a: str, b: str) -> float:
    first, second = _grams(a), _grams(b)
    return len(first & second) / max(1, min(len(first), len(second)))


def choose(drafts: list[Draft], count: int, vectors: np.ndarray | None = None) -> list[Draft]:
    """The best `count`: close to the facts, and different from each other in angle, words and meaning (MMR)."""
    left, chosen = list(range(len(drafts))), []
    while left and len(chosen) < count:

        def score(i: int) -> float:
            draft = drafts[i]
            value = _worth(draft)
            for j in chosen:
                value -= 0.35 * (drafts[j].angle == draft.angle)
                value -= 0.5 * overlap(draft.text, drafts[j].text)
                if vectors is not None:
                    value -= 2.0 * max(0.0, float(vectors[i] @ vectors[j]) - 0.8)
            return value

        best = max(left, key=score)
        chosen.append(best)
        left.remove(best)
    return [drafts[i] for i in chosen]
