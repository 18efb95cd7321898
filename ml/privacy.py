"""Personal data in free text, masked by rules: phone numbers, mail addresses, IBANs, cards, national identity numbers.

Rules and check digits instead of a model: order numbers, SKUs, prices, dates and sizes stay readable, every language
works alike, and what was masked can be explained.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ml import identity_numbers

EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s?(?:@|[\[(]\s?(?:at|ät|arroba)\s?[\])])\s?"
    r"(?:[\w-]{1,63}(?:\.|\s?[\[(]\s?(?:dot|punkt|punto|point)\s?[\])]\s?)){1,4}[A-Za-z\u00a1-\uffff]{2,24}(?![\w-])"
)
IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"
)
CARD = re.compile(
    r"(?<![A-Za-z0-9])(?<![A-Za-z0-9][-./_#])(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3[47]\d{2}([ -]?)\d{6}\2\d{5}|"
    r"3[068]\d{2}([ -])\d{6}\3\d{4})(?![A-Za-z0-9])(?![-./_][A-Za-z0-9])"
)
# Leading digits of the card schemes by length (ISO/IEC 7812 ranges): Visa, Mastercard, Discover, JCB, UnionPay; Amex; Diners.
CARD_PREFIXES = {
    16: re.compile(r"4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|6011|64[4-9]|65|352[89]|35[3-8]|62"),
    19: re.compile(r"4|62|6011|64[4-9]|65"),
    15: re.compile(r"3[47]"),
    14: re.compile(r"30[0-5]|36|38|39"),
}
DIGITS = re.compile(r"\d(?:[^\d\n]{0,4}\d){6,}")
# Words before a number that make it a code, not a phone.
CODE = re.compile(
    r"(?:\b(?:size|größe|taille|talla|tamanho|taglia|maat|ukuran|order|orders|invoice|sku|model|modell|modèle|modelo|modello|item|art(?:icle|ikel)?|part|product|serial|s/n|"
    r"ean|gtin|upc|isbn|asin|imei|tracking|parcel|shipment|ticket|case|ref(?:erence)?|batch|lot|filter|version|code|"
    r"bestell\w*|auftrag\w*|rechnung\w*|sendung\w*|commande|facture|pedido|factura|ordine|zamówien\w*|sipariş|pesanan|"
    r"resi|заказ\w*|артикул|модель)\b|订单|訂單|单号|單號|运单|型号|型號|货号|編號|注文|品番|型番|주문|송장|모델|الطلب|طلب|آرڈر|ऑर्डर)"
    r"[^\d\n]{0,14}$",
    re.I,
)
CALL = re.compile(
    r"(?:\b(?:call|phone|tel|telephone|telefon\w*|mobile?|mobil|cell|handy|whats?app|sms|text|fax|ring|reach|contact|"
    r"numéro|appel\w*|llama\w*|teléfono|ligue|ligar|celular|chiama\w*|cellulare|bel|hp|wa|hubungi|telp|nomor|gọi|sđt|"
    r"zadzwoń|ara\w*|numaram|тел\w*|звони\w*|номер)\b|电话|電話|手机|手機|微信|联系|聯繫|携帯|전화|연락|번호|هاتف|اتصل|رقم|फ़ोन|फोन|नंबर|โทร)"
    r"[^\d\n]{0,16}$",
    re.I,
)
# Where a language is mostly spoken: whose phone notations are tried besides the review's own region.
REGIONS = {
    "ar": ("EG", "SA", "AE"), "bn": ("BD",), "cs": ("CZ",), "da": ("DK",), "de": ("DE", "AT", "CH"), "el": ("GR",),
    "en": ("US", "GB"), "es": ("ES", "MX"), "fa": ("IR",), "fi": ("FI",), "fr": ("FR", "BE"), "he": ("IL",),
    "hi": ("IN",), "hu": ("HU",), "id": ("ID",), "it": ("IT",), "ja": ("JP",), "ko": ("KR",), "ms": ("MY",),
    "nb": ("NO",), "nl": ("NL",), "no": ("NO",), "pl": ("PL",), "pt": ("PT", "BR"), "ro": ("RO",), "ru": ("RU",),
    "sv": ("SE",), "th": ("TH",), "tr": ("TR",), "uk": ("UA",), "ur": ("PK",), "vi": ("VN",), "zh": ("CN", "TW", "HK"),
}  # fmt: skip

_NAME = r"([A-ZÀ-ÖØ-ÞĀ-ŽА-ЯΑ-Ω][a-zà-öø-ÿā-žа-яα-ω'’]{1,20})"
NAMES = (
    re.compile(
        r"(?:\b(?:[Tt]hank(?:s| you)(?: so much| very much)?,? (?:to|goes to)?|[Ss]poke (?:to|with)|[Tt]alked (?:to|with)|"
        r"(?:agent|named|called|assistant|[Mm]r\.?|[Mm]rs\.?|[Mm]s\.?|[Dd]anke(?: an)?|Frau|Herrn?|[Mm]itarbeiter(?:in)?|"
        r"[Mm]erci(?: beaucoup)? à|[Mm]onsieur|[Mm]adame|[Gg]racias a|[Ss]eñora?|[Oo]brigad[oa] (?:à|ao|a)|[Gg]razie a|"
        r"[Bb]edankt|[Dd]ziękuję|[Tt]erima kasih|Pak|Bu|Mbak|[Сс]пасибо)) )" + _NAME
    ),
    re.compile(
        _NAME + r"(?= (?:from|in|at|of) (?:the )?(?:customer )?(?:support|service|care|helpdesk)\b| (?:vom|aus dem) "
        r"(?:Kundendienst|Kundenservice|Support)| du service| del servicio| do atendimento| del servizio)"
    ),
    re.compile(r"(?:客服|店员|店員)((?:小[\u4e00-\u9fff])|[\u4e00-\u9fff](?=女士|先生|小姐))"),
    re.compile(r"(?:担当|スタッフ|店員)の([\u4e00-\u9fff]{1,4})(?=さん|様)"),
    re.compile(r"(?:상담원|직원|담당자)\s?([가-힣]{2,4})(?=\s?님)"),
)
NOT_NAMES = {
    "amazon", "dhl", "ups", "fedex", "dpd", "hermes", "everyone", "all", "the", "them", "god", "support", "customer",
    "service", "team", "seller", "shop", "store", "you", "your", "und", "für", "fuer", "an", "das", "die", "der", "tout",
    "very", "and", "for", "to", "so", "my", "a", "i", "it", "this", "that", "someone", "somebody", "toute", "todos", "goodness",
}  # fmt: skip
MASKS = {kind: f"[{kind}]" for kind in ("EMAIL", "IBAN", "CARD", "ID", "PHONE", "NAME")}


@dataclass(frozen=True)
class Masked:
    """A text with `[PHONE]`, `[EMAIL]`, `[IBAN]`, `[CARD]`, `[ID]`, `[NAME]` in place of personal data.

    `kinds`: what was found, in the order of the text, each once. `spans`: [start, end) in the original, with the kind.
    """

    text: str
    kinds: tuple[str, ...]
    spans: tuple[tuple[int, int, str], ...]


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """One character for one: full-width forms and the digits of every script as ASCII."""
    digit = unicodedata.digit(char, None)
    if digit is not None and unicodedata.category(char) == "Nd":
        return str(digit)
    wide = unicodedata.normalize("NFKC", char)
    if len(wide) == 1 and wide.isascii():
        return wide
    return {"–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-"}.get(char, char)


def _same_length(text: str) -> str:
    return text if text.isascii() else "".join(map(_plain, text))


def _emails(text: str) -> Iterator[tuple[int, int]]:
    for found in EMAIL.finditer(text):
        yield found.start(), found.end()


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    from stdnum import iban

    for found in IBAN.finditer(text):
        # The words behind an IBAN look like its last groups: the longest prefix whose checksum and length are right.
        ends = [found.start() + m.end() for m in re.finditer(r"[A-Za-z0-9]+", found[0])] + [found.end()]
        for end in sorted(set(ends), reverse=True):
            if iban.is_valid(text[found.start() : end], check_country=False):
                yield found.start(), end
                break


def _cards(text: str) -> Iterator[tuple[int, int]]:
    from stdnum import luhn

    for found in CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        prefixes = CARD_PREFIXES.get(len(digits))
        if prefixes and prefixes.match(digits) and luhn.is_valid(digits):
            bare = found[0].isdigit()
            if not (bare and CODE.search(text, max(0, found.start() - 40), found.start())):
                yield found.start(), found.end()


def _is_phone(text: str, start: int, end: int, number, own: bool) -> bool:
    """Whether a valid number in phone notation is one: bare digits need more than being valid."""
    import phonenumbers

    raw = text[start:end]
    if re.search(r"\d\s?[xX×*]\s?\d", raw):  # 1920x1080 reads as a number with an extension
        return False
    before = max(0, start - 40)
    if raw.lstrip("(").startswith("+") or CALL.search(text, before, start):
        return True
    if CODE.search(text, before, start):
        return False
    if not raw.isdigit():
        return own or (len(re.sub(r"\D", "", raw)) >= 9 and not re.fullmatch(r"\d+[-/.]\d+[-/.]\d+", raw))
    if raw.startswith("0"):
        return own
    # Mobile numbers have a range of their own in most countries; not in North America, where any ten digits are valid.
    return own and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE and len(raw) >= 9


def _phones(text: str, regions: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    from phonenumbers import Leniency, PhoneNumberMatcher

    taken: list[tuple[int, int]] = []
    for place, region in enumerate(regions):
        for found in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
            if any(start < found.end and found.start < end for start, end in taken):
                continue
            if _is_phone(text, found.start, found.end, found.number, own=place == 0):
                taken.append((found.start, found.end))
                yield found.start, found.end


def _names(text: str) -> Iterator[tuple[int, int]]:
    for pattern in NAMES:
        for found in pattern.finditer(text):
            if found[1].casefold() not in NOT_NAMES:
                yield found.start(1), found.end(1)


def regions_of(region: str, languages: Iterable[str]) -> tuple[str, ...]:
    """The review's region first, then those where the languages are spoken; ISO 3166 codes."""
    own = [region.upper()] if region else []
    return tuple(dict.fromkeys(own + [r for language in languages for r in REGIONS.get(language.split("-")[0], ())]))


def mask(text: str, region: str = "", languages: Iterable[str] = (), names: bool = False) -> Masked:
    """Mask personal data. `region` is an ISO 3166 code or empty, `languages` those of the shop; `names` adds the first
    names of staff where the wording gives them away. Never raises: what isn't recognised stays.
    """
    plain = _same_length(text)
    spans: list[tuple[int, int, str]] = []

    def take(kind: str, found: Iterable[tuple[int, int]]) -> None:
        nonlocal plain
        for start, end in list(found):
            spans.append((start, end, kind))
            # Blanked by something that no rule takes for a digit or a word, so that no later rule reads across it.
            plain = plain[:start] + "\n" * (end - start) + plain[end:]

    if "@" in plain or "(" in plain or "[" in plain:
        take("EMAIL", _emails(plain))
    if DIGITS.search(plain):
        regions = regions_of(region, languages) or ("US",)
        take("IBAN", _ibans(plain))
        take("ID", identity_numbers.find(plain, frozenset(regions)))
        take("CARD", _cards(plain))
        take("PHONE", _phones(plain, regions))
    if names:
        take("NAME", _names(plain))
    if not spans:
        return Masked(text, (), ())
    spans.sort()
    out, at, kept = [], 0, []
    for start, end, kind in spans:
        if start < at:
            continue
        out += [text[at:start], MASKS[kind]]
        kept.append((start, end, kind))
        at = end
    return Masked("".join([*out, text[at:]]), tuple(dict.fromkeys(kind for *_, kind in kept)), tuple(kept))
