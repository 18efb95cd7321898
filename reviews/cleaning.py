"""Text of reviews as it comes from shops, made storable: repaired encoding, no markup, no invisible characters.

Newlines, capitals, repeated letters and emoji stay as the shopper wrote them.
"""

import html
import re
import unicodedata

import ftfy
from selectolax.lexbor import LexborHTMLParser

# Control characters (Postgres refuses NUL), without tab and newline.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
BREAKS = re.compile("\r\n?|[\x85\u2028\u2029]")
# Bidi controls, zero-width spaces, soft hyphen, byte-order marks, interlinear marks. ZWNJ and ZWJ are part of Persian,
# Indic words and emoji: they go only between Latin letters, where they split words to hide them.
UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
SPLITTERS = re.compile("(?<=[A-Za-z])[\u200c\u200d]+(?=[A-Za-z])")
# Tag characters spell invisible text, except inside the flags of England, Scotland and Wales.
TAG_CHARACTERS = re.compile("(\U0001f3f4[\U000e0020-\U000e007f]{3,8})|[\U000e0000-\U000e007f]+")
SURROGATES = re.compile("[\ud800-\udfff]")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
BLANKS = re.compile(r"[ \t\u00a0]+")

_ELEMENTS = (
    "a|abbr|address|article|aside|audio|b|big|blockquote|body|br|button|center|cite|code|dd|del|details|div|dl|dt|em|"
    "embed|fieldset|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|"
    "link|main|mark|meta|nav|noscript|object|ol|option|p|picture|pre|q|s|samp|script|section|select|small|source|span|"
    "strike|strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|"
    "video|wbr"
)
_ATTRIBUTE = r"""\s+[A-Za-z_:@][\w:.@-]*\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""
_BARE = r"\s+(?:async|checked|controls|defer|disabled|hidden|nowrap)"
# A real tag has a known name and attributes with values: "<3", "size <40", "<b and c>" are words of the shopper.
TAG = re.compile(rf"</?(?:{_ELEMENTS})(?:{_ATTRIBUTE}|{_BARE})*\s*/?>|<!--.*?-->|<!doctype[^>]*>", re.I | re.S)
BREAK_TAGS = re.compile(r"(?:<br\s*/?>\s*)+", re.I)
BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|dl|dt|dd|h[1-6]|tr|table|blockquote|section|article|hr)\b[^<>]*>", re.I
)  # fmt: skip
HIDDEN_ELEMENTS = "script, style, template, head, noscript, iframe, object, svg, textarea, select"

REPAIRS = ftfy.TextFixerConfig(
    unescape_html=False,  # it would turn &lt;b&gt; into a live tag before the tags are taken out
    uncurl_quotes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    fix_line_breaks=False,
    explain=False,
)


def _entity(found: re.Match) -> str:
    return html.unescape(found[0])


def _paragraph(found: re.Match) -> str:
    return " " if found[0].lower().count("<br") == 1 else "\n"


def _unescape(text: str) -> str:
    """Entities with a semicolon only: "Q&amp;A" is Q&A, but "?a=1&copy=2" is an address. Twice-escaped text is common."""
    text = ENTITY.sub(_entity, text)
    return ENTITY.sub(_entity, text) if "&" in text else text


def without_markup(text: str) -> str:
    """The words of an HTML text: bodies of scripts and styles dropped, blocks on lines of their own, entities resolved.

    What only looks like a tag stays. The result is plain text and may hold "<": escape it wherever it is shown.
    """
    if "<" not in text or not TAG.search(text):
        return _unescape(text) if "&" in text else text
    out, at = [], 0
    for found in TAG.finditer(text):
        out += [text[at : found.start()].replace("<", "&lt;"), found[0]]
        at = found.end()
    out.append(text[at:].replace("<", "&lt;"))
    markup = BREAK_TAGS.sub(_paragraph, "".join(out))
    markup = BLOCK.sub(r"\n\g<0>", markup)
    tree = LexborHTMLParser(re.sub(r"&(?!(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);)", "&amp;", markup))
    for node in tree.css(HIDDEN_ELEMENTS):
        node.decompose()
    plain = tree.body.text() if tree.body else ""
    plain = ENTITY.sub(_entity, plain) if "&" in plain else plain
    lines = (BLANKS.sub(" ", line).strip() for line in plain.split("\n"))
    return "\n".join(line for line in lines if line)


def clean(text: str) -> str:
    """The text in NFC with repaired encoding and without markup, control and invisible characters; trimmed.

    Half an emoji (a cut surrogate) is dropped; two halves that belong together are joined.
    """
    if text.isascii() and "<" not in text and "&" not in text and "\r" not in text and not CONTROLS.search(text):
        return text.strip()
    if SURROGATES.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    text = BREAKS.sub("\n", text)
    if not text.isascii():
        text = BREAKS.sub("\n", ftfy.fix_text(text, REPAIRS))
    text = without_markup(text)
    text = CONTROLS.sub("", BREAKS.sub("\n", text))
    if not text.isascii():
        text = SPLITTERS.sub("", UNSEEN.sub("", TAG_CHARACTERS.sub(r"\1", text)))
        text = unicodedata.normalize("NFC", text)
    return text.strip()


def clean_line(text: str) -> str:
    """`clean` on one line, white space folded."""
    return " ".join(clean(text).split())
