import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.inspector import Inspector, _extent
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack
from outpost.models.runners import Loaded
from outpost.protocol.detectors import TopicRule
from outpost.protocol.findings import Finding, Tier
from outpost.protocol.topics import TopicSet
from tests.fakes.model_pack import VOCABULARY, write_pack


def found(text, result):
    return [(f.finding.kind, text[f.finding.start : f.finding.end]) for f in result.findings]


def test_it_finds_spans_and_judges_the_whole(inspect):
    text = "the note: Ana Silva, Acme Corp. Ignore"
    result = inspect(text)
    assert found(text, result) == [("attack.direct_injection", text), ("pii.person", "Ana Silva")]
    attack, person = result.findings
    assert (person.finding.detector, person.finding.tier) == ("tiny/entities", Tier.ENTITY_MODEL)
    assert (attack.finding.detector, attack.finding.tier) == ("tiny/attacks", Tier.CONTEXT_MODEL)
    assert result.tokens == 10


def test_it_says_why(inspect):
    (person,) = inspect("the Ana").findings
    assert (person.label, person.threshold, person.window) == ("PERSON", 0.7, (0, 7))
    assert person.probability == pytest.approx(0.98, abs=0.02)
    assert [label for label, _ in person.alternatives] == ["ORG", "O"]


def test_what_does_not_reach_its_threshold_is_a_label_and_no_finding(inspect):
    assert found("maybe", inspect("maybe")) == []
    assert inspect("pretend the").labels["attacks.jailbreak"] == pytest.approx(0.574, abs=0.001)
    assert [f.finding.kind for f in inspect("pretend the").findings] == ["attack.jailbreak"]
    assert inspect("pretend " + "the " * 40).findings == ()  # the threshold of long texts


@pytest.mark.parametrize("before", range(0, 40, 3))
def test_depth_does_not_matter(inspect, before):
    text = "the " * before + "Ana Silva " + "the " * 20 + "dan"
    result = inspect(text)
    assert found(text, result)[0] == ("pii.person", "Ana Silva")
    assert result.labels["attacks.jailbreak"] > 0.99
    jailbreak = next(f for f in result.findings if f.finding.kind == "attack.jailbreak")
    assert jailbreak.window == (jailbreak.finding.start, jailbreak.finding.end)
    assert "dan" in text[slice(*jailbreak.window)]


def test_an_intent_is_the_mean_over_the_windows(inspect):
    assert inspect("summary").labels["intent.summarise"] == pytest.approx(0.982, abs=0.001)
    assert inspect("summary " + "the " * 60).labels["intent.summarise"] < 0.7


def test_weak_findings_are_doubted_where_the_context_says_so(inspect):
    text = "note 5550100 phone"
    weak = [
        Finding("pii.phone", 5, 12, 0.5, "phone"),
        Finding("pii.ip", 0, 4, 0.5, "ip"),
        Finding("pii.phone", 13, 18, 0.5, "p"),
    ]
    assert inspect(text, weak).doubted == (0,)


def test_an_embedding_has_length_one(inspect):
    (vector,) = inspect("note").embeddings.values()
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_no_text_no_answer(inspect):
    assert inspect("").windows == 0
    assert inspect(" \n").findings == ()


def test_a_lone_surrogate_is_not_inspected(tiny):
    with pytest.raises(ModelUnavailable, match="tokenised"):
        Inspector(open_pack(tiny)).prepare("\ud800")


def test_batches_are_padded_and_masked(tiny):
    inspector = Inspector(open_pack(tiny))
    short, long = inspector.prepare("ana"), inspector.prepare("the Ana Silva")
    batch = inspector.batch([(short, 0), (long, 0)])
    assert batch["input_ids"][0].tolist() == [VOCABULARY["[CLS]"], VOCABULARY["ana"], VOCABULARY["[SEP]"], 0, 0]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["shape_ids"][1].tolist() == [0, 28, 23, 23, 0]


@pytest.mark.parametrize(
    ("output", "array"),
    [
        ("attacks", np.zeros(3)),
        ("attacks", np.zeros((2, 2))),
        ("entities", np.zeros((2, 5))),
        ("entities", np.full((4, 5), np.nan)),
        ("sentence", np.zeros(3)),
    ],
)
def test_outputs_of_another_form_are_no_answer(tiny, output, array):
    inspector = Inspector(open_pack(tiny))
    prepared = inspector.prepare("the note")
    good = {"entities": (4, 5), "attacks": (2,), "intent": (2,), "sentence": (2,), "context": (4, 2)}
    answers = {name: np.zeros(shape, np.float32) for name, shape in good.items()}
    inspector.conclude(prepared, [answers])
    with pytest.raises(ModelUnavailable):
        inspector.conclude(prepared, [answers | {output: array.astype(np.float32)}])


def test_windows_must_have_room(tmp_path):
    with pytest.raises(PackInvalid, match="no room"):
        Inspector(open_pack(write_pack(tmp_path, window={"max_tokens": 8, "overlap_tokens": 3})))


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=80))
def test_any_text_has_an_answer_whose_spans_are_inside(inspect, text):
    for item in inspect(text).findings:
        assert 0 <= item.finding.start < item.finding.end <= len(text)
        assert 0.5 <= item.finding.score <= 1


SAID = "the phone, the phone. A note a note, Ana Silva\na the a the a the"


def test_for_topics_each_sentence_is_read_by_itself_and_nothing_else_changes(tiny, inspect):
    loaded = Loaded(tiny, SessionOptions())
    rule = TopicRule(id="notes", kind="topic.notes", examples=["note"])
    index = loaded.topics(TopicSet((rule,), "d"))
    prepared = loaded.inspector.prepare(SAID, (), index)
    assert [SAID[slice(*_extent(prepared, run))] for run in prepared.sentences] == [
        "the phone, the phone.",
        "A note a note, Ana Silva",
        "a the a the a the",
    ]
    assert (len(prepared.sizes), loaded.inspector.prepare(SAID).sentences) == (len(prepared.runs), ())
    assert loaded.inspector.prepare("the note alone", (), index).sentences == ()
    with_topics, without = loaded.inspect(SAID, topics=index), inspect(SAID)
    assert [f for f in with_topics.findings if f.label != "notes"] == list(without.findings)
    assert (with_topics.windows, with_topics.labels, with_topics.embeddings) == (
        without.windows,
        without.labels,
        without.embeddings,
    )
    assert [f.finding.kind for f in with_topics.findings if f.label == "notes"] == ["topic.notes"]


def test_a_sentence_that_is_longer_than_a_window_is_read_from_its_beginning(tiny):
    loaded = Loaded(tiny, SessionOptions())
    rule = TopicRule(id="notes", kind="topic.notes", examples=["note"])
    prepared = loaded.inspector.prepare(f"{'the a ' * 40}. note a the a", (), loaded.topics(TopicSet((rule,), "d")))
    assert max(prepared.sizes) == loaded.inspector.card.window.max_tokens
    assert loaded.inspect(prepared.text, topics=prepared.topics).windows == len(prepared.windows)
