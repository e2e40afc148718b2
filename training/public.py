"""Public training sets as rows. Only rows whose licence lets a model ship: no share-alike text, none without a licence.

GUM (the CC-BY genres only), the Broad Twitter Corpus (CC-BY), CLINC150 (CC-BY), Banking77 (CC-BY), BIPIA's attacks
and e-mails (MIT; its tables and code are share-alike and left out), Agent Security Bench (MIT), in-the-wild jailbreaks
(MIT), Linguist's samples (MIT), and the docstrings of Python's standard library (PSF).
"""

import ast
import gzip
import json
import sys
import sysconfig
from pathlib import Path

from training.conventions import named, unmarked
from training.row import INTENTS, LANGUAGES, Row
from training.split import groups
from training.template import Span

_GUM = {"person": "PERSON", "place": "LOCATION", "organization": "ORG"}  # times are marked in part, so left free
_BTC = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORG"}
_LONGEST_NAME = 45  # characters; GUM's spans keep appositions, and what is longer is hardly ever a name alone
# BIPIA's kinds that are attacks by their own words; the others are ordinary questions until a document asks them.
_PLAIN_QUESTIONS = frozenset(
    {"Information Retrieval", "Content Creation", "Learning and Tutoring", "Language Translation", "Programming Help"}
)
JsonRow = dict[str, object]


def json_rows(path: Path) -> list[JsonRow]:
    """The objects of a JSON Lines file, compressed or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def gum(data: Path) -> list[Row]:
    """Paragraphs of up to four sentences of the genres under CC-BY."""
    made: list[Row] = []
    count = 0
    for raw in json_rows(data / "train-ner-gum/train.jsonl"):
        if "SA" in str(raw["licence"]):
            continue
        document = str(raw["id"]).rpartition("-")[0]
        spans = _gum_spans(raw)
        text = str(raw["text"])
        if made and made[-1].group == f"gum/{document}" and count < 4:
            shift = len(made[-1].text) + 1
            made[-1].text += " " + text
            assert made[-1].spans is not None
            made[-1].spans += [Span(s.start + shift, s.end + shift, s.label) for s in spans]
            count += 1
            continue
        made.append(Row(text, f"gum/{document}", "gum", spans=spans, attacks=()))
        count = 1
    return made


def _gum_spans(raw: JsonRow) -> list[Span]:
    text = str(raw["text"])
    made: list[Span] = []
    for span in raw["spans"]:  # type: ignore[attr-defined]
        label = _GUM.get(span["type"], "?")
        value, start = span["value"], span["start"]
        if value.lower().startswith("the ") and label == "PERSON":
            label = "?"
        if label != "?" and len(value) > _LONGEST_NAME:
            label = "?"
        if label == "?":
            made.append(Span(start, span["end"], label))
        else:
            made += named(text, start, span["end"], label)
    return unmarked(text, made)


def btc(data: Path) -> list[Row]:
    """Tweets; a handle, and what their annotators had no type for, keep the model free."""
    made = []
    for index, raw in enumerate(json_rows(data / "train-ner-btc/train.jsonl")):
        text = str(raw["text"])
        spans: list[Span] = []
        for s in raw["spans"]:  # type: ignore[attr-defined]
            if s["value"][:1] == "@" or text[: s["start"]].rstrip().endswith("@"):
                spans.append(Span(s["start"], s["end"], "?"))
            else:
                spans += named(text, s["start"], s["end"], _BTC[s["type"]])
        spans = unmarked(text, spans)
        made.append(Row(text, f"btc/{index}", "btc", spans=spans, attacks=()))
    return made


def short_texts(data: Path) -> list[Row]:
    """Requests of one sentence with their intent, for which the sentence embedding stays that of the base."""
    made = []
    for index, raw in enumerate(json_rows(data / "train-clinc150/train.jsonl")):
        domain = str(raw["domain"])
        intent = INTENTS.index(domain if domain in INTENTS else "other")
        made.append(Row(str(raw["text"]), f"clinc/{index}", "clinc", attacks=(), intent=intent, embed=True))
    for index, raw in enumerate(json_rows(data / "train-banking77/train.jsonl")):
        # Its requests are about cards and accounts alike, so only the embedding and the absence of attacks are known.
        made.append(Row(str(raw["text"]), f"banking/{index}", "banking", attacks=(), embed=True))
    return made


def wild_jailbreaks(data: Path) -> list[Row]:
    """Jailbreaks seen in the wild; near-duplicates share a group."""
    texts = [str(raw["text"]) for raw in json_rows(data / "train-jailbreak-trustairlab/train.jsonl")]
    return [
        Row(text, f"jailbreak/{group}", "jailbreak-wild", attacks=(3,))
        for text, group in zip(texts, groups(texts), strict=True)
    ]


def planted(data: Path) -> list[Row]:
    """Instructions that attackers put in documents."""
    made = [
        Row(str(raw["text"]), f"bipia/{index}", "bipia", attacks=(2,))
        for index, raw in enumerate(json_rows(data / "train-bipia/attacks_train.jsonl"))
        if raw["attack_type"] not in _PLAIN_QUESTIONS
    ]
    made += [
        Row(str(raw["text"]), f"asb/{index}", "asb", attacks=(2,))
        for index, raw in enumerate(json_rows(data / "train-asb-tools/train.jsonl"))
        if raw["label"] == "attack_tool" and raw["aggressive"]
    ]
    return made


def documents(data: Path) -> list[Row]:
    """Harmless texts of many tokens: e-mails, code, documentation."""
    made = [
        Row(str(raw["text"]), f"bipia-mail/{index}", "mail", attacks=())
        for index, raw in enumerate(json_rows(data / "train-bipia/contexts_train.jsonl"))
        if raw["task"] == "email"
    ]
    for raw in json_rows(data / "train-linguist-code/train.jsonl.gz"):
        name = str(raw["language"])
        prose = raw["kind"] == "prose"
        language = LANGUAGES.index(name) if name in LANGUAGES else LANGUAGES.index("none") if prose else None
        intent = None if prose else INTENTS.index("coding")
        made.append(Row(str(raw["text"]), f"code/{raw['file']}", "code", attacks=(), language=language, intent=intent))
    made += standard_library()
    return made


def standard_library() -> list[Row]:
    """Docstrings of 80 characters and more, and the modules themselves, of this Python's standard library."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    made = []
    for path in sorted(folder.glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        name = f"stdlib/{path.stem}"
        made.append(Row(source, name, "code", attacks=(), language=LANGUAGES.index("Python")))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
                if len(text) >= 80:
                    made.append(Row(text, name, "docs", attacks=(), language=LANGUAGES.index("none")))
    assert made, sys.version
    return made
