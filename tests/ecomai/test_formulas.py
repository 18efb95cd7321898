"""Cells of exported tables: no spreadsheet runs them, and what comes back is what went out."""

import pytest

from ecomai.lib.formulas import restore, safe

SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("rest", ["1+1", "SUM(A1)", "", "cmd|' /C calc'!A0", "ｘ"])
@pytest.mark.parametrize("before", ["", "'", "''"])
def test_a_cell_that_would_run_is_marked_and_comes_back(sign, rest, before):
    value = before + sign + rest
    cell = safe(value)
    assert restore(cell) == value
    assert cell == f"'{value}"


@pytest.mark.parametrize(
    "value", ["-5", "+49", "-1.200,50", "-10%", "", "'", "''", "'90s", "a=1", "１２", "Ｑ＆Ａ", "– dash", "5＋1"]
)
def test_what_is_harmless_stays(value):
    assert safe(value) == value == restore(value)


@pytest.mark.parametrize("value", ["＋５", "－10", "＋10%"])
def test_a_number_behind_a_full_width_sign_is_no_plain_number(value):
    assert safe(value) == f"'{value}" and restore(f"'{value}") == value
