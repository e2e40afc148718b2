"""The templates written for this corpus, parsed, and texts made from them.

A carrier is a line of ``training/carriers/<genre>.txt`` or ``<genre>-<part>.txt``. A slot with the name of a genre
holds another carrier of it, one with the name of a phrase a wording of it from ``phrases.txt``.
"""

import random
from importlib.resources import files

from training.conventions import unmarked, whole
from training.row import Row
from training.split import digest, held_out
from training.template import Fill, Node, expand, parse

GENRES = (
    "people", "health", "structured", "locales", "benign", "hard_benign", "work", "ask", "task", "code", "document",
    "notice", "review", "fact", "passage", "question", "harm", "attack_direct", "attack_indirect", "attack_jailbreak",
    "attack_extraction", "attack_payload", "desk", "short", "groups", "contrast", "firms", "post", "letters", "forms",
    "prose", "plain", "private", "prompts", "where",
)  # fmt: skip
_SLOTS = {"payload": "attack_payload", "city_region": "where"}
_DEEPEST = 6  # carriers within carriers; then the shortest one is taken
_PARTS_ONLY = frozenset({"ask", "task", "code", "notice", "review", "question", "harm", "attack_payload", "where"})
"""Genres that only stand within other carriers: both sides of the split have all of them."""
LOOSE = frozenset(
    {"attack_direct", "attack_indirect", "attack_jailbreak", "attack_extraction", "hard_benign", "passage"}
)
"""Genres written for what they say. Days, ages or peoples also stand there in plain words; they keep the model free."""


UNMARKED = frozenset(
    {
        "attack_direct-users", "attack_extraction-curious", "attack_indirect-deeds", "attack_indirect-answers",
        "attack_jailbreak-masks", "hard_benign-roles", "hard_benign-words", "hard_benign-experts", "hard_benign-papers",
        "passage-records", "passage-worlds",
    }
)  # fmt: skip
"""Files whose texts name persons, firms and places outside of slots: of their entities nothing is known."""


def lines(genre: str) -> list[str]:
    """The templates of ``genre``, as written, of all its files in the order of their names."""
    return [line for stem in _stems(genre) for line in _read(f"{stem}.txt")]


def _stems(genre: str) -> list[str]:
    names = (item.name for item in files("training.carriers").iterdir() if item.name.endswith(".txt"))
    return sorted(stem for name in names if (stem := name.removesuffix(".txt")).partition("-")[0] == genre)


def phrases() -> dict[str, list[str]]:
    """The wordings of each phrase, as written."""
    made: dict[str, list[str]] = {}
    name = ""
    for line in _read("phrases.txt"):
        if line.startswith("= "):
            name = line[2:]
            made[name] = []
        else:
            made[name].append(line)
    return made


def _read(name: str) -> list[str]:
    text = (files("training.carriers") / name).read_text(encoding="utf-8")
    return [
        line.replace("\\n", "\n").replace("\\t", "\t")
        for line in text.splitlines()
        if line and not line.startswith(";;")
    ]


class Carriers:
    """Draws texts with ``values`` in their slots. ``development``: of held-back templates instead of the others."""

    def __init__(self, rng: random.Random, values: Fill, *, development: bool) -> None:
        self._rng = rng
        self._values = values
        self._parsed: dict[str, list[tuple[str, list[Node], bool]]] = {}
        for genre in GENRES:
            every = [
                (f"{genre}/{digest(line):016x}", parse(line), stem not in UNMARKED)
                for stem in _stems(genre)
                for line in _read(f"{stem}.txt")
            ]
            mine = [item for item in every if held_out(item[0]) == development]
            self._parsed[genre] = every if genre in _PARTS_ONLY else mine
        for name, wordings in phrases().items():
            self._parsed[name] = [("", parse(wording), True) for wording in wordings]
        self._depth = 0

    def row(self, genre: str) -> Row:
        """A text of one carrier; its entities unless they are unmarked there."""
        group, nodes, marked = self._rng.choice(self._parsed[genre])
        self._depth = 0
        text, spans = expand(nodes, self._values, self._rng, self._nested)
        if not marked:
            return Row(text, group, genre)
        found = whole(text, spans)
        return Row(text, group, genre, spans=unmarked(text, found) if genre in LOOSE else found)

    def _nested(self, slot: str) -> list[Node] | None:
        genre = _SLOTS.get(slot, slot)
        if genre not in self._parsed:
            return None
        self._depth += 1
        if self._depth > _DEEPEST and genre == "document":
            genre = "fact"
        return self._rng.choice(self._parsed[genre])[1]
