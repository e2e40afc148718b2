"""The prompts written by hand are what they say, and none of them is a template of the training corpus."""

import re
from collections import Counter

from bench.handwritten.reading import LABELS, prompts, read
from training.carrier import GENRES, lines
from training.words import TITLES

ROWS = prompts()


def test_marks_become_spans():
    (row, other) = read("mail\nHi <<p:Ana>>,\n<<a:1 Main St\nLima>>!\n%\nplain\nNo.\n")
    assert row["text"] == "Hi Ana,\n1 Main St\nLima!"
    assert [(s["type"], row["text"][s["start"] : s["end"]]) for s in row["spans"]] == [
        ("PERSON", "Ana"),
        ("ADDRESS", "1 Main St\nLima"),
    ]
    assert (other["genre"], other["spans"]) == ("plain", [])


def test_there_are_enough_of_every_label():
    counts = Counter(span["type"] for row in ROWS for span in row["spans"])
    assert len(ROWS) >= 250
    assert set(counts) == set(LABELS.values())
    assert min(counts.values()) >= 80
    assert sum(not row["spans"] for row in ROWS) >= 40


def test_spans_follow_the_convention():
    for row in ROWS:
        assert "<<" not in row["text"], row
        assert ">>" not in row["text"].replace("expo >>", ""), row
        for span in row["spans"]:
            assert row["text"][span["start"] : span["end"]] == span["value"]
            assert span["value"] == span["value"].strip(" \n,;"), span
            assert not span["value"].startswith(("the ", *(f"{title} " for title in TITLES))), span


def grams(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + 6]) for at in range(len(words) - 5)}


def test_no_prompt_shares_six_words_in_a_row_with_a_template():
    templates = set().union(*(grams(re.sub(r"\{[^}]*\}", " 0 ", line)) for genre in GENRES for line in lines(genre)))
    shared = [row["id"] for row in ROWS if grams(row["text"]) & templates]
    assert not shared
