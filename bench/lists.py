"""An org's lists: what making, loading and searching them costs, in time and memory, for prompts of 1 KB.

    python -m bench.lists [--entries N]

The prompts are sentences of the GUM corpus (``train-ner-gum`` of the shared data). Entries are made up: people of
syllables and a few words, companies of that corpus' own words, so that nearly every word of a prompt is the beginning
of some entry: the worst case but for entries that are there. Figures are of CPU time of this process.
"""

import argparse
import json
import random
import re
import resource
import statistics
import time
from collections.abc import Iterator

from outpost.dlp.dictionary import build_words
from outpost.dlp.engine import Engine
from outpost.dlp.exact_data import build_records
from outpost.dlp.fingerprint import build_passages
from outpost.dlp.lists import list_finder
from outpost.dlp.registry import ALL
from outpost.dlp.tokens import Words
from outpost.protocol.detectors import ListRule
from outpost.protocol.list_file import Column, ColumnType, ListKey, read_list_file
from tests.shared_data import ROOT

PROMPT_CHARS = 1024
KEY = ListKey("list-1", bytes(range(32)))
SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu", "an", "el", "in"]


def corpus() -> list[str]:
    """Sentences."""
    with (ROOT / "train-ner-gum" / "train.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def prompts(sentences: list[str]) -> list[str]:
    """Prompts of 1 KB."""
    text = " ".join(sentences)
    return [text[at : at + PROMPT_CHARS] for at in range(0, len(text) - PROMPT_CHARS, PROMPT_CHARS)]


def made_up(rng: random.Random) -> str:
    """A name that is no word."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4))).title()


def names(count: int, words: list[str], rng: random.Random, *, people: float) -> Iterator[str]:
    """Names of people and companies; ``people`` is the share of people."""
    given = [made_up(rng) for _ in range(5000)] + rng.sample(words, 100)
    for _ in range(count):
        kind = rng.random()
        if kind < people:
            yield f"{rng.choice(given)} {made_up(rng)}"
        elif kind < 0.95:
            yield f"{rng.choice(words)} {rng.choice(words)} {rng.choice(('Ltd', 'Inc', 'Holdings', 'GmbH & Co. KG'))}"
        else:
            yield f"The {rng.choice(words)} {made_up(rng)} Company"


def table(count: int, words: list[str], rng: random.Random) -> Iterator[list[str]]:
    """Rows: first name, last name, e-mail address, telephone."""
    given = [made_up(rng) for _ in range(5000)] + rng.sample(words, 100)
    for number in range(count):
        first, last = rng.choice(given), made_up(rng)
        yield [first, last, f"{first}.{last}{number % 97}@mail.example.org", f"+44 {rng.randrange(10**9, 10**10)}"]


def rss_mb() -> float:
    """The most this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(run):
    """Seconds of CPU time, and what came out."""
    begin = time.process_time()
    found = run()
    return time.process_time() - begin, found


def latencies(search, texts: list[str], rounds: int = 3) -> str:
    """Microseconds for each text, once words are known."""
    for text in texts:
        search(text)
    times = sorted(timed(lambda text=text: search(text))[0] * 1e6 for _ in range(rounds) for text in texts)
    return f"p50 {statistics.median(times):.0f} us, p99 {times[len(times) * 99 // 100]:.0f} us"


def measure(rule: ListRule, content: bytes, texts: list[str], rng: random.Random) -> None:
    """Load and search a list."""
    before = rss_mb()
    load_s, finder = timed(lambda: list_finder(rule, content, {KEY.id: KEY.value}))
    print(f"  load {load_s * 1e3:.0f} ms; the process has {rss_mb() - before:.1f} MB more than the file's bytes")
    print(f"  1 KB prompt: {latencies(lambda text: finder.find(Words(text), 0, rewritten=False), texts)}")
    new = " ".join(f"{made_up(rng)}{number}" for number in range(100_000))
    seconds, _ = timed(lambda: finder.find(Words(new), 0, rewritten=False))
    print(f"  text of words that never came before: {seconds / len(new) * 1024 * 1e6:.0f} us per KB")
    found = sum(len(finder.find(Words(text), 0, rewritten=False)) for text in texts)
    print(f"  found in {len(texts)} prompts: {found}; the process has at most {rss_mb():.0f} MB")


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    entries = parser.parse_args().entries
    rng = random.Random(7)
    sentences = corpus()
    words = sorted({word for text in sentences for word in re.findall(r"[A-Za-z]{3,}", text)})
    texts = prompts(sentences)
    plain = Engine(ALL)
    print(f"engine without lists, 1 KB prompt: {latencies(plain.scan, texts[:100])}")
    print(f"words alone (shared by all lists), 1 KB prompt: {latencies(Words, texts)}")
    for title, people in (("people", 1.0), ("people and companies named like words", 0.6)):
        print(f"\n{title}: {entries} entries")
        entry = names(entries, words, rng, people=people)
        seconds, content = timed(lambda entry=entry: build_words(entry, "names", KEY))
        print(f"  made in {seconds:.1f} s; {len(content) / 1e6:.1f} MB, {len(content) / entries:.1f} bytes an entry")
        measure(ListRule(id="names", kind="org.names", form="words"), content, texts, rng)
    rows = entries // 2
    print(f"\nrecords: {rows} rows of 4 columns")
    columns = [
        *(Column(name=name, type=ColumnType.TEXT) for name in ("first", "last", "mail")),
        Column(name="phone", type=ColumnType.NUMBER),
    ]
    seconds, content = timed(lambda: build_records(table(rows, words, rng), columns, "rows", KEY))
    print(f"  made in {seconds:.1f} s; {len(content) / 1e6:.1f} MB, {len(content) / rows:.1f} bytes a row")
    measure(ListRule(id="rows", kind="org.rows", form="records"), content, texts, rng)
    text = " ".join(sentences)
    own = [" ".join(rng.choices(words, k=500)) for _ in range(entries // 2000)]
    print(f"\npassages: {len(own)} documents of 500 words")
    seconds, content = timed(lambda: build_passages([*own, text[: len(text) // 4]], "papers", KEY))
    count = read_list_file(content).header.entries
    print(f"  made in {seconds:.1f} s; {count} fingerprints, {len(content) / 1e6:.1f} MB")
    others = prompts([text[len(text) // 2 :]])
    measure(ListRule(id="papers", kind="org.papers", form="passages"), content, others, rng)


if __name__ == "__main__":
    main()
