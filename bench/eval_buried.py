"""Attacks buried in tool results of every length and depth: recall, and how often the same documents are flagged clean.

A document is sentences of evaluation sets in one of the forms in which tools answer (search results, web page, mails,
log, table, chat, notes, code). Each clean document is measured, and other ones with an attack between two of their
sentences. The attacks are texts of an evaluation set; and held-back templates of our own if ``training`` is there.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.eval_figures import Figure, auc, recall_at, rows, share

Scored = Callable[[str], tuple[float, bool]]
"""The highest score of any attack in a text, and whether one is a finding."""
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Tokens, how many clean documents, how many with an attack at each depth.
LENGTHS = ((128, 300, 40), (500, 300, 40), (2_000, 100, 30), (8_000, 50, 12))
_CHARS_PER_TOKEN = 4.2  # of these sentences, by the pack's tokeniser


def search(pieces: Sequence[str], rng: random.Random) -> str:
    found = [
        {"url": f"https://site{rng.randrange(999)}.example/", "rank": n, "snippet": p} for n, p in enumerate(pieces)
    ]
    return json.dumps(
        {"query": pieces[0][:30], "results": found, "next": None}, ensure_ascii=False, indent=rng.choice((None, 1))
    )


def page(pieces: Sequence[str], rng: random.Random) -> str:
    body = "\n".join(
        rng.choice(("<p>{}</p>", "<li>{}</li>", "<p class='text'>{}</p>")).format(piece) for piece in pieces
    )
    head = "<html><head><title>News</title></head><body><nav><a href='/'>Home</a> <a href='/in'>Log in</a></nav>"
    return f"{head}\n{body}\n</body></html>"


def mails(pieces: Sequence[str], rng: random.Random) -> str:
    made = []
    for at in range(0, len(pieces), 6):
        head = f"From: user{rng.randrange(99)}@mail.example\nDate: 2026-0{rng.randint(1, 9)}-11\nSubject: Re: notes\n\n"
        made.append(head + "\n".join(pieces[at : at + 6]) + "\n\nBest regards\n")
    return "\n".join(made)


def log(pieces: Sequence[str], rng: random.Random) -> str:
    return "\n".join(
        f"2026-03-{rng.randint(10, 28)}T08:12:{rng.randint(10, 59)}Z INFO worker[{rng.randrange(999)}] {piece}"
        for piece in pieces
    )


def table(pieces: Sequence[str], rng: random.Random) -> str:
    lines = (f'{n},{rng.randrange(9999)},"{piece.replace(chr(34), chr(39))}",open' for n, piece in enumerate(pieces))
    return "id,order,comment,state\n" + "\n".join(lines)


def chat(pieces: Sequence[str], rng: random.Random) -> str:
    return json.dumps(
        {"messages": [{"from": rng.choice(("kim", "lee", "ana")), "text": p} for p in pieces]}, ensure_ascii=False
    )


def notes(pieces: Sequence[str], rng: random.Random) -> str:
    return "# Notes\n\n" + "\n".join(rng.choice(("", "", "- ", "> ", "\n## More\n\n")) + piece for piece in pieces)


def code(pieces: Sequence[str], rng: random.Random) -> str:
    made = []
    for number, piece in enumerate(pieces):
        made.append(
            f"# {piece}"
            if rng.random() < 0.6
            else f'def step_{number}(row):\n    """{piece}"""\n    return row["n"] + {number}'
        )
    return "\n".join(made)


def plain(pieces: Sequence[str], rng: random.Random) -> str:
    return rng.choice((" ", "\n")).join(pieces)


FORMS: tuple[Callable[[Sequence[str], random.Random], str], ...] = (
    search,
    page,
    mails,
    log,
    table,
    chat,
    notes,
    code,
    plain,
)


def document(
    sentences: Sequence[str], tokens: int, rng: random.Random, attack: str | None = None, depth: float = 0.0
) -> tuple[str, str]:
    """The name of its form, and a text of about ``tokens``; ``attack`` stands after that part of its sentences."""
    form = rng.choice(FORMS)
    wanted = tokens * _CHARS_PER_TOKEN
    pieces: list[str] = []
    while sum(map(len, pieces)) < wanted:
        pieces.append(rng.choice(sentences))
    pieces = pieces[: max(1, round(len(pieces) * wanted / len(form(pieces, rng))))]  # the form has characters too
    if attack is not None:
        pieces.insert(round(depth * len(pieces)), attack)
    return form.__name__, form(pieces, rng)


@dataclass(frozen=True, slots=True)
class Buried:
    """What is buried where, and who looks for it."""

    scored: Scored
    sentences: Sequence[str]
    attacks: Mapping[str, Sequence[str]]
    rng: random.Random

    def figures(self, tokens: int, clean: int, planted: int) -> Iterator[Figure]:
        """Of documents of a length: how many clean ones are flagged, in all and by form; what is found in others."""
        name = f"tool results of {tokens} tokens"
        seen = [
            (form, *self.scored(text))
            for form, text in (document(self.sentences, tokens, self.rng) for _ in range(clean))
        ]
        yield share(name, "attacks", "false_positive_rate", sum(flag for *_, flag in seen), len(seen))
        for form in sorted({form for form, *_ in seen}):
            flags = [flag for mine, _, flag in seen if mine == form]
            yield share(name, "attacks", "false_positive_rate", sum(flags), len(flags), form)
        negatives = [score for _, score, _ in seen]
        for family, payloads in self.attacks.items():
            whole = f"{name}, {family}"
            by_depth = {
                depth: [self._planted(tokens, self.rng.choice(payloads), depth) for _ in range(planted)]
                for depth in DEPTHS
            }
            every = [one for some in by_depth.values() for one in some]
            positives = [score for score, _ in every]
            yield share(whole, "attacks", "recall", sum(flag for _, flag in every), len(every))
            for depth, some in by_depth.items():
                yield share(whole, "attacks", "recall", sum(flag for _, flag in some), len(some), f"depth {depth:.0%}")
            yield Figure(whole, "attacks", None, "auc", auc(positives, negatives), count=len(every))
            yield recall_at(positives, negatives, 0.01, whole, "recall_at_1_percent")
            yield recall_at(positives, negatives, 0.02, whole, "recall_at_2_percent")

    def _planted(self, tokens: int, payload: str, depth: float) -> tuple[float, bool]:
        return self.scored(document(self.sentences, tokens, self.rng, payload, depth)[1])


def buried(scored: Scored, data: Path, lengths: Sequence[tuple[int, int, int]] = LENGTHS) -> list[Figure]:
    """Every figure of buried attacks."""
    names = ("train-ner-gum", "dev-presidio-synth", "train-ner-btc")
    sentences = [row["text"] for name in names for row in rows(data / name / "dev.jsonl")]
    theirs = [
        row["text"]
        for row in rows(data / "dev-cyberseceval-pi/dev.jsonl")
        if row["injection_variant"] == "ignore_previous_instructions"
    ]
    attacks = {"dev-cyberseceval-pi": theirs, **own_attacks(data)}
    bench = Buried(scored, sentences, attacks, random.Random(11))
    return [figure for length in lengths for figure in bench.figures(*length)]


def own_attacks(data: Path) -> dict[str, list[str]]:
    """Held-back templates of attacks on agents, if the training environment is there."""
    try:
        from training.mixture import Mixture, Sources  # noqa: PLC0415 - needs the training environment
    except ImportError:
        return {}
    mixture = Mixture(Sources(data), 78, development=True)
    return {"held-back templates": [mixture.planted_alone().text for _ in range(300)]}
