import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.finder import Report
from outpost.dlp.fingerprint import PIECE_CHARS, FingerprintFinder, build_passages
from outpost.dlp.redact import redact_until_clean
from outpost.dlp.stream import StreamScanner
from outpost.protocol.list_file import ListFileInvalid, read_list_file
from tests.outpost.dlp.org_lists import KEY, engine, found

RNG = random.Random(3)
SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu"]
VOCABULARY = ["".join(RNG.choices(SYLLABLES, k=RNG.randint(1, 3))) for _ in range(400)]


def prose(words, seed):
    rng = random.Random(seed)
    return " ".join(rng.choices(VOCABULARY, k=words)).replace(" ba", ". Ba")


SECRET, OTHER, PUBLIC = prose(600, 1), prose(600, 2), prose(600, 9)


def finder(documents=(SECRET, OTHER), min_shared=2, **options):
    content = build_passages(documents, "papers", KEY, **options)
    return FingerprintFinder(read_list_file(content), KEY, Report("list/papers", "org.papers", 0.9), min_shared)


ENGINE = engine(finder())


def part(words, start=100, text=SECRET):
    return " ".join(text.split()[start : start + words])


@pytest.mark.parametrize("start", range(0, 500, 37))
def test_a_pasted_paragraph_is_found_wherever_it_comes_from(start):
    for words in (23, 40, 60):  # 15 + 8 words have two fingerprints, wherever they begin
        passage = part(words, start)
        text = f"Please summarise: {passage} Thank you, and good day to all of you over there."
        spans = found(ENGINE, text)
        assert spans != []
        assert all(span in passage for span in spans)
    assert len(" ".join(found(ENGINE, part(60, start)))) > 0.6 * len(part(60, start))


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text.replace(" ", "\n> "),
        lambda text: text.replace(".", " -"),
        lambda text: text.replace("a", "\u00e1"),
        "\u200b".join,
    ],
)
def test_however_it_was_pasted(change):
    assert found(ENGINE, change(part(60))) != []


def test_what_nobody_copied_is_not_found():
    for seed in range(20, 60):
        assert found(ENGINE, prose(300, seed)) == []
    assert found(ENGINE, part(8)) == []
    # Fingerprints of two documents, and the same one twice, make no passage.
    assert found(ENGINE, f"{part(8)} {part(8, 50, OTHER)} {part(8)}") == []


def test_one_fingerprint_is_enough_where_the_list_says_so():
    assert found(engine(finder(min_shared=1)), part(15)) != []
    assert found(engine(finder(min_shared=6)), part(12)) == []


def test_what_templates_say_is_left_out():
    mixed = f"{part(60)} {PUBLIC}"
    listed = engine(finder((mixed,), without=(PUBLIC,)))
    assert found(listed, PUBLIC) == []
    assert found(listed, part(60)) != []


def test_a_whole_document_is_found_in_pieces_and_redacted_whole():
    spans = ENGINE.scan(f"so {SECRET} it is")
    assert len(spans) < len(SECRET) / PIECE_CHARS * 2
    clean = redact_until_clean(f"so {SECRET} it is", ENGINE.scan, {"org.papers"})
    assert clean.startswith("so ")
    assert len(clean) < 200
    assert clean.count("[REDACTED:org.papers]") == 1


FULL = engine(finder(), every_detector=True)
PIECES = st.one_of(
    st.tuples(st.integers(0, 500), st.integers(1, 80), st.sampled_from([SECRET, OTHER, PUBLIC])).map(
        lambda drawn: part(drawn[1], drawn[0], drawn[2])
    ),
    st.sampled_from([" ", "\n\n", ". ", " " * 17, "x" * 65, " and so on ", SECRET[:3000], "ana@mail.example.org"]),
)


@given(st.lists(PIECES, max_size=8), st.randoms(use_true_random=False))
def test_a_stream_gives_what_the_whole_text_gives(pieces, rng: random.Random):
    text = "".join(pieces)
    scanner, place, moved = StreamScanner(FULL), 0, []
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(10)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    for given_part in [*(scanner.feed(one) for one in parts), scanner.finish()]:
        for piece in given_part:
            moved += [(f.kind, place + f.start, place + f.end) for f in piece.findings]
            place += len(piece.text)
    assert place == len(text)
    assert moved == [(f.kind, f.start, f.end) for f in FULL.scan(text)]


def test_a_stream_holds_a_few_words_and_a_piece():
    scanner, held = StreamScanner(ENGINE), 0
    text = f"{PUBLIC} {SECRET} {PUBLIC}"
    done = 0
    for at in range(0, len(text), 50):
        done += sum(len(piece.text) for piece in scanner.feed(text[at : at + 50]))
        held = max(held, at + 50 - done)
    assert held < 2 * PIECE_CHARS


def test_documents_without_a_passage_are_told():
    skipped = []
    content = build_passages(["too short", SECRET, PUBLIC], "papers", KEY, [PUBLIC], skipped.append)
    assert skipped == [0, 2]
    assert read_list_file(content).header.sources == 1


def test_nothing_to_list_and_too_much_are_refused(monkeypatch):
    with pytest.raises(ListFileInvalid, match="no passage of 15 words"):
        build_passages(["too short"], "papers", KEY)
    monkeypatch.setattr("outpost.dlp.fingerprint.MAX_FINGERPRINTS", 5)
    with pytest.raises(ListFileInvalid, match=r"at most .* 5 fingerprints"):
        build_passages([SECRET], "papers", KEY)


@given(st.text(max_size=300))
def test_any_text_is_listed_or_refused_and_searched(text):
    try:
        scanned = engine(finder((text, SECRET)))
    except ListFileInvalid:
        return
    assert all(0 <= f.start < f.end <= len(text) and f.kind == "org.papers" for f in scanned.scan(text))
    assert found(scanned, part(60)) != []  # whatever else is listed
