import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outpost.dlp.custom import CustomRuleInvalid, custom_detectors
from outpost.dlp.engine import Engine
from outpost.dlp.registry import ALL
from outpost.dlp.stream import StreamScanner
from outpost.protocol.detectors import Checksum, CustomRule


def rule(kind="custom.x", **fields) -> CustomRule:
    return CustomRule(id="x", kind=kind, **fields)


def engine(*rules, others=()) -> Engine:
    detectors, hold = custom_detectors(rules)
    return Engine((*others, *detectors, *hold))


def found(text, *rules) -> list[str]:
    return [text[finding.start : finding.end] for finding in engine(*rules).scan(text)]


KEYWORDS = [
    # keywords, text, found
    (["Bluebird"], "bluebird BLUEBIRD, (Bluebird)", ["bluebird", "BLUEBIRD", "Bluebird"]),
    (["bird"], "bluebird birds bird_x bird1 1bird", []),
    (["Operation Nightjar"], "Operation  \n nightjar", ["Operation  \n nightjar"]),
    (["Operation Nightjar"], "Operation" + " " * 5 + "Nightjar", []),
    (["  Operation \t Nightjar "], "operation nightjar", ["operation nightjar"]),
    (["new york", "york minster"], "new york minster", ["new york"]),
    (["ACME & Söhne"], "bei acme & söhne.", ["acme & söhne"]),
    (["C++"], "in C++ and C++11", ["C++", "C++"]),
    (["Müller"], "MÜLLER Muller Müllers", ["MÜLLER"]),
    (["проект"], "Проект проекта", ["Проект"]),
    (["日本語", "人語"], "日本語は 日本人語", ["日本語", "人語"]),
    (["Straße 5"], "straße 5", ["straße 5"]),
    (["ﬁle \N{FULLWIDTH DIGIT ONE}"], "file 1", ["file 1"]),
    (["zero"], "ze\N{ZERO WIDTH SPACE}ro", ["ze\N{ZERO WIDTH SPACE}ro"]),
    (["ab", "abc"], "abc ab", ["abc", "ab"]),
]


@pytest.mark.parametrize(("keywords", "text", "expected"), KEYWORDS)
def test_keywords(keywords, text, expected):
    assert found(text, rule(keywords=keywords)) == expected


def test_a_pattern_with_context_and_a_checksum():
    numbered = rule(
        pattern=r"\bM-?[0-9]{8}\b", score=0.3, context_words=["Badge"], context_score=0.9, checksum=Checksum.LUHN
    )
    assert found("badge M-79927398, badge M79927398", numbered) == []
    luhn = rule(
        pattern=r"\b[0-9-]{11,12}\b", score=0.3, context_words=["Badge"], context_score=0.9, checksum=Checksum.LUHN
    )
    assert found("BADGE 7992739-8713; badge 79927398710", luhn) == ["7992739-8713"]
    assert found("number 79927398713", luhn) == []
    (finding,) = engine(luhn).scan("badge 79927398713")
    assert (finding.kind, finding.score, finding.detector) == ("custom.x", 0.9, "custom/x")


VALID = {
    Checksum.LUHN: "79927398713",
    Checksum.VERHOEFF: "1234567890120",
    Checksum.DAMM: "5724",
    Checksum.ISO7064_MOD_11_2: "079X",
    Checksum.ISO7064_MOD_11_10: "00200667306",
    Checksum.ISO7064_MOD_37_2: "G123489654321Y",
    Checksum.ISO7064_MOD_37_36: "A12425GABC1234002M",
    Checksum.ISO7064_MOD_97_10: "123456789092",
}


@pytest.mark.parametrize("checksum", Checksum)
def test_checksums(checksum):
    value = VALID[checksum]
    wrong = value[:2] + str((int(value[2]) + 1) % 10) + value[3:] if value[2].isdigit() else value[:2] + "Q" + value[3:]
    checked = rule(pattern="[0-9A-Z]{4,24}", checksum=checksum)
    assert found(f"{value} {wrong}", checked) == [value]


def test_a_pattern_that_is_none_names_its_rule():
    with pytest.raises(CustomRuleInvalid, match=r"custom rule x: .*at character 2: has no end"):
        custom_detectors([rule(pattern="a*")])


RULES = (
    CustomRule(id="a", kind="custom.a", keywords=["blue bird", "bird", "ä b", "日本語", "本本", "жы в"]),
    CustomRule(id="b", kind="custom.b", pattern=r"(?:b|ab) {0,3}[0-9]{1,2}", ignore_case=False),
    CustomRule(id="c", kind="custom.c", pattern=r"\bab[0-9]{2}\b", score=0.2, context_words=["bird"], context_score=1),
)
PIECES = st.lists(
    st.sampled_from(
        [
            "blue",
            "bird",
            " ",
            "  ",
            "\n",
            "ab",
            "b",
            "1",
            "22",
            "ä",
            "日",
            "本",
            "語",
            "жы",
            "в",
            "x",
            "4111 1111 1111 1111",
        ]
    ),
    max_size=25,
)


@settings(deadline=None)  # the first scan compiles the engine
@given(PIECES, st.lists(st.integers(1, 5), max_size=60))
@example(["blue", " ", "bird"], [4, 1, 1])
@example(["日", "本", "語"], [1, 1, 1])
def test_a_stream_finds_what_the_whole_text_holds(pieces, sizes):
    text = "".join(pieces)
    scanning = engine(*RULES, others=ALL)
    stream, at, released = StreamScanner(scanning), 0, []
    for size in sizes:
        released += stream.feed(text[at : at + size])
        at += size
    released += stream.feed(text[at:]) + stream.finish()
    assert "".join(part.text for part in released) == text
    offset, findings = 0, []
    for part in released:
        findings += [(f.kind, f.start + offset, f.end + offset, f.score) for f in part.findings]
        offset += len(part.text)
    assert findings == [(f.kind, f.start, f.end, f.score) for f in scanning.scan(text)]


def test_single_words_hold_nothing_back():
    detectors, hold = custom_detectors([rule(keywords=["bluebird", "night-jar"]), rule(pattern=r"\bM[0-9]{7}\b")])
    assert not hold
    assert len(detectors) == 2


def test_a_long_text_of_another_script_takes_linear_time():
    keywords = rule(keywords=["本" * 40, "проект сокол"])
    assert found("日本" * 100_000 + " проект сокол", keywords) == ["проект сокол"]
