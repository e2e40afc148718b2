"""Which tables an evaluation has, and what is listed of its failures. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from bench import eval_sets
from bench.eval_metrics import (
    Counts,
    Found,
    Label,
    Measured,
    Rate,
    by_group,
    count,
    exact,
    is_kind,
    overlaps,
    rates,
    totals,
)
from bench.eval_sets import Sample
from bench.eval_tables import TYPE_COLUMNS, Table, per_1000, share, type_row

# How much of a text around a miss or false finding is listed.
_AROUND_CHARS = 60


def tables(sets: eval_sets.Sets, results: Sequence[Measured]) -> list[Table]:
    """Everything that was measured."""
    result = [_types(one, sets, results) for one in sets.labelled]
    if sets.secrets:
        result += [_secrets(sets, results), _examples(sets, results)]
    if sets.benign or sets.code:
        result += [_false_by_set(sets, results), _false_by_kind(sets, results)]
    return [*result, _cpu(sets, results)] if sets.benign or sets.code else result


def _types(one: eval_sets.LabelledSet, sets: eval_sets.Sets, results: Sequence[Measured]) -> Table:
    rows = []
    spans = {}
    for tool in results:
        if one.name not in tool.found:
            continue
        pairs = list(zip(one.samples, tool.found[one.name], strict=True))
        counts = [count(sample.labels, mine, one.kinds) for sample, mine in pairs]
        groups = by_group(counts, (sample.group for sample in one.samples))
        spans[tool.tool] = totals(count(sample.labels, mine, one.kinds, exact) for sample, mine in pairs)
        for label, kinds in one.kinds.items():
            if tool.covers(kinds):
                rows.append(type_row(label, tool.tool, groups, _false(tool, sets, kinds)))
    rows.sort(key=lambda row: list(one.kinds).index(row[0]))
    others = ", ".join(f"{label} ({number})" for label, number in one.not_covered.items())
    ours = next(iter(spans.values()), {})
    exactly = ", ".join(
        f"{label} {c.found}/{c.labelled}" for label in one.kinds if (c := ours.get(label)) and c.labelled
    )
    return Table(
        f"{one.name}: {len(one.samples):,} texts, overlapping spans",
        TYPE_COLUMNS,
        tuple(rows),
        f"Found by exactly the labelled span (ours): {exactly}. Labelled, but not of tier 1: {others or 'nothing'}.",
    )


def _false(tool: Measured, sets: eval_sets.Sets, kinds: Sequence[str]) -> list[Rate | None]:
    return [rates(tool.joined(names), kinds)[""] if names else None for names in (sets.benign, sets.code)]


def _secrets(sets: eval_sets.Sets, results: Sequence[Measured]) -> Table:
    """Secrets as one type: recall of positive examples and risk lines; what else is reported is wrong."""
    rows = []
    for tool in results:
        groups = {}
        for name, samples in sets.secrets.items():
            if name in tool.found:
                for sample, mine in zip(samples, tool.found[name], strict=True):
                    whole = "leaky" not in name
                    counts = _whole(sample, mine) if whole else _lines(sample, mine)
                    label = "rule examples" if whole else "risk lines"
                    table = groups.setdefault(label, {}).setdefault(sample.group, {})
                    table[label] = table.get(label, Counts()) + counts
        for label, table in groups.items():
            rows.append(type_row(label, tool.tool, table, _false(tool, sets, eval_sets.SECRET)))
    rows.sort(key=lambda row: row[0])
    return Table(
        "Secrets",
        TYPE_COLUMNS,
        tuple(rows),
        "Rule examples: a text of dev-noseyparker-rules is found or reported if any secret is found in it; a negative "
        "may hold a secret of another rule. Risk lines: of dev-leaky-repo; findings on informative lines are wrong.",
    )


def _is_secret(found: Sequence[Found]) -> list[Found]:
    return [one for one in found if is_kind(one.kind, eval_sets.SECRET)]


def _whole(sample: Sample, found: Sequence[Found]) -> Counts:
    flagged, positive = bool(_is_secret(found)), bool(sample.labels)
    return Counts(int(positive), int(positive and flagged), int(flagged), int(positive and flagged))


def _lines(sample: Sample, found: Sequence[Found]) -> Counts:
    risk = [one for one in sample.labels if one.label == "risk"]
    return count(risk, _is_secret(found), {"risk": eval_sets.SECRET}).get("risk", Counts())


def _examples(sets: eval_sets.Sets, results: Sequence[Measured]) -> Table:
    """Shares of texts and of marked lines that are flagged."""
    rows = []
    for tool in results:
        for name, samples in sets.secrets.items():
            if name not in tool.found:
                continue
            flags: dict[str, list[bool]] = {}
            for sample, mine in zip(samples, map(_is_secret, tool.found[name]), strict=True):
                for part, flag in _flags(sample, mine, lines="leaky" in name):
                    flags.setdefault(part, []).append(flag)
            rows += [(f"{name}: {part}", tool.tool, str(sum(v)), share(sum(v), len(v))) for part, v in flags.items()]
    rows.sort(key=lambda row: row[0])
    return Table("Secrets, flagged texts and lines", ("set", "tool", "flagged", "share"), tuple(rows))


def _flags(sample: Sample, found: Sequence[Found], *, lines: bool) -> Iterator[tuple[str, bool]]:
    if lines:
        spans = [(one.start, one.end) for one in found]
        yield from ((f"{one.label} lines", overlaps((one.start, one.end), spans)) for one in sample.labels)
        return
    yield ("positive" if sample.labels else "negative"), bool(found)
    if sample.labels and eval_sets.IDENTIFIER_RULES.match(sample.group) is None:
        yield "positive, without identifiers", bool(found)


def _false_by_set(sets: eval_sets.Sets, results: Sequence[Measured]) -> Table:
    """Of texts that should have none: how many findings, and how many of 1,000 texts have one."""
    rows = []
    parts = [(name, (name,)) for name in sets.benign]
    if len(parts) > 1:
        parts.append(("benign prompts, all", tuple(sets.benign)))
    parts += [(name, (name,)) for name in sets.code]
    for title, names in parts:
        for tool in results:
            found, covered = tool.joined(names), tool.covers(eval_sets.SECRET)
            secrets = per_1000(rates(found, eval_sets.SECRET)[""]) if covered else "-"
            rows.append((title, tool.tool, str(len(found)), per_1000(rates(found)[""]), secrets))
    return Table(
        "False findings by set",
        ("set", "tool", "texts", "per 1,000 texts", "of these secrets"),
        tuple(rows),
        "“1.5 in 1.2 (0.8-1.9)”: 1.5 findings per 1,000 texts, which are in 1.2 of 1,000 texts (Wilson). Nothing is "
        "labelled in these texts, so every finding counts as false, also an address that is there.",
    )


def _false_by_kind(sets: eval_sets.Sets, results: Sequence[Measured]) -> Table:
    rows = []
    for tool in results:
        parts = [rates(tool.joined(names)) for names in (sets.benign, sets.code)]
        for kind in {kind for part in parts for kind in part if kind}:
            cells = (per_1000(part[kind]) if kind in part else "0" for part in parts)
            rows.append((kind, tool.tool, *cells))
    return Table(
        "False findings by kind",
        ("kind", "tool", "per 1,000 prompts", "per 1,000 code files"),
        tuple(sorted(rows)),
        "Every finding in the sets above, also a right one.",
    )


def _cpu(sets: eval_sets.Sets, results: Sequence[Measured]) -> Table:
    """CPU time on the texts that every tool has read, in the order of the sets."""
    texts = {**sets.benign, **sets.code}
    read = {name: min(len(tool.cpu_s[name]) for tool in results) for name in texts}
    chars = sum(len(sample.text) for name, samples in texts.items() for sample in samples[: read[name]])
    seconds = {tool.tool: sum(sum(tool.cpu_s[name][: read[name]]) for name in texts) for tool in results}
    ours = next(iter(seconds.values()))
    rows = [(tool, f"{1e6 * s / chars:.3f}", f"{s / ours:.1f}") for tool, s in seconds.items()]
    return Table(
        "CPU time",
        ("tool", "ms per 1,000 characters", "times ours"),
        tuple(rows),
        f"Benign prompts and {sum(read[name] for name in sets.code)} code files, {chars:,} characters, each read once: "
        "text that no tool has seen. `make bench-dlp` measures speed.",
    )


def failures(sets: eval_sets.Sets, ours: Measured) -> Iterator[dict]:
    """Each miss and each false finding of a tool, with a little text around it."""
    found = ours.found
    for one in sets.labelled:
        for sample, mine in zip(one.samples, found[one.name], strict=True):
            yield from _span_failures(one.name, sample, mine, one.kinds)
    for name, samples in sets.secrets.items():
        for sample, mine in zip(samples, map(_is_secret, found[name]), strict=True):
            if "leaky" in name:
                yield from _span_failures(name, sample, mine, {"risk": eval_sets.SECRET})
            elif bool(sample.labels) != bool(mine):
                yield {"set": name, "rule": sample.group, "miss": bool(sample.labels), "text": sample.text}
    for name, samples in {**sets.benign, **sets.code}.items():
        for sample, mine in zip(samples, found[name], strict=True):
            yield from (_failure(name, sample, one.kind, one, miss=False) for one in mine)


def _span_failures(
    name: str, sample: Sample, found: Sequence[Found], kinds: Mapping[str, Sequence[str]]
) -> Iterator[dict]:
    for label, wanted in kinds.items():
        gold = [(one.start, one.end) for one in sample.labels if one.label == label]
        mine = [one for one in found if is_kind(one.kind, wanted)]
        spans = [(one.start, one.end) for one in mine]
        for start, end in gold:
            if not overlaps((start, end), spans):
                yield _failure(name, sample, label, Found(label, start, end), miss=True)
        for one in mine:
            if not overlaps((one.start, one.end), gold):
                yield _failure(name, sample, label, one, miss=False)


def _failure(name: str, sample: Sample, label: str, at: Found | Label, *, miss: bool) -> dict:
    before, after = (
        sample.text[max(0, at.start - _AROUND_CHARS) : at.start],
        sample.text[at.end : at.end + _AROUND_CHARS],
    )
    value = sample.text[at.start : at.end]
    return {"set": name, "type": label, "miss": miss, "value": value, "before": before, "after": after}
