"""HTML from outside: an allow-list for showing it, and its plain text."""

import re
import unicodedata

import nh3
from selectolax.lexbor import LexborHTMLParser

TAGS = {
    "a", "b", "blockquote", "br", "caption", "code", "em", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "s",
    "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
BLOCKS = re.compile(r"</?(?:p|div|li|h[1-6]|tr|td|th|ul|ol|table|blockquote)\b[^>]*>|<br\s*/?>|<hr\s*/?>", re.I)
UNSEEN = re.compile(r"<(?:script|style|template|head)\b", re.I)
BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")


def clean(raw: str) -> str:
    """HTML with harmless tags only: no scripts, styles, handlers, pictures or data addresses."""
    if "<" not in raw and "&" not in raw:
        return raw
    return nh3.clean(
        raw,
        tags=TAGS,
        attributes={"a": {"href"}, "td": {"colspan"}, "th": {"colspan"}},
        url_schemes={"http", "https", "mailto"},
    )


def plain(raw: str) -> str:
    """The text that a reader sees: entities resolved, a line per block, NFC."""
    if "<" in raw or "&" in raw:
        tree = LexborHTMLParser(BLOCKS.sub(r"\n\g<0>\n", raw))
        if UNSEEN.search(raw):
            for node in tree.css("script, style, template, head"):
                node.decompose()
        raw = tree.body.text() if tree.body else ""
    lines = (BLANKS.sub(" ", line).strip() for line in unicodedata.normalize("NFC", raw).split("\n"))
    return "\n".join(line for line in lines if line)
