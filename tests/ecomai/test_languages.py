"""The interface is complete in Simplified Chinese."""

from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parents[2]


def test_no_string_lacks_its_chinese_and_placeholders_agree():
    po = polib.pofile(str(ROOT / "ecomai" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"))
    assert len(po) > 400
    assert [e.msgid for e in po.untranslated_entries() + po.fuzzy_entries()] == []
    import re

    for entry in po.translated_entries():
        wanted = set(re.findall(r"%\(\w+\)\w", entry.msgid_plural or entry.msgid))
        got = set(re.findall(r"%\(\w+\)\w", entry.msgstr or entry.msgstr_plural[0]))
        assert got == wanted or entry.msgid_plural and got <= wanted, entry.msgid
