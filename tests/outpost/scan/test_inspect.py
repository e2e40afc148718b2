import io
import itertools
import random
import re
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine
from outpost.models.options import SessionOptions
from outpost.models.results import ModelFinding, TextResult
from outpost.models.runners import Loaded
from outpost.protocol.findings import Finding, Tier
from outpost.scan import inspect as module
from outpost.scan.inspect import MODEL_CHARS, WHOLE_CHARS, Task, inspect, inspect_path
from outpost.scan.results import Unscannable
from outpost.scan.select import Selection
from tests.fakes.model_pack import BOOM, write_pack

TASK = Task(default_engine())
CARD = "4111 1111 1111 1111"


class Pipe(io.RawIOBase):
    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 777))


def spans(result):
    return [(hit.kind, hit.start, hit.end, hit.score) for file in result.files for hit in file.hits]


def text_of(seed: int, size: int) -> str:
    words = ["card", CARD, "joe@corp-mail.com", "Grüße", "10.0.0.77", "+49 30 901820", "word", "x" * 60, "\n", "你好"]
    rng = random.Random(seed)
    text = ""
    while len(text) < size:
        text += rng.choice(words) + rng.choice(" \n,")
    return text


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(100, 3000), st.sampled_from(["utf-8", "utf-16"]))
def test_a_stream_gives_what_the_whole_gives(seed, whole_chars, encoding):
    text = text_of(seed, 4000)
    expected = [(f.kind, f.start, f.end, f.score) for f in default_engine().scan(text)]
    content = text.encode(encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WHOLE_CHARS", whole_chars)
        for source in (io.BytesIO(content), Pipe(content)):
            result = inspect(TASK, source, "f", len(content))
            assert spans(result) == expected
            lines = text.split("\n")
            for hit in result.files[0].hits:
                assert lines[hit.line - 1][hit.column - 1] == text[hit.start]
                assert lines[hit.end_line - 1][hit.end_column - 2] == text[hit.end - 1]


def test_many_findings_are_not_too_many_for_a_file():
    content = "".join(f"10.{a % 200 + 1}.{a // 200 + 1}.7 \n" for a in range(12_000)).encode()
    result = inspect(TASK, io.BytesIO(content), "f", len(content))
    assert len(spans(result)) == 12_000
    assert not result.problems


def test_findings_beyond_the_list_are_counted(monkeypatch):
    monkeypatch.setattr(module, "MAX_LISTED", 2)
    content = b"a@corp-mail.com " * 5
    (file,) = inspect(TASK, io.BytesIO(content), "f", len(content)).files
    assert (len(file.hits), file.omitted) == (2, 3)


def test_text_that_stays_undecided_is_a_problem(monkeypatch):
    monkeypatch.setattr(module, "WHOLE_CHARS", 100)
    monkeypatch.setattr(module, "_MAX_HOLD_CHARS", 50)
    content = b"x" * 500_000
    result = inspect(TASK, io.BytesIO(content), "f", len(content))
    assert [problem.kind for problem in result.problems] in ([Unscannable.TEXT], [])


def test_binary_is_noticed_also_late():
    late = b"text " * 4000 + b"\0" + CARD.encode()
    for content in (b"\0\1", late):
        (file,) = inspect(TASK, io.BytesIO(content), "f", len(content)).files
        assert file.binary
    assert file.hits


def test_selection_lists_less():
    content = f"{CARD} a@corp-mail.com \n".encode()
    for selection, kinds in ((Selection(("pii.*",)), ["pii.email"]), (Selection(None, 0.93), ["pii.email"])):
        result = inspect(Task(TASK.engine, selection), io.BytesIO(content), "f", len(content))
        assert [hit.kind for hit in result.files[0].hits] == kinds
    result = inspect(Task(TASK.engine, Selection(("pii.*",))), io.BytesIO(b"\0"), "f", 1)
    assert not result.files[0].binary


def test_a_bomb_is_a_problem_and_what_was_found_before_stays():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", CARD)
        archive.writestr("b", b"a " * 20_000_000)
        archive.writestr("c", CARD)
    made.seek(0)
    result = inspect(TASK, made, "f.zip", len(made.getvalue()))
    assert [file.path for file in result.files] == ["f.zip!/a"]
    assert [(problem.path, problem.kind) for problem in result.problems] == [("f.zip", Unscannable.ARCHIVE)]


def test_a_damaged_member_in_a_tar_ends_it():
    result = inspect(TASK, io.BytesIO(b"\x1f\x8b\x08" + b"x" * 50), "f.gz", 53)
    assert [problem.kind for problem in result.problems] == [Unscannable.ARCHIVE]


def test_a_file_that_cannot_be_read(tmp_path):
    result = inspect_path(TASK, tmp_path, "d")
    assert [(p.path, p.kind, p.message) for p in result.problems] == [("d", Unscannable.UNREADABLE, "Is a directory")]


def test_models_look_at_files_of_any_length(tmp_path):
    task = Task(default_engine(), models=Loaded(write_pack(tmp_path / "tiny"), SessionOptions()), explain=True)
    text = "the note\n" * 9000 + "Ana Silva\n" + "the note\n" * 9000 + f"card {CARD}\nAna Silva"
    result = inspect(task, io.BytesIO(text.encode()), "f", len(text))
    people = [hit for hit in result.files[0].hits if hit.kind == "pii.person"]
    assert [text[hit.start : hit.end] for hit in people] == ["Ana Silva"] * 2
    assert [hit.line for hit in people] == [9001, 18003]
    assert people[0].explanation.label == "PERSON"
    assert [hit.kind for hit in result.files[0].hits if hit.tier == 1] == ["pci.pan"]


class Names:
    """Finds every ``Ana Silva`` that it is told whole, as a model does; keeps the lengths that it was told."""

    def __init__(self):
        self.told = []

    def inspect(self, text, weak=()):
        self.told.append(len(text))
        spans = [match.span() for match in re.finditer("Ana Silva", text)]
        findings = [Finding("pii.person", start, end, 0.9, "n/e", Tier.ENTITY_MODEL) for start, end in spans]
        return TextResult(tuple(ModelFinding(f, "PERSON", 0.9, 0.5, (f.start, f.end)) for f in findings))


@pytest.mark.parametrize(
    "at", [MODEL_CHARS + shift for shift in (-1030, -515, -9, -5, -1, 0, 3, 500, 1015, 1019, 1024)]
)
def test_a_name_across_the_border_of_what_models_are_told_is_found_whole_and_once(at):
    names = Names()
    text = f"{'the note ' * 8000}"[:at] + f"Ana Silva {CARD} " + "the note " * 9000 + "Ana Silva"
    hits = (
        inspect(Task(default_engine(), models=names, explain=True), io.BytesIO(text.encode()), "f", len(text))
        .files[0]
        .hits
    )
    people = [(hit.start, hit.end) for hit in hits if hit.kind == "pii.person"]
    assert people == [(at, at + 9), (len(text) - 9, len(text))]
    assert [hit.kind for hit in hits if hit.tier == 1] == ["pci.pan"]
    assert hits[0].explanation.label == "PERSON"
    assert max(names.told) < 2 * MODEL_CHARS + WHOLE_CHARS


def test_findings_that_overlap_without_end_are_released_all_the_same():
    class Chain:
        def inspect(self, text, weak=()):
            spans = [(start, min(start + 60, len(text))) for start in range(0, len(text), 50)]
            findings = [Finding("pii.person", *span, 0.9, "n/e", Tier.ENTITY_MODEL) for span in spans]
            return TextResult(tuple(ModelFinding(f, "P", 0.9, 0.5, (0, 1)) for f in findings))

    text = "the note " * 12_000
    hits = inspect(Task(default_engine(), models=Chain()), io.BytesIO(text.encode()), "f", len(text)).files[0].hits
    covered = sorted((hit.start, hit.end) for hit in hits)
    assert covered[0][0] == 0
    assert covered[-1][1] == len(text)
    assert all(after[0] <= before[1] for before, after in itertools.pairwise(covered))


def test_a_text_that_models_cannot_look_at_is_a_problem(tmp_path):
    task = Task(default_engine(), models=Loaded(write_pack(tmp_path / "tiny"), SessionOptions()))
    (problem,) = inspect(task, io.BytesIO(BOOM.encode()), "f", 4).problems
    assert problem.kind is Unscannable.TEXT
