import pytest

from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.rewrite import build
from outpost.dlp.rewriters.lookalikes import find


def read(text):
    tokens = find(text, one_byte_each(text), 0, len(text))
    return build(text, tokens).text if tokens else text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("\u0410KIA2", "AKIA2"),
        ("\u0430lice@ex\u0430mple.org", "alice@example.org"),
        ("D\u041589", "DE89"),
        ("\u041c\u043e\u0441\u043a\u0432\u0430 is big", "\u041c\u043e\u0441\u043a\u0432\u0430 is big"),
    ],
)
def test_only_mixed_words_are_read_otherwise(written, said):
    assert read(written) == said
