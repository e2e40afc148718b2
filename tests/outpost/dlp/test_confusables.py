import unicodedata

from outpost.dlp.confusables import LOOKALIKES


def test_every_lookalike_stands_for_one_ascii_letter_or_digit_and_is_none():
    for code, sign in LOOKALIKES.items():
        assert len(sign) == 1
        assert sign.isascii()
        assert sign.isalnum()
        assert code > 0x7F


def test_what_normalisation_folds_already_is_not_repeated():
    assert not [code for code in LOOKALIKES if unicodedata.normalize("NFKC", chr(code)).isascii()]


def test_the_common_cyrillic_and_greek_ones_are_there():
    assert "".join(LOOKALIKES[ord(c)] for c in "\u0410\u0415\u0406\u043e\u0440\u0391") == "AEIopA"
