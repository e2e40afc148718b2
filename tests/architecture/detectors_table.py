"""Renders docs/detectors.md from taxonomy and registry: ``python -m tests.architecture.detectors_table``."""

# ruff: noqa: E501 - tables, one row a line

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from outpost.dlp.detector import DOUBTFUL_SCORE, REPORT_SCORE, Detector
from outpost.dlp.registry import ALL, IDENTIFIERS
from outpost.dlp.taxonomy import COUNTRIES, DOMAINS, KINDS, Kind, Source, documentation
from tests.architecture.repository import ROOT

DOCUMENT = Path("docs", "detectors.md")
_WORDS_SHOWN = 6
_HEAD = f"""# Detectors

Every kind that a finding can have, and what finds it. Policies name kinds; findings name the detector and its validator
(`card/luhn`: the number passed the Luhn check), so a wrong finding leads to the rule that made it.

**Scores** are probabilities that the text is of its kind. Below {REPORT_SCORE} nothing is reported; a policy may ask for more.
For official numbers the score is the odds of the written form before its check, times how many random numbers the check
refuses for each it takes: a number with one check digit and nothing but digits (one in ten order numbers passes) is
reported beside one of its words only, one with letters in fixed places or two check digits in an uncommon form also
alone. A key of the right shape that was counted out on the keyboard (`1234567890abcdef`) scores {DOUBTFUL_SCORE} at most, for made
up keys are used, too; one that says that it is an example (`EXAMPLE`, `your-`, `xxxx`), or that its vendor printed, is never
reported. "Alone" is the score without a word, "beside a word" the score with one within 64 characters before it.

This page is made by `python -m tests.architecture.detectors_table`; a test compares them.
"""


def render() -> str:
    """The whole document."""
    sections = [_HEAD]
    for domain, meaning in DOMAINS.items():
        kinds = [kind for kind in KINDS if kind.domain == domain]
        sections.append(
            f"\n## {domain}: {meaning[0].lower()}{meaning[1:]}\n\n| kind | what it is | example |\n| --- | --- | --- |\n"
        )
        sections += [f"| `{kind.name}` | {_meaning(kind)} | `{_cell(kind.example)}` |\n" for kind in kinds]
        detectors = [detector for detector in ALL if detector.kind.partition(".")[0] == domain]
        if detectors:
            sections.append(
                "\n| kind | detectors | alone | beside a word | words, among others | example |\n| --- | --- | --- | --- | --- | --- |\n"
            )
            sections += _rows(detectors)
    return "".join(sections)


def _meaning(kind: Kind) -> str:
    by = {
        Source.DETECTOR: "",
        Source.MODEL: " (found by a model)",
        Source.SURFACE: " (reported where requests are read)",
    }
    return _cell(kind.meaning) + by[kind.source]


def _rows(detectors: Iterable[Detector]) -> Iterable[str]:
    examples = {identifier.name: identifier.example for identifier in IDENTIFIERS}
    for kind, same in groupby(sorted(detectors, key=lambda d: d.kind), key=lambda d: d.kind):
        for rule, forms in groupby(same, key=_scores):
            alone, beside, words = rule
            names = [form.name for form in forms]
            shown = ", ".join(_cell(word.strip()) for word in words[:_WORDS_SHOWN])
            example = next((examples[n] for n in (_stem(name, examples) for name in names) if n in examples), "")
            yield (
                f"| `{kind}`{_country(kind)} | {', '.join(f'`{name}`' for name in names)} | {_score(alone)} | "
                f"{_score(beside) if words else ''} | {shown} | {f'`{_cell(example)}`' if example else ''} |\n"
            )


def _scores(detector: Detector) -> tuple[float, float, tuple[str, ...]]:
    return detector.base_score, detector.context_score, detector.context_words


def _stem(name: str, examples: dict[str, str]) -> str:
    stems = [stem for stem in examples if name.partition("/")[0] == stem or name.startswith(f"{stem}-")]
    return max(stems, key=len, default="")


def _country(kind: str) -> str:
    family, _, member = kind.rpartition(".")
    entry = documentation(kind)
    return f" {COUNTRIES[member]}" if entry is not None and entry.name == f"{family}.*" and member in COUNTRIES else ""


def _score(value: float) -> str:
    return f"{value:.2f}" if value >= REPORT_SCORE else "not reported"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    (ROOT / DOCUMENT).write_text(render(), "utf-8")
