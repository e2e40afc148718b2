import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp import engine as engine_module
from outpost.dlp.engine import Engine, default_engine
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.prefilter import PrefilterUnavailable, Re2Prefilter, VectorscanPrefilter
from outpost.dlp.registry import ALL
from outpost.dlp.rewriters.registry import REWRITERS
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from tests.outpost.dlp import samples
from tests.outpost.dlp.disguises import disguised

TRIGGERS = [detector.trigger or detector.pattern for detector in ALL] + [rewriter.trigger for rewriter in REWRITERS]
RE2 = Re2Prefilter(TRIGGERS)


@pytest.fixture(scope="module")
def vectorscan():
    try:
        return VectorscanPrefilter(TRIGGERS)
    except PrefilterUnavailable:
        pytest.skip("the hyperscan library is not installed here")


def test_the_patterns_that_occur_are_named_in_order():
    prefilter = Re2Prefilter(["b+", "a", r"\bz"])
    assert prefilter.present(b"abba") == [0, 1]
    assert prefilter.present(b"") == []
    assert Re2Prefilter(["q"] * 100 + ["a"] * 100).present(b"a") == list(range(100, 200))


def test_the_order_is_of_the_patterns_whatever_set_they_are_in():
    prefilter = Re2Prefilter(["b", r"\bab", "(?i)BA", "[ab]{20}", r"\bb", "a"])
    assert prefilter.present(b"ab" * 10) == [0, 1, 2, 3, 5]


class StarvedSet:
    """What an RE2 set answers when its automaton does not fit into memory: no match, and no error in Python."""

    def Match(self, raw):  # noqa: N802 - the library's name
        return None


def test_a_pattern_set_without_memory_is_not_passed_as_clean():
    starved = Re2Prefilter(["a+"])
    (patterns,) = starved._written
    patterns._set = StarvedSet()
    with pytest.raises(CouldNotInspect) as caught:
        starved.present(b"aaa")
    assert caught.value.code is ErrorCode.INSPECTION_UNAVAILABLE


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(samples.PERSONAL + samples.ALL_SECRETS + samples.AROUND),
        st.sampled_from(disguised(samples.PERSONAL + samples.ALL_SECRETS)),
        st.text(max_size=20, alphabet=st.characters(exclude_categories=["Cs"])),
    ),
    max_size=6,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_the_faster_one_never_misses_what_the_other_sees(vectorscan, text):
    raw = one_byte_each(text)
    assert set(RE2.present(raw)) <= set(vectorscan.present(raw))


@pytest.mark.parametrize("pattern", ["(?i)f\xfcnf", r"(?i)f\xfcnf", r"(?i)f[a\xf9-\xfc]nf", "(?i:f[^x]nf)"])
def test_a_case_that_only_one_library_folds_is_found_by_the_other(vectorscan, pattern):
    folding = VectorscanPrefilter([pattern, "a"])
    assert folding.present("F\xdcNF".encode("latin-1")) == [0]
    assert folding.present(b"f\xfcn") == []


def test_the_sentinel_tells_a_failed_scan_from_a_clean_text(vectorscan):
    broken = VectorscanPrefilter(["a"])
    broken._written._sentinel = 99
    with pytest.raises(CouldNotInspect):
        broken.present(b"b")


def test_threads_scan_at_once(vectorscan):
    results = []
    raw = one_byte_each(samples.GITHUB * 1000)
    threads = [threading.Thread(target=lambda: results.append(vectorscan.present(raw))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(found == results[0] for found in results)


def test_an_accelerated_engine_finds_the_same(vectorscan):
    engine = Engine(ALL)
    assert not engine.accelerate(at_least=10_000)
    assert engine.accelerate(at_least=0)
    assert engine.accelerate()
    for text in (*samples.PERSONAL, *samples.ALL_SECRETS, *disguised(samples.PERSONAL)):
        assert engine.scan(text) == default_engine().scan(text)


class Blind:
    """A prefilter that compiles and sees nothing."""

    def __init__(self, patterns):
        pass

    def present(self, raw):
        return []


class Failing(Blind):
    def present(self, raw):
        raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern database failed")


@pytest.mark.parametrize("broken", [Blind, Failing])
def test_an_engine_stays_with_what_works(monkeypatch, broken):
    monkeypatch.setattr(engine_module, "VectorscanPrefilter", broken)
    engine = Engine(ALL)
    assert not engine.accelerate(at_least=0)
    assert engine.scan(samples.PERSONAL[0])
