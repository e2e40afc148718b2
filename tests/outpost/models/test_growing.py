import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace

from outpost.errors import ModelUnavailable
from outpost.models.growing import Growing
from outpost.models.inspector import Inspector
from outpost.models.pack import open_pack
from outpost.protocol.findings import Finding
from tests.fakes.model_pack import TAGS, card_fields, write_card, write_pack

WORDS = (
    "the",
    "note",
    "ana",
    "Silva",
    "maybe",
    "acme",
    "corp",
    "ignore",
    "dan",
    "pretend",
    ",",
    ".",
    "(",
    ")",
    "-",
    "'",
)
PLAIN = ("the", "a", "note", "5550100", "x")


@st.composite
def texts(draw, most=90):
    """Words that may be names, mostly in company that is none."""
    noise = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.1, 0.5, 0.9]))
    words = []
    for _ in range(draw(st.integers(0, most))):
        words.append(noise.choice(WORDS if noise.random() < share else PLAIN))
        words.append(noise.choice([" ", " ", " ", "\n", "  ", "\n\n", "", "漢"]))
    return "".join(words)


def pack_of(folder, thresholds, *, calm=False, overlap=4):
    """A pack whose names may count from one probability in short texts and from another in long ones."""
    fields = card_fields()["heads"]
    fields[0] |= {"thresholds": {"PERSON": thresholds}}
    if calm:
        fields = fields[1:2]
    return Inspector(open_pack(write_pack(folder, heads=fields, window={"max_tokens": 16, "overlap_tokens": overlap})))


@pytest.fixture(scope="module")
def inspectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growing")
    return {
        "one": pack_of(folder / "one", [{"score": 0.6}]),
        "rising": pack_of(folder / "rising", [{"up_to_tokens": 30, "score": 0.3}, {"score": 0.7}]),
        "falling": pack_of(folder / "falling", [{"up_to_tokens": 24, "score": 0.9}, {"score": 0.4}], overlap=6),
    }


def graph(inspector, prepared):
    """Outputs that depend on every token of the window, as an encoder's do."""
    answers = []
    for index in range(len(prepared.runs)):
        ids = inspector.batch([(prepared, index)])["input_ids"][0]
        noise = np.random.default_rng(zlib.crc32(ids.tobytes()))
        named = {4: (1, 2), 5: (2, 1), 6: (1, 2), 7: (3, 4), 8: (4, 3)}  # ids of words that are names, to their tags
        entities = noise.choice([-1.0, 0.0, 1.0], (len(ids), len(TAGS)))
        for row, token in enumerate(ids.tolist()):
            tags = named.get(token, (0, 0))
            entities[row, tags[noise.random() < 0.3]] += noise.choice([1.0, 2.0, 4.0])
        answers.append(
            {
                "entities": entities.astype(np.float32),
                "attacks": noise.choice([-3.0, 1.0, 6.0], 2, p=[0.9, 0.05, 0.05]).astype(np.float32),
                "intent": noise.normal(size=2).astype(np.float32),
                "sentence": noise.normal(size=2).astype(np.float32),
                "context": noise.choice([-1.0, 1.0], (len(ids), 2)).astype(np.float32),
            }
        )
    return answers


def weak_in(text):
    starts = [at for at in range(len(text)) if text.startswith("note", at)]
    return [Finding("pii.phone", at, at + 4, 0.5, "phone") for at in starts]


def whole(inspector, text):
    prepared = inspector.prepare(text, weak_in(text))
    return inspector.conclude(prepared, graph(inspector, prepared))


def grown(inspector, text, cuts, wanted=None):
    """Everything that was said piece by piece, each time with how much of the text was known."""
    growing, said, at = Growing(inspector, wanted), [], 0
    weak = weak_in(text)
    for cut in [*sorted(cuts), len(text)]:
        # What patterns say comes with the text in which it ends.
        end = next((f.start for f in weak if f.start < cut < f.end), cut)
        final = end == len(text)
        prepared = growing.add(text[at:end], [f for f in weak if at <= f.start < end], final=final)
        said.append((end, growing.conclude(graph(inspector, prepared))))
        at = end
        if final:
            break
    return said


def judged(item):
    return item.finding.kind.startswith("attack.")


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["one", "rising", "falling"]), texts(), st.lists(st.integers(0, 700), max_size=12))
def test_a_text_in_pieces_is_read_like_the_whole(inspectors, which, text, cuts):
    inspector = inspectors[which]
    said = grown(inspector, text, [cut for cut in cuts if cut < len(text)])
    expected = whole(inspector, text)
    found = [item for _, settled in said for item in settled.findings]

    def exactly(items):
        return [(i.finding, i.label, i.threshold) for i in items if not judged(i)]

    assert exactly(found) == exactly(expected.findings)
    assert [index for _, settled in said for index in settled.doubted] == list(expected.doubted)
    # Of judgements every window that counts, so those of the whole and perhaps more of the same.
    assert {i.finding for i in expected.findings} <= {i.finding for i in found}
    assert {i.finding.kind for i in expected.findings} == {i.finding.kind for i in found}
    assert (said[-1][1].tokens, said[-1][1].upto) == (expected.tokens, len(text))
    assert said[-1][1].windows == expected.windows


@settings(max_examples=40, deadline=None)
@given(texts(), st.lists(st.integers(0, 700), max_size=12))
def test_for_what_nobody_wants_nothing_waits_and_in_the_end_it_is_told(inspectors, text, cuts):
    inspector = inspectors["one"]
    cuts = [cut for cut in cuts if cut < len(text)]
    fully, partly = grown(inspector, text, cuts), grown(inspector, text, cuts, frozenset({"pii.person"}))
    assert all(one[1].upto <= other[1].upto for one, other in zip(fully, partly, strict=True))

    def told(said):
        return sorted((i.finding for _, settled in said for i in settled.findings), key=str)

    assert told(fully) == told(partly)
    assert not any(judged(i) for _, settled in partly[:-1] for i in settled.findings)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["one", "rising", "falling"]), texts(), texts(), st.lists(st.integers(0, 700), max_size=12))
def test_nothing_is_decided_that_a_continuation_could_change(inspectors, which, text, after, cuts):
    inspector = inspectors[which]
    said = grown(inspector, text + after, [*(cut for cut in cuts if cut < len(text)), len(text)])
    upto = 0
    for known, settled in said[:-1]:
        assert upto <= settled.upto <= known
        upto = settled.upto
    expected = whole(inspector, text + after)
    before = [item.finding for _, settled in said[:-1] for item in settled.findings]
    assert all(f.end <= upto for f in before)
    assert {f for f in (i.finding for i in expected.findings) if f.start < upto} <= set(before)


def test_text_is_decided_a_window_behind(inspectors):
    text = "the note ana Silva the a . " * 40
    said = grown(inspectors["one"], text, range(0, len(text), 10))
    room, overlap = 14, 4
    behind = [known - settled.upto for known, settled in said[:-1]]
    assert max(behind) <= (2 * room + overlap) * 6  # characters of the longest word and its blank
    assert sum(behind) / len(behind) < room * 6


@example("漢字" * 60)
@given(texts())
@settings(max_examples=10, deadline=None)
def test_a_pack_without_marked_tokens_is_cut_between_words(tmp_path_factory, text):
    inspector = pack_of(tmp_path_factory.mktemp("calm") / "calm", [{"score": 0.5}], calm=True)
    said = grown(inspector, text, range(0, len(text), 5))
    found = {i.finding for _, settled in said for i in settled.findings}
    assert {i.finding for i in whole(inspector, text).findings} <= found


def test_what_stays_undecided_is_not_looked_at_again_and_again(inspectors, monkeypatch):
    looks = []
    found = Growing._found
    monkeypatch.setattr(Growing, "_found", lambda self, length: looks.append(length) or found(self, length))
    growing = Growing(inspectors["rising"])
    asked = 0
    for _ in range(400):
        # A name that never ends.
        prepared = growing.add("silva ' " * 4)
        answers = [
            {
                "entities": np.tile(np.array([0, 0, 9, 0, 0], np.float32), (prepared.sizes[i], 1)),
                "attacks": np.full(2, -9, np.float32),
                "intent": np.zeros(2, np.float32),
                "sentence": np.ones(2, np.float32),
                "context": np.zeros((prepared.sizes[i], 2), np.float32),
            }
            for i in range(len(prepared.windows))
        ]
        asked += len(answers)
        assert growing.conclude(answers).upto == 0
    assert asked > 300
    assert len(looks) < 40


def test_a_tokeniser_that_may_read_back_waits_for_the_end(tmp_path):
    folder = write_pack(tmp_path / "pieces")
    made = Tokenizer(Unigram([("<unk>", 0), ("\u2581ana", -1), ("\u2581", -2)], unk_id=0))
    made.pre_tokenizer = Metaspace()
    (folder / "tokenizer.json").write_text(made.to_str(), "utf-8")
    inspector = Inspector(open_pack(write_card(folder)))
    growing = Growing(inspector)
    for _ in range(50):
        assert not growing.add("ana ").windows
        assert growing.conclude([]).upto == 0
    read = [(window.start, window.end) for window in growing.add("", final=True).windows]
    assert read == [(window.start, window.end) for window in inspector.prepare("ana " * 50).windows]


def test_a_text_ends_once_and_is_read_before_it_goes_on(inspectors):
    growing = Growing(inspectors["one"])
    growing.add("the " * 40)
    with pytest.raises(ModelUnavailable, match="being read"):
        growing.add("the")
    growing = Growing(inspectors["one"])
    growing.conclude(graph(inspectors["one"], growing.add("the", final=True)))
    with pytest.raises(ModelUnavailable, match="has ended"):
        growing.add("the")
    with pytest.raises(ModelUnavailable, match="tokenised"):
        Growing(inspectors["one"]).add("\ud800", final=True)


def test_outputs_that_are_too_short_are_no_answer(inspectors):
    growing = Growing(inspectors["one"])
    prepared = growing.add("the ana", final=True)
    (answer,) = graph(inspectors["one"], prepared)
    with pytest.raises(ModelUnavailable, match="shorter"):
        growing.conclude([answer | {"entities": answer["entities"][:2]}])
