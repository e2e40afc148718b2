from outpost.protocol.decisions import Action
from outpost.scan.people import Painter, Summary, explained, printable
from outpost.scan.results import Explanation, FileResult, Hit, ModelExplanation, Problem, Result, Unscannable, Verdict

HIT = Hit("pci.pan", "card/luhn", 0.99, 1, 0, 19, 2, 9, 2, 28, "card ", " x\x1b[2J")


def test_a_finding_is_masked_and_cannot_steer_the_terminal():
    lines = Painter(colour=False).lines(Result((FileResult("a\x1b.txt", (HIT,)),)))
    assert lines == ["a·.txt:2:9: pci.pan card/luhn 0.99", "    card •••••••••••••••• x·[2J"]


def test_colour_and_what_was_asked_for():
    hit = Hit("k", "d", 0.5, 1, 0, 3, 1, 1, 1, 4, text="a\nb" * 100, explanation=Explanation(0.5, 0.0, (), ""))
    lines = Painter(colour=True).lines(Result((FileResult("f", (hit,)),)))
    assert "\x1b[" in lines[0]
    assert "a⏎b" in lines[1]
    assert "…" in lines[1]
    assert "context does not matter" in lines[2]


def test_everything_else_has_its_line():
    verdict = Verdict(Action.BLOCK, "p/r", "no cards", ("pci.pan",))
    allowed = FileResult("g", verdict=Verdict(Action.ALLOW, "d", "", ()))
    result = Result(
        (FileResult("f", binary=True, omitted=3, verdict=verdict), allowed),
        (Problem("h", Unscannable.ARCHIVE, "it is encrypted"),),
    )
    assert Painter(colour=False).lines(result) == [
        "f: unscannable.binary not inspected",
        "f: 3 more findings are not listed",
        "f: BLOCK by p/r: no cards",
        "h: unscannable.archive it is encrypted",
    ]


def test_the_summary_counts():
    summary = Summary()
    summary.add(Result((FileResult("f", (HIT,), omitted=1, verdict=Verdict(Action.BLOCK, "r", "", ())),)))
    summary.add(Result((FileResult("g", binary=True),), (Problem("h", Unscannable.TEXT, "m"),)))
    assert summary.line(2) == (
        "2 findings in 1 file, 2 scanned; 1 BLOCK; 1 binary, not inspected; 1 could not be inspected; "
        "2 ignored (--no-ignore scans them)"
    )


def test_an_explanation_says_what_made_the_score():
    assert explained(0.9, Explanation(0.6, 0.9, ("card",), "luhn")) == (
        "0.60 by shape and luhn; 0.90 with a context word: found (card)"
    )
    assert explained(0.6, Explanation(0.6, 0.9, (), "")).endswith("not found")


def test_printable():
    assert printable("a\tb\n\u202e\ud800é") == "a b⏎··é"


def test_an_explanation_of_a_model_says_what_else_it_might_be():
    line = explained(0.9, ModelExplanation("PERSON", 0.8, 0.7, 120, (("ORG", 0.1), ("O", 0.05))))
    assert line == "PERSON 0.80, counts from 0.70; read 120 characters at once; else ORG 0.10, O 0.05"
