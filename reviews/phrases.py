"""Cut reviews into clauses and clauses into words, in languages with and without spaces."""

import hashlib
import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import regex

RULES = "1"  # goes into the hash of the inputs: a change of these rules has every review cut again
MOST = 12  # clauses of one review; a longer one is told by those with evidence, then by its first
SENTENCE = regex.compile(r"[^.!?…。！？؟।\n;；]+(?:\.(?=\d)[^.!?…。！？؟।\n;；]+)*")
COMMA = regex.compile(r"[^,，、،]+(?:,(?=\d)[^,，、،]+)*")
LATIN_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’\-][\p{L}\p{M}\p{N}]+)*")
# Runs of one script: kanji, katakana, hiragana, Thai, Hangul or others.
SCRIPT_RUN = regex.compile(r"\p{Han}+|[\p{Katakana}ー]+|\p{Hiragana}+|\p{Thai}+|[\p{Latin}\p{N}]+|[\p{L}\p{M}]+")
UNSPACED = ("zh", "ja", "th")
SHORTEST = {"zh": 3, "ja": 4, "th": 6}  # characters of a clause; elsewhere two words

STOP: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "a an the and or but if so of to in on at for from with by as is are was were be been am it its this that these those i my me we our you your he she they them his her their not no do does did have has had will would can could just very too also than then there here all more most some any what which who when how really got get up out",
        "de": "der die das den dem des ein eine einen einem einer und oder aber wenn so von zu in im an am auf für mit bei als ist sind war waren sein es ich mein mir mich wir uns sie ihr er nicht kein keine hat habe haben wird kann nur sehr auch noch schon da dass wie was man aus nach zum zur um über sich",
        "fr": "le la les l un une des du de d et ou mais si en à au aux pour par avec sur dans est sont était être il elle ils elles je j mon ma mes me nous vous ce cette ces c qui que qu ne n pas plus très a ai as ont avait tout trop bien y se s on son sa ses",
        "es": "el la los las un una unos unas y o pero si de del a al en con por para es son era ser fue lo le les se me mi mis yo tu su sus nos que como no muy más ya ha he han hay este esta esto todo está",
        "it": "il lo la i gli le un uno una e o ma se di del della dei delle a al alla in nel nella con per da dal su è sono era essere ho ha hanno mi si ci che come non molto più anche questo questa tutto",
        "pt": "o a os as um uma uns umas e ou mas se de do da dos das em no na nos nas com por para é são era ser foi eu meu minha me que como não muito mais já tem tinha este esta isso tudo está ao à",
        "nl": "de het een en of maar als van te in op aan voor met bij is zijn was waren het ik mijn me wij ons je u hij zij niet geen heeft heb hebben wordt kan alleen heel zeer ook nog al dat dit die er om uit naar over",
        "id": "yang dan di ke dari untuk dengan ini itu ada adalah saya kami anda dia tidak bukan juga sudah belum akan bisa sangat sekali lebih pada nya ya lagi saja tapi karena",
        "ru": "и в во не на я с со что он она они а то это как но из у по за от до к же бы был была было были есть мы вы мой меня мне для очень так все его её их уже ещё",
        "tr": "ve bir bu şu o da de için ile çok daha en gibi ama ki mi mı ne ben biz siz onlar var yok değil olarak oldu ise kadar",
        "ar": "من في على إلى عن مع هذا هذه ذلك التي الذي و أو لكن ما لا لم لن كان كانت هو هي أنا نحن قد كل جدا ثم إن أن",
        "hi": "और का की के को में से पर है हैं था थी थे यह वह ये वो मैं हम आप एक नहीं भी तो ही कि जो बहुत लिए हो गया",
        "vi": "và là của có không được cho với này đó một những các thì mà ở tôi mình bạn nó rất cũng đã sẽ đang lại khi nhưng để từ ra vào",
        "ko": "이 그 저 것 수 등 및 또 또는 더 너무 정말 아주 그리고 하지만 그래서 저는 제가 좀 잘 안",
        "zh": "的 了 是 我 你 他 她 它 们 我们 你们 在 和 也 都 就 很 还 有 没有 不 这 那 个 一个 一 与 及 又 被 把 给 让 到 去 来 着 过 吧 吗 呢 啊 非常 比较 真的 太 什么 这个 那个",
        "ja": "の に は を が と も で へ や から まで より です ます でした ました た て い る し さ れ こと もの これ それ とても です。 ので けど が、 ない する した して いる ある",
        "th": "และ ที่ ของ ใน เป็น มี ได้ ไม่ ให้ ว่า มาก ก็ นี้ นั้น กับ จะ แต่",
    }.items()
}  # fmt: skip
_jieba_lock = threading.Lock()


@dataclass(frozen=True)
class Clause:
    """Where a clause stands in the words of a review."""

    start: int
    end: int
    aspect: str = ""
    polarity: int | None = None


def base(language: str) -> str:
    """ "pt-BR" → "pt"."""
    return language.split("-")[0].lower()


def words(text: str, language: str) -> list[str]:
    """Words in lower case, without stop words. Chinese by jieba's dictionary and hidden Markov model; Japanese and Thai
    by changes of script, long Thai runs as overlapping fours of characters; others by letters."""
    code = base(language)
    stop = STOP.get(code, frozenset())
    return [word for word in _words(text.lower(), code) if word not in stop and not word.isdecimal()]


def _words(text: str, code: str) -> Iterable[str]:
    if code == "zh":
        import jieba

        with _jieba_lock:
            if not jieba.dt.initialized:
                jieba.setLogLevel(logging.WARNING)
                jieba.initialize()
        return [word for word in jieba.cut(text) if LATIN_WORD.fullmatch(word)]
    if code == "ja":
        return [w for w in SCRIPT_RUN.findall(text) if len(w) > 1 or regex.match(r"\p{Han}", w)]
    if code == "th":
        return [g for w in SCRIPT_RUN.findall(text) for g in ([w] if len(w) <= 6 else _grams(w, 4))]
    return LATIN_WORD.findall(text)


def _grams(word: str, size: int) -> Iterator[str]:
    return (word[i : i + size] for i in range(len(word) - size + 1))


def _long_enough(text: str, code: str) -> bool:
    if code in SHORTEST:
        return len(regex.findall(r"[\p{L}\p{N}]", text)) >= SHORTEST[code]
    return len(LATIN_WORD.findall(text)) >= 2


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not (text[start].isalnum() or regex.match(r"\p{So}", text[start])):
        start += 1
    while end > start and not (text[end - 1].isalnum() or regex.match(r"[\p{So}\p{M}]", text[end - 1])):
        end -= 1
    return start, end


def clauses(text: str, language: str) -> list[tuple[int, int]]:
    """Start and end of each clause: sentences, cut at commas where both sides say enough on their own."""
    code, found = base(language), []
    for sentence in SENTENCE.finditer(text):
        parts = [
            _trim(text, sentence.start() + m.start(), sentence.start() + m.end()) for m in COMMA.finditer(sentence[0])
        ]
        parts = [part for part in parts if part[0] < part[1]]
        if parts and all(_long_enough(text[a:b], code) for a, b in parts):
            found += parts
        elif parts:
            found.append((parts[0][0], parts[-1][1]))
    good = [part for part in found if _long_enough(text[slice(*part)], code)]
    return good or found


def opinions(
    text: str, language: str, evidence: list[tuple[int, int, str, int]], sentiment: int | None
) -> list[Clause]:
    """The clauses that say what the author thinks: those around the evidence (start, end, aspect, polarity), or all of
    them where there is none. A clause without evidence has the polarity of the whole review."""
    found = []
    for start, end in clauses(text, language):
        inside = [(min(end, e) - max(start, s), a, p) for s, e, a, p in evidence if s < end and e > start]
        _length, aspect, polarity = max(inside) if inside else (0, "", sentiment)
        found.append(Clause(start, end, aspect, polarity))
    with_evidence = [clause for clause in found if clause.aspect]
    return sorted((with_evidence or found)[:MOST], key=lambda clause: clause.start)


def inputs_hash(text: str, evidence: list, sentiment: int | None, model: str) -> str:
    """SHA-256 of everything that a review's phrases follow from."""
    return hashlib.sha256(repr((RULES, model, text, sorted(evidence), sentiment)).encode()).hexdigest()
