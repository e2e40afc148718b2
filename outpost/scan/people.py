"""Results for people: one block for each finding, a summary at the end. Nothing a file holds can steer the terminal."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import typer

from outpost.protocol.decisions import Action
from outpost.scan.context import MASK
from outpost.scan.results import BINARY, Explanation, FileResult, Hit, ModelExplanation, Problem, Result

_SHOWN_CHARS: Final = 200
_MASK_CHARS: Final = 16
_COLOURS: Final = {Action.BLOCK: "red", Action.REDACT: "yellow", Action.ROUTE_TO: "cyan", Action.ALLOW: "green"}


@dataclass(slots=True)
class Summary:
    """Counts of a whole scan."""

    inputs: int = 0
    hits: int = 0
    with_hits: int = 0
    binary: int = 0
    problems: int = 0
    actions: Counter[Action] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count one input."""
        self.inputs += 1
        self.problems += len(result.problems)
        for file in result.files:
            count = len(file.hits) + file.omitted
            self.hits += count
            self.with_hits += count > 0
            self.binary += file.binary
            if file.verdict is not None:
                self.actions[file.verdict.action] += 1

    def line(self, ignored: int) -> str:
        """One line that says it all."""
        parts = [f"{_count(self.hits, 'finding')} in {_count(self.with_hits, 'file')}, {self.inputs} scanned"]
        parts += [f"{count} {action.value}" for action, count in sorted(self.actions.items())]
        if self.binary:
            parts.append(f"{self.binary} binary, not inspected")
        if self.problems:
            parts.append(f"{self.problems} could not be inspected")
        if ignored:
            parts.append(f"{ignored} ignored (--no-ignore scans them)")
        return "; ".join(parts)


class Painter:
    """Lines for a terminal, coloured or not."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def lines(self, result: Result) -> list[str]:
        """Everything to say about one input; nothing if nothing was found."""
        lines = [line for file in result.files for line in self._file(file)]
        return lines + [self._problem(problem) for problem in result.problems]

    def _file(self, file: FileResult) -> list[str]:
        path = printable(file.path)
        lines = [line for hit in file.hits for line in self._hit(path, hit)]
        if file.binary:
            lines.append(f"{self._style(path, bold=True)}: {self._style(BINARY, fg='yellow')} not inspected")
        if file.omitted:
            lines.append(f"{self._style(path, bold=True)}: {file.omitted} more findings are not listed")
        verdict = file.verdict
        if verdict is not None and (lines or verdict.action is not Action.ALLOW):
            reason = f": {printable(verdict.reason)}" if verdict.reason else ""
            action = self._style(verdict.action.value, fg=_COLOURS[verdict.action], bold=True)
            lines.append(f"{self._style(path, bold=True)}: {action} by {printable(verdict.rule_id)}{reason}")
        return lines

    def _hit(self, path: str, hit: Hit) -> list[str]:
        place = f"{self._style(path, bold=True)}:{hit.line}:{hit.column}"
        lines = [f"{place}: {self._style(hit.kind, fg='red')} {hit.detector} {hit.score:.2f}"]
        shown = MASK * min(hit.end - hit.start, _MASK_CHARS)
        if hit.text is not None:
            shown = printable(hit.text[:_SHOWN_CHARS]) + ("…" if len(hit.text) > _SHOWN_CHARS else "")
        lines.append(f"    {printable(hit.before)}{self._style(shown, fg='red', bold=True)}{printable(hit.after)}")
        if hit.explanation is not None:
            lines.append(self._style(f"    {explained(hit.score, hit.explanation)}", dim=True))
        return lines

    def _problem(self, problem: Problem) -> str:
        path = self._style(printable(problem.path), bold=True)
        return f"{path}: {self._style(problem.kind.value, fg='red')} {problem.message}"

    def _style(self, text: str, *, fg: str | None = None, bold: bool | None = None, dim: bool | None = None) -> str:
        return typer.style(text, fg=fg, bold=bold, dim=dim) if self._colour else text


def explained(score: float, explanation: Explanation | ModelExplanation) -> str:
    """Why a finding has its score, in a line."""
    if isinstance(explanation, ModelExplanation):
        others = ", ".join(f"{printable(label)} {value:.2f}" for label, value in explanation.alternatives)
        return (
            f"{printable(explanation.label)} {explanation.probability:.2f}, counts from {explanation.threshold:.2f}; "
            f"read {explanation.window_chars} characters at once; else {others or 'nothing'}"
        )
    base, context = explanation.base_score, explanation.context_score
    parts = [f"{base:.2f} by shape"]
    if explanation.validator:
        parts[0] += f" and {explanation.validator}"
    if context:
        near = f" ({', '.join(explanation.words)})" if explanation.words else ""
        met = "found" if score == context and explanation.words else "not found"
        parts.append(f"{context:.2f} with a context word: {met}{near}")
    else:
        parts.append("context does not matter")
    return "; ".join(parts)


def printable(text: str) -> str:
    """``text`` without control characters, direction marks and half characters, which could hide or fake output."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c == "\t" else "⏎" if c == "\n" else "·" for c in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
