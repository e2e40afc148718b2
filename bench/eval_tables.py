"""Tables of an evaluation, for a terminal and as Markdown. Pure: counts in, rows of words out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

from bench.eval_metrics import Counts, Rate, bootstrap_f, wilson

TYPE_COLUMNS = ("type", "tool", "recall", "precision", "F1", "F2", "false per 1,000 prompts", "per 1,000 code files")
# No table is wider with an interval on a line of its own.
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, columns, rows of words, and what to know before quoting them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        return f"### {self.title}\n\n{self._body()}\n{self.note}".rstrip() + "\n"

    def put_into(self, document: str) -> str:
        """The document with this table below its mark: ``<!-- make eval: `` and the title up to its colon.

        What stood there is replaced; a document without the mark is as it was.
        """
        mark = f"<!-- make eval: {self.title.partition(':')[0]} -->\n"
        before, found, after = document.partition(mark)
        return before + found + self._body() + re.sub(r"\A(?:\|.*\n)*", "", after) if found else document

    def _body(self) -> str:
        lines = (self.columns, ["---"] * len(self.columns), *self.rows)
        return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)

    def rich(self) -> RichTable:
        table = RichTable(title=self.title, caption=self.note or None, title_justify="left", caption_justify="left")
        for column in self.columns:
            table.add_column(column, overflow="fold")
        for row in self.rows:
            table.add_row(*(cell.replace(" (", "\n(") for cell in row))
        return table


def output() -> Console:
    """Standard output; what is no terminal is as wide as the widest table."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def share(successes: int, trials: int) -> str:
    """A proportion, of how many, with its interval."""
    if not trials:
        return "-"
    low, high = wilson(successes, trials)
    return f"{successes / trials:.3f} of {trials} ({low:.3f}-{high:.3f})"


def with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f}-{interval[1]:.3f})"


def per_1000(rate: Rate | None) -> str:
    """False findings per 1,000 texts in so many of the 1,000 (with the interval of the latter)."""
    if rate is None or not rate.texts:
        return "-"
    flagged, low, high = rate.flagged_per_1000
    return f"{rate.per_1000:.2f} in {flagged:.2f} ({low:.2f}-{high:.2f})"


def type_row(
    label: str, tool: str, groups: Mapping[str, Mapping[str, Counts]], false: Sequence[Rate | None]
) -> tuple[str, ...]:
    """One type and tool: recall, precision, F1, F2 with intervals, and false findings in benign prompts and code."""
    counts = sum((table.get(label, Counts()) for table in groups.values()), Counts())
    return (
        label,
        tool,
        share(counts.found, counts.labelled),
        share(counts.right, counts.reported),
        *(with_interval(counts.f(beta), bootstrap_f(groups, label, beta)) for beta in (1, 2)),
        *map(per_1000, false),
    )
