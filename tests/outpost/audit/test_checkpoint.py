import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.audit.checkpoint import (
    MAX_NOTE_CHARS,
    MAX_SIGNATURES,
    NoteSigner,
    NoteVerifier,
    add_signature,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    verify_note,
)
from outpost.audit.tree import leaf_hash
from outpost.errors import AuditCorrupt
from tests.fakes.audit import ORIGIN, RECEIPTS, SIGNER, signer

ROOT = leaf_hash(b"a")
NOTE = sign_checkpoint(ORIGIN, 1, ROOT, SIGNER)


def test_a_checkpoint_is_what_was_signed():
    checkpoint = parse_checkpoint(NOTE)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root, checkpoint.extensions) == (ORIGIN, 1, ROOT, ())
    assert verify_note(NOTE, [SIGNER.verifier, RECEIPTS.verifier]) == (ORIGIN,)


def test_a_second_signature_leaves_the_first_as_it_was():
    both = add_signature(NOTE, RECEIPTS)
    assert both.startswith(NOTE)
    assert verify_note(both, [RECEIPTS.verifier, SIGNER.verifier]) == (ORIGIN, RECEIPTS.name)
    assert verify_note(both, [RECEIPTS.verifier]) == (RECEIPTS.name,)


def test_the_vkey_survives_its_text_form():
    verifier = NoteVerifier.from_vkey(SIGNER.vkey)
    assert verifier == SIGNER.verifier
    assert verifier.vkey == SIGNER.vkey


@given(st.data())
def test_no_changed_character_of_a_note_verifies(data):
    index = data.draw(st.integers(0, len(NOTE) - 1))
    char = data.draw(st.characters(exclude_characters=NOTE[index]))
    with pytest.raises(AuditCorrupt):
        verify_note(NOTE[:index] + char + NOTE[index + 1 :], [SIGNER.verifier])


@pytest.mark.parametrize("other", [signer(seed=9), signer("elsewhere/audit")], ids=["another key", "another name"])
def test_only_the_named_key_counts(other):
    with pytest.raises(AuditCorrupt):
        verify_note(NOTE, [other.verifier])


def test_a_bad_signature_of_a_known_key_is_not_excused_by_a_good_one():
    forged = NOTE.replace("\n1\n", "\n2\n")
    with pytest.raises(AuditCorrupt):
        verify_note(add_signature(forged, RECEIPTS), [SIGNER.verifier, RECEIPTS.verifier])


def test_no_verifier_means_no():
    with pytest.raises(AuditCorrupt):
        verify_note(NOTE, [])


PIECES = st.sampled_from([*NOTE.split("\n"), "\n", "\n\n", "\N{EM DASH} ", "a", " ", "AA==", "0", "\x00", "\ud800"])
TEXTS = (
    st.text(max_size=300) | st.lists(PIECES, max_size=12).map("".join) | st.lists(PIECES, max_size=12).map("\n".join)
)


@given(TEXTS)
def test_any_text_is_a_note_or_the_typed_error(text):
    for parse in (parse_note, parse_checkpoint, NoteVerifier.from_vkey):
        try:
            parse(text)
        except AuditCorrupt:
            continue
        if parse is parse_checkpoint:
            assert parse_checkpoint(text).text == parse_note(text).text


def _with_text(text):
    return f"{text}\n{SIGNER.signature_line(text)}"


@pytest.mark.parametrize(
    "note",
    {
        "no root": _with_text(f"{ORIGIN}\n1\n"),
        "no origin": _with_text("\n1\n" + "A" * 43 + "=\n"),
        "leading zero": NOTE.replace("\n1\n", "\n01\n"),
        "negative size": NOTE.replace("\n1\n", "\n-1\n"),
        "other digits": NOTE.replace("\n1\n", "\n\N{ARABIC-INDIC DIGIT ONE}\n"),
        "size beyond 63 bits": NOTE.replace("\n1\n", f"\n{2**63}\n"),
        "short root": _with_text(f"{ORIGIN}\n1\nAAAA\n"),
        "non-canonical base64": _with_text(f"{ORIGIN}\n1\n{'A' * 42}B=\n"),
        "root in the URL alphabet": _with_text(f"{ORIGIN}\n1\n{'_' * 43}=\n"),
        "empty extension": _with_text(f"{ORIGIN}\n1\n{'A' * 43}=\n\nx\n"),
        "carriage return": NOTE.replace("\n1\n", "\n1\r\n"),
        "too long": _with_text(f"{ORIGIN}\n1\n{'A' * 43}=\n{'x' * MAX_NOTE_CHARS}\n"),
        "too many signatures": NOTE + SIGNER.signature_line("x") * MAX_SIGNATURES,
        "nameless signature": NOTE.replace(f"— {ORIGIN} ", "—  "),
        "hyphen for dash": NOTE.replace("— ", "- "),
        "blank line at the end": NOTE + "\n",
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_no_checkpoint_is_refused(note):
    assert note[1] != NOTE
    with pytest.raises(AuditCorrupt):
        parse_checkpoint(note[1])


def test_extension_lines_are_signed_and_kept():
    note = _with_text(f"{ORIGIN}\n1\n{'A' * 43}=\nfirst\nsecond\n")
    assert parse_checkpoint(note).extensions == ("first", "second")
    assert verify_note(note, [SIGNER.verifier]) == (ORIGIN,)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_a_key_name_without_room_for_confusion(name):
    with pytest.raises(AuditCorrupt):
        NoteSigner(name, SIGNER._key)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        SIGNER.vkey + "x",
        SIGNER.vkey.replace("+", "-", 1),
        "x" + SIGNER.vkey,
        "name+00000000+" + "AAAA",
        SIGNER.vkey[: SIGNER.vkey.index("+") + 1] + "00000000" + SIGNER.vkey[SIGNER.vkey.index("+") + 9 :],
    ],
)
def test_a_verifier_key_that_is_not_its_own(vkey):
    with pytest.raises(AuditCorrupt):
        NoteVerifier.from_vkey(vkey)


@pytest.mark.parametrize(
    ("origin", "size", "root"), [("", 1, ROOT), ("a\nb", 1, ROOT), (ORIGIN, -1, ROOT), (ORIGIN, 1, b"")]
)
def test_nothing_that_cannot_be_read_back_is_signed(origin, size, root):
    with pytest.raises(AuditCorrupt):
        sign_checkpoint(origin, size, root, SIGNER)


def test_a_full_note_takes_no_more_signatures():
    note = NOTE
    for _ in range(MAX_SIGNATURES - 1):
        note = add_signature(note, RECEIPTS)
    with pytest.raises(AuditCorrupt):
        add_signature(note, RECEIPTS)


def test_the_private_key_is_not_in_the_representation():
    assert SIGNER._key.private_bytes_raw().hex() not in repr(SIGNER)
