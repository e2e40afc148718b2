import random
import re
from collections import Counter
from pathlib import Path

import pytest

from training import carrier
from training.carrier import GENRES, Carriers, lines, phrases
from training.split import held_out
from training.template import parse

FOLDER = Path(carrier.__file__).parent / "carriers"
NAMES = ("Ana Silva", "Bo", "Çelik, Deniz")


class Fill:
    """Values whose text says what they are; the label is the slot."""

    def __init__(self, rng):
        self.rng = rng

    def __call__(self, slot):
        return f"<{slot}:{self.rng.choice(NAMES)}>", slot.upper()


def drawn(*, development, seed=3, count=40):
    rng = random.Random(seed)
    carriers = Carriers(rng, Fill(rng), development=development)
    return [carriers.row(genre) for genre in GENRES for _ in range(count)]


def test_every_file_of_carriers_is_drawn_from():
    assert {path.stem.partition("-")[0] for path in FOLDER.glob("*.txt")} == {*GENRES, "phrases"}


def test_spans_are_exactly_the_values():
    rows = [row for row in drawn(development=False) if row.spans is not None]
    assert {row.genre for row in rows} == set(GENRES)
    for row in rows:
        marked = [span for span in row.spans if span.label != "?"]
        assert [row.text[s.start : s.end] for s in marked] == re.findall(r"<[a-z_]+(?:#\d)?:[^>]+>", row.text)
        assert all(row.text[s.start : s.end].startswith(f"<{s.label.lower()}:") for s in marked)


def test_nothing_is_known_of_the_entities_of_texts_that_name_them_outside_of_slots():
    unmarked = {row.genre for row in drawn(development=False) if row.spans is None}
    assert unmarked == {stem.partition("-")[0] for stem in carrier.UNMARKED}
    assert {path.stem for path in FOLDER.glob("*.txt")} >= carrier.UNMARKED


def test_plain_days_keep_the_model_free_where_nobody_marked_them():
    free = {row.genre for row in drawn(development=False) if any(span.label == "?" for span in row.spans or ())}
    assert free
    assert free <= carrier.LOOSE


def test_the_same_seed_gives_the_same_texts():
    assert drawn(development=False) == drawn(development=False)
    assert drawn(development=False, seed=4) != drawn(development=False)


def test_no_template_leads_a_text_on_both_sides():
    parts_only = carrier._PARTS_ONLY
    left = {row.group for row in drawn(development=False) if row.genre not in parts_only}
    right = {row.group for row in drawn(development=True) if row.genre not in parts_only}
    assert left
    assert right
    assert not left & right
    assert all(held_out(group) for group in right)


@pytest.mark.parametrize("genre", GENRES)
def test_no_template_stands_twice(genre):
    found = lines(genre)
    assert len(found) == len(set(found))


def test_every_phrase_has_wordings_and_no_name_of_a_genre():
    found = phrases()
    assert not set(found) & set(GENRES)
    assert all(parse(wording) for wordings in found.values() for wording in wordings)


def test_attacks_and_their_look_alikes_are_many_and_differ():
    attacks = [line for genre in GENRES if genre.startswith("attack_") for line in lines(genre)]
    assert len(attacks) >= 700
    assert len(lines("hard_benign")) >= 300
    assert not set(attacks) & set(lines("hard_benign"))


def grams(text):
    plain = re.sub(r"\s+", " ", text.lower())
    return {plain[at : at + 5] for at in range(len(plain) - 4)}


def test_no_template_is_nearly_another():
    """Jaccard of 5-grams at 0.8 and above; shorter ones than 30 characters are all slot."""
    every = [line for genre in GENRES for line in lines(genre) if len(line) >= 30]
    seen, holders = [], {}
    for line in every:
        mine = grams(line)
        shared = Counter(other for gram in mine for other in holders.get(gram, ()))
        near = [
            every[other] for other, count in shared.items() if count >= 0.8 * (len(mine) + len(seen[other]) - count)
        ]
        assert not near, (line, near)
        for gram in mine:
            holders.setdefault(gram, []).append(len(seen))
        seen.append(mine)


def test_there_are_many_templates_of_entities():
    made = [line for genre in GENRES if not genre.startswith("attack") for line in lines(genre) if "{" in line]
    assert len(made) >= 1_500
