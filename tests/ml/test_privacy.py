"""Personal data goes, codes and numbers of the shop stay."""

import pytest

from ml.privacy import mask

LANGUAGES = ("en", "de", "fr", "es", "id", "zh", "ja", "ko", "pt", "ar")


@pytest.mark.parametrize(
    "text, region, wanted",
    [
        ("Ring me on +44 20 7946 0018 please", "GB", "Ring me on [PHONE] please"),
        ("ruf 0151 23456789 an", "DE", "ruf [PHONE] an"),
        ("전화 010-1234-5678 주세요", "", "전화 [PHONE] 주세요"),
        ("اتصل على ٠١٠١٢٣٤٥٦٧٨", "EG", "اتصل على [PHONE]"),
        ("write to max (at) example (dot) org", "", "write to [EMAIL]"),
        ("iban de89370400440532013000 thanks", "DE", "iban [IBAN] thanks"),
        ("card 5555 5555 5555 4444", "", "card [CARD]"),
        ("meu CPF 529.982.247-25", "BR", "meu CPF [ID]"),
        ("DNI 12345678Z", "ES", "DNI [ID]"),
    ],
)
def test_personal_data_is_masked_in_every_language(text, region, wanted):
    assert mask(text, region, LANGUAGES).text == wanted


@pytest.mark.parametrize(
    "text",
    [
        "Bestellung 303-4567890-1234567",
        "EAN 4006381333931, GTIN 04006381333931",
        "ISBN 978-3-16-148410-0",
        "paid 1 299,99 EUR on 11.03.2024, size 38-40, 1920x1080",
        "tracking 1Z999AA10123456784",
        "DNI 12345678A",
        "card 5555 5555 5555 4445",
    ],
)
def test_orders_codes_prices_dates_and_wrong_check_digits_survive(text):
    assert mask(text, "DE", LANGUAGES).text == text


def test_first_names_go_only_when_asked():
    assert mask("Thanks to Maria from support").kinds == ()
    assert mask("Thanks to Maria from support", names=True).text == "Thanks to [NAME] from support"
