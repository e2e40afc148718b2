"""Measures tier 1 on the held-out sets (``bench/held_out``) and says which bars are met.

Recall per type; precision of the findings of its kinds in all held-out texts, also those of other types and those
without anything; a country's numbers have their precision together, and so do all secrets. A disguised value is caught
if a finding of its kind overlaps what was written.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rich.console import Console
from rich.progress import track

from bench.eval_metrics import Counts, Found, Label, count, is_kind, overlaps, rates, totals
from bench.eval_sets import Sample
from bench.eval_tables import Table, per_1000, share
from bench.eval_tools import Outpost
from bench.held_out.sets import Disguised, HeldOut, build, segments
from outpost.dlp.engine import default_engine

# What the bars are, on sets that no rule was made from.
RECALL, PRECISION, PROMPTS_PER_1000, DISGUISES = 0.99, 0.98, 2.0, 0.95
Negatives = Mapping[str, tuple[Sequence[Sample], Sequence[Sequence[Found]]]]


def measure(seed: int, per_type: int, generation: int, console: Console) -> tuple[list[Table], list[dict]]:
    """The tables, and each failure."""
    held_out, tool = build(seed, per_type, generation), Outpost()

    def find(name: str, samples: Sequence[Sample]) -> list[list[Found]]:
        return [tool.find(one)[0] for one in track(samples, f"held-out: {name}", console=console, transient=True)]

    positives = find("values", held_out.positives.samples)
    groups = {**held_out.placeholders, **held_out.numbers, "ordinary prompts": held_out.prompts}
    negatives = {name: (samples, find(name, samples)) for name, samples in groups.items()}
    disguised = find("disguises", [Sample(one.text) for one in held_out.disguised])
    types, ways = _types(held_out, positives, negatives), _disguises(held_out.disguised, disguised)
    hit = list(_across(held_out, random.Random(seed)))
    tables = [
        _bars(held_out, positives, types, negatives, ways, hit),
        types,
        _negatives(held_out, negatives),
        ways,
    ]
    if generation != 1:
        tables = [replace(table, title=table.title.replace("Held-out", "Second held-out", 1)) for table in tables]
    return tables, [
        *_misses(held_out, positives),
        *_wrong(held_out, positives, negatives),
        *_undisguised(held_out.disguised, disguised),
    ]


def family(label: str) -> str:
    """The types whose precision is counted together: a country's numbers, internet addresses, all secrets, or one."""
    if label.startswith("secret"):
        return "secrets"
    if label in {"ipv4", "ipv6"}:
        return "ip"
    country = label.partition(".")[2]
    # Czech and Slovak birth numbers are the same numbers.
    return f"id.{'cz' if country == 'sk' else country}" if country else label


def _types(held_out: HeldOut, positives: Sequence[Sequence[Found]], negatives: Negatives) -> Table:
    samples, kinds = held_out.positives.samples, held_out.positives.kinds
    families: dict[str, tuple[str, ...]] = {}
    for label, wanted in kinds.items():
        families[family(label)] = tuple(dict.fromkeys((*families.get(family(label), ()), *wanted)))
    rows = [
        count([Label(family(one.label), one.start, one.end) for one in sample.labels], found, families)
        for sample, found in zip(samples, positives, strict=True)
    ]
    rows += [count((), found, families) for _, part in negatives.values() for found in part]
    precise = totals(rows)
    found = totals(
        count(sample.labels, mine, {label: kinds[label] for label in {one.label for one in sample.labels}})
        for sample, mine in zip(samples, positives, strict=True)
    )
    table = [_type_row(label, found[label], precise, strict=label in held_out.strict) for label in kinds]
    together = sum((found[label] for label in held_out.strict), Counts())
    right = sum((precise[name] for name in {family(label) for label in held_out.strict}), Counts())
    recall, precision = share(together.found, together.labelled), share(right.right, right.reported)
    table.append(("all with a checksum or prefix", recall, precision, _met(together.recall, right.precision)))
    every = sum(map(len, positives)) + sum(len(found) for _, part in negatives.values() for found in part)
    wrong = sum(1 for _ in _wrong(held_out, positives, negatives))
    table.append(("findings of any kind, all texts", "-", share(every - wrong, every), "-"))
    note = f"Bar, for types with a checksum or prefix: recall ≥ {RECALL}, precision ≥ {PRECISION}."
    return Table(f"Held-out values: {len(samples):,} texts", ("type", "recall", "precision", "bar"), tuple(table), note)


def _type_row(label: str, found: Counts, precise: Mapping[str, Counts], *, strict: bool) -> tuple[str, ...]:
    own = precise[family(label)]
    precision = own.precision if own.reported else 1.0
    verdict = _met(found.recall, precision) if strict else "-"
    return label, share(found.found, found.labelled), share(own.right, own.reported), verdict


def _met(recall: float, precision: float) -> str:
    missed = [name for name, met in (("recall", recall >= RECALL), ("precision", precision >= PRECISION)) if not met]
    return f"**missed: {', '.join(missed)}**" if missed else "met"


def _negatives(held_out: HeldOut, negatives: Negatives) -> Table:
    rows = []
    for name, (_, found) in negatives.items():
        table = rates(found)
        if name in held_out.placeholders:
            bar = "met" if not table[""].findings else "**missed: never**"
        elif name in held_out.numbers:
            bar = "-"
        else:
            bar = "met" if table[""].per_1000 <= PROMPTS_PER_1000 else f"**missed: ≤ {PROMPTS_PER_1000}**"
        kinds = ", ".join(f"{kind} {rate.findings}" for kind, rate in sorted(table.items()) if kind)
        rows.append((name, str(len(found)), per_1000(table[""]), kinds or "-", bar))
    return Table(
        "Held-out texts with nothing to find", ("texts", "number", "findings per 1,000", "kinds", "bar"), tuple(rows)
    )


def caught(one: Disguised, found: Sequence[Found]) -> bool:
    """Whether a finding of the value's kind overlaps what was written."""
    spans = [(f.start, f.end) for f in found if is_kind(f.kind, one.kinds)]
    return overlaps((one.start, one.end), spans)


def _disguises(disguised: Sequence[Disguised], found: Sequence[Sequence[Found]]) -> Table:
    flags: dict[str, list[bool]] = {}
    for one, mine in zip(disguised, found, strict=True):
        flags.setdefault(one.way, []).append(caught(one, mine))
    rows = [
        (way, share(sum(v), len(v)), "met" if sum(v) >= DISGUISES * len(v) else "**missed**")
        for way, v in flags.items()
    ]
    every = [flag for values in flags.values() for flag in values]
    rows.append(("all", share(sum(every), len(every)), "met" if sum(every) >= DISGUISES * len(every) else "**missed**"))
    return Table("Held-out disguises", ("way", "caught", f"bar: ≥ {DISGUISES}"), tuple(rows))


def _across(held_out: HeldOut, rng: random.Random) -> Iterator[bool]:
    """Whether each value with a checksum or prefix is found when it is cut into two segments of one request."""
    scan = default_engine().scan_segments
    for sample in held_out.positives.samples:
        label = sample.labels[0].label
        if label in held_out.strict:
            wanted = held_out.positives.kinds[label]
            found = [pieces for pieces in scan(segments(rng, sample)) if is_kind(pieces[0][1].kind, wanted)]
            yield any({index for index, _ in pieces} == {0, 1} for pieces in found)


def _bars(
    held_out: HeldOut,
    positives: Sequence[Sequence[Found]],
    types: Table,
    negatives: Negatives,
    ways: Table,
    across: Sequence[bool],
) -> Table:
    """What was asked for, what came out, in a few lines."""
    *each, together, every = types.rows
    asked = [row for row in each if row[3] != "-"]
    missed = [row[0] for row in asked if row[3] != "met"]
    never = [one for name in held_out.placeholders for found in negatives[name][1] for one in found]
    texts = sum(len(samples) for samples in held_out.placeholders.values())
    prompts = rates(negatives["ordinary prompts"][1])[""]
    low = [row[0] for row in ways.rows[:-1] if row[2] != "met"]
    rows = (
        (
            "values with a checksum or prefix, together: recall",
            together[1],
            f"≥ {RECALL}",
            _verdict(together[3], "recall"),
        ),
        ("the same: precision", together[2], f"≥ {PRECISION}", _verdict(together[3], "precision")),
        (
            "types of these that meet both by themselves",
            f"{len(asked) - len(missed)} of {len(asked)}",
            "all",
            f"**missed: {', '.join(missed)}**" if missed else "met",
        ),
        ("secrets with a prefix: recall", _recall(held_out, positives, "secret: "), f"≥ {RECALL}", ""),
        ("secrets by the name before them: recall", _recall(held_out, positives, "secret named: "), "none", ""),
        ("findings of any kind in all these texts: right", every[2], "none", ""),
        (
            "placeholders, samples, UUIDs, hashes, digests, public keys: findings",
            f"{len(never)} in {texts}",
            "never",
            "**missed**" if never else "met",
        ),
        (
            "ordinary prompts: findings of 1,000",
            per_1000(prompts),
            f"≤ {PROMPTS_PER_1000}",
            "met" if prompts.per_1000 <= PROMPTS_PER_1000 else "**missed**",
        ),
        (
            f"disguised values, {len(ways.rows) - 1} ways",
            ways.rows[-1][1],
            f"≥ {DISGUISES} each",
            f"**missed: {', '.join(low)}**" if low else "met",
        ),
        (
            "values cut over two segments",
            share(sum(across), len(across)),
            f"≥ {DISGUISES}",
            "met" if sum(across) >= DISGUISES * len(across) else "**missed**",
        ),
    )
    return Table("Held-out bars", ("held-out", "result", "bar", ""), rows)


def _verdict(text: str, name: str) -> str:
    return "**missed**" if name in text else "met"


def _recall(held_out: HeldOut, positives: Sequence[Sequence[Found]], prefix: str) -> str:
    """Of the types whose label begins so."""
    kinds = held_out.positives.kinds
    hits = [
        overlaps(
            (label.start, label.end), [(one.start, one.end) for one in found if is_kind(one.kind, kinds[label.label])]
        )
        for sample, found in zip(held_out.positives.samples, positives, strict=True)
        for label in sample.labels
        if label.label.startswith(prefix)
    ]
    return share(sum(hits), len(hits))


def _misses(held_out: HeldOut, positives: Sequence[Sequence[Found]]) -> Iterator[dict]:
    kinds = held_out.positives.kinds
    for sample, found in zip(held_out.positives.samples, positives, strict=True):
        label = sample.labels[0]
        spans = [(one.start, one.end) for one in found if is_kind(one.kind, kinds[label.label])]
        if not overlaps((label.start, label.end), spans):
            other = sorted({one.kind for one in found})
            yield {"set": "held-out values", "type": label.label, "miss": True, "text": sample.text, "found": other}


def _wrong(held_out: HeldOut, positives: Sequence[Sequence[Found]], negatives: Negatives) -> Iterator[dict]:
    """Findings that are not of the kind that their text's value is, or elsewhere."""
    for sample, found in zip(held_out.positives.samples, positives, strict=True):
        label = sample.labels[0]
        wanted = held_out.positives.kinds[label.label]
        for one in found:
            if not overlaps((one.start, one.end), [(label.start, label.end)]) or not is_kind(one.kind, wanted):
                value = sample.text[one.start : one.end]
                yield {"set": "held-out values", "type": one.kind, "miss": False, "value": value, "text": sample.text}
    for name, (samples, found) in negatives.items():
        for sample, mine in zip(samples, found, strict=True):
            for one in mine:
                value = sample.text[one.start : one.end]
                yield {"set": name, "type": one.kind, "miss": False, "value": value, "text": sample.text}


def _undisguised(disguised: Sequence[Disguised], found: Sequence[Sequence[Found]]) -> Iterator[dict]:
    for one, mine in zip(disguised, found, strict=True):
        if not caught(one, mine):
            other = sorted({f.kind for f in mine})
            yield {
                "set": "disguises",
                "type": one.way,
                "kinds": one.kinds,
                "miss": True,
                "text": one.text,
                "found": other,
            }
