from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine
from outpost.dlp.stream import Released
from outpost.protocol.findings import Finding
from outpost.scan.context import MASK, Places, mask

TEXT = "hello\nmy card 4111 1111 1111 1111, mail joe@corp-mail.com ok\nend\n"
ENGINE = default_engine()
DETECTORS = {detector.name: detector for detector in ENGINE.detectors}


def hits(*pieces: str, **options):
    places = Places(DETECTORS, **({"show": False, "explain": False} | options))
    found = []
    for piece in pieces:
        findings = tuple(ENGINE.scan(piece))
        found += places.hits(Released(piece, findings), findings)
    return found


def test_a_hit_knows_its_place_and_shows_nothing():
    card, mail = hits(TEXT)
    assert (card.kind, card.line, card.column, card.end_line, card.end_column) == ("pci.pan", 2, 9, 2, 28)
    assert TEXT[card.start : card.end] == "4111 1111 1111 1111"
    assert (card.before, card.after) == ("my card ", ", mail " + MASK * 17 + " ok")
    assert (mail.before, mail.after, mail.text) == ("my card " + MASK * 19 + ", mail ", " ok", None)


def test_pieces_give_the_places_of_the_whole():
    whole = hits(TEXT)
    for cut in (5, 6, 7, 8, 34, 40, 62, 66):
        assert hits(TEXT[:cut], TEXT[cut:]) == [
            replace(hit, after=mine.after) for hit, mine in zip(whole, hits(TEXT[:cut], TEXT[cut:]), strict=True)
        ]


def test_what_was_asked_for_is_shown_and_explained():
    card, mail = hits(TEXT, show=True, explain=True)
    assert card.text == "4111 1111 1111 1111"
    assert "4111" not in repr(card)
    assert (card.explanation.words, card.explanation.validator) == (("card",), "luhn")
    assert card.score == card.explanation.context_score
    assert mail.explanation.words == ()


def test_a_context_word_in_the_piece_before_counts():
    (hit,) = hits("my card is ", "4111 1111 1111 1111 ", explain=True)
    assert hit.explanation.words == ("card",)


def test_several_lines_in_one_finding():
    finding = Finding("secret.private_key", 2, 9, 0.9, "pem")
    places = Places({}, show=False, explain=True)
    (hit,) = places.hits(Released("a\nbc\nde\nfg", (finding,)), [finding])
    assert (hit.line, hit.column, hit.end_line, hit.end_column, hit.explanation) == (2, 1, 4, 2, None)


def test_what_looks_like_a_key_is_masked_and_so_is_the_rest_of_a_word():
    finding = Finding("x", 4, 8, 0.9, "x")
    assert mask("key=abcdEFGH-1 done", [finding]) == "key=" + MASK * 10 + " done"
    assert mask("token a1b2c3d4e5f6a7b8c9d0e1f2 internationalisation_of", []) == (
        "token " + MASK * 24 + " internationalisation_of"
    )


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=4))
def test_a_mask_keeps_the_length_and_nothing_of_a_finding(text, spans):
    findings = sorted(
        (Finding("k", a, min(a + n, len(text)), 0.9, "d") for a, n in spans if a < len(text)),
        key=lambda f: (f.start, -f.end),
    )
    masked = mask(text, findings)
    assert len(masked) == len(text)
    assert all(set(masked[f.start : f.end]) == {MASK} for f in findings)
