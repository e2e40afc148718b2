"""``outpost lists``: makes an org's lists where its data lies. Needs no outpost, no control plane and no network.

What comes out are keyed digests: the file goes into the bundle, the key to the outposts, the data nowhere. Messages
name lines and counts, never entries, unless ``--show-skipped`` asks for them.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from outpost.dlp.allow import allow_digest
from outpost.dlp.dictionary import build_words, phrase
from outpost.dlp.exact_data import DEFAULT_MIN_COLUMNS, build_records
from outpost.dlp.fingerprint import DEFAULT_MIN_SHARED, build_passages
from outpost.dlp.lists import label_phrases
from outpost.errors import CouldNotInspect, InputUnusable
from outpost.lists.sources import Advance, document, documents_in, is_table, lines, rows
from outpost.protocol.detectors import AllowEntry, KeyedDigests, ListRule
from outpost.protocol.list_file import (
    LIST_KEY_BYTES,
    MAX_COLUMNS,
    Column,
    ColumnType,
    ListFileInvalid,
    ListForm,
    ListKey,
    ListKeyInvalid,
    encode_list_key,
    list_target,
    parse_list_key,
    read_list_file,
)
from pki.files import write_private, write_public

_KEY_ID_BYTES: Final = 4
_MAX_KEY_FILE_BYTES: Final = 4096
_SHOWN: Final = 20  # skipped entries

lists_cli = typer.Typer(
    help="Make lists of your own names, table rows and documents, as keyed digests.",
    epilog="Example: outpost lists words customers.txt --id customers --key list-key.json",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Sources = Annotated[list[Path], typer.Argument(help="UTF-8 text with an entry on each line, or CSV with --column.")]
IdOption = Annotated[str, typer.Option("--id", help="The list's id: a-z, 0-9 and hyphens, 21 characters at most.")]
KeyOption = Annotated[Path, typer.Option("--key", help="Your list key, from `outpost lists keygen`.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Where the list goes; default ID.list here.")]
KindOption = Annotated[str | None, typer.Option("--kind", help="The kind of its findings; default org.ID.")]
ScoreOption = Annotated[float, typer.Option("--score", min=0.5, max=1, help="How sure a finding is.")]
ColumnOption = Annotated[list[str] | None, typer.Option("--column", help="Of CSV: a column by name; may be repeated.")]
ShowSkippedOption = Annotated[bool, typer.Option("--show-skipped", help="Print what cannot be listed.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


@lists_cli.command("keygen", epilog="Example: outpost lists keygen list-key.json")
def keygen(out: Annotated[Path, typer.Argument(help="Where the key goes; it is readable by you alone.")]) -> None:
    """Make a list key. Whoever has it and a list can try whether a name is in it: keep it like a password."""
    if out.exists():
        raise InputUnusable(f"{out} exists; a key is never replaced by another")
    key = ListKey(f"list-{os.urandom(_KEY_ID_BYTES).hex()}", os.urandom(LIST_KEY_BYTES))
    write_private(out, encode_list_key(key))
    typer.echo(f"List key {key.id} is in {out}. Give it to your outposts: `control-plane secret add-list-key {out}`,")
    typer.echo("or, if the control plane shall not have it, setting list_key_files of each outpost.")


@lists_cli.command(
    "words", epilog="Example: outpost lists words crm.csv --column name --id customers --key list-key.json"
)
def words_command(  # noqa: PLR0913 - a command line
    sources: Sources,
    list_id: IdOption,
    key_file: KeyOption,
    *,
    out: OutOption = None,
    kind: KindOption = None,
    score: ScoreOption = 0.9,
    column: ColumnOption = None,
    leave_out: Annotated[
        Path | None, typer.Option("--leave-out", help="Text with entries that are not to be listed: common words.")
    ] = None,
    show_skipped: ShowSkippedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a list of words and phrases, such as customers' names and code names of projects: 1,000,000 at most.

    Case, accents, punctuation and blanks make no difference. An entry has 16 words at most; those with fewer than 3
    letters, and words that redaction labels are made of, are skipped.
    """
    rule = _rule(list_id, ListForm.WORDS, kind, score)
    skipped: list[str] = []
    with _building(sources) as advance:
        common = map(phrase, lines(leave_out, lambda _: None) if leave_out else ())
        excluded = label_phrases(rule.kind) | {" ".join(words) for words in common if words}
        entries = _entries(sources, column, advance)
        content = build_words(entries, list_id, _key(key_file), skipped.append, excluded)
    _finish(content, rule, out, skipped if show_skipped else len(skipped), as_json=as_json)


@lists_cli.command(
    "records",
    epilog="Example: outpost lists records crm.csv --column name --column phone:number --id crm --key list-key.json",
)
def records_command(  # noqa: PLR0913 - a command line
    source: Annotated[Path, typer.Argument(help="A table: CSV, or TSV, in UTF-8; its first line names the columns.")],
    list_id: IdOption,
    key_file: KeyOption,
    column: Annotated[
        list[str], typer.Option("--column", help="A column by name; NAME:number for numbers in any grouping. Repeated.")
    ],
    *,
    min_columns: Annotated[
        int, typer.Option("--min-columns", min=2, help="How many values of one row must stand together.")
    ] = DEFAULT_MIN_COLUMNS,
    out: OutOption = None,
    kind: KindOption = None,
    score: ScoreOption = 0.9,
    show_skipped: ShowSkippedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a list of a table's rows: 2,000,000 cells in 1,000,000 rows at most.

    A row is found where values of --min-columns of its columns stand within 256 characters. One of them must be in at
    most 4 rows: a name that many people have tells nobody apart.
    """
    columns = _columns(column)
    rule = _rule(list_id, ListForm.RECORDS, kind, score, min_columns=min_columns)
    skipped: list[str] = []
    with _building([source]) as advance:
        table = rows(source, [each.name for each in columns], advance)
        content = build_records(table, columns, list_id, _key(key_file), skipped.append)
    _finish(content, rule, out, skipped if show_skipped else len(skipped), as_json=as_json)


@lists_cli.command(
    "passages",
    epilog="Example: outpost lists passages contracts/ --id contracts --key list-key.json --without templates/",
)
def passages_command(  # noqa: PLR0913 - a command line
    sources: Annotated[list[Path], typer.Argument(help="Documents as UTF-8 text, and directories of .txt and .md.")],
    list_id: IdOption,
    key_file: KeyOption,
    *,
    without: Annotated[
        list[Path] | None,
        typer.Option(
            "--without", help="Texts that are not confidential, such as templates: what they say is left out."
        ),
    ] = None,
    min_shared: Annotated[
        int, typer.Option("--min-shared", min=1, max=20, help="How many fingerprints must stand together.")
    ] = DEFAULT_MIN_SHARED,
    out: OutOption = None,
    kind: KindOption = None,
    score: ScoreOption = 0.9,
    show_skipped: ShowSkippedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a list of documents' fingerprints, so that a pasted paragraph is found: 2,000,000 fingerprints at most.

    A passage of 15 words that is copied word by word has one fingerprint, every 8 words more another. Documents without
    any are skipped.
    """
    rule = _rule(list_id, ListForm.PASSAGES, kind, score, min_shared=min_shared)
    files = documents_in(sources)
    skipped: list[str] = []
    with _building(files) as advance:
        content = build_passages(
            (document(path, advance) for path in files),
            list_id,
            _key(key_file),
            (document(path, lambda _: None) for path in documents_in(without or [])),
            lambda number: skipped.append(str(files[number])),
        )
    _finish(content, rule, out, skipped if show_skipped else len(skipped), as_json=as_json)


@lists_cli.command("show", epilog="Example: outpost lists show customers.list --key list-key.json")
def show_command(
    file: Annotated[Path, typer.Argument(help="A list.")],
    *,
    key_file: Annotated[Path | None, typer.Option("--key", help="Also check that it was made with this key.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a list says of itself, and its digest, by which officers compare it."""
    content = file.read_bytes()
    try:
        found = read_list_file(content)
        if key_file is not None:
            found.require_made_with(_key(key_file))
    except ListFileInvalid as err:
        raise InputUnusable(f"{file}: {err}") from err
    facts = found.header.model_dump(mode="json") | {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    _print(facts, as_json=as_json)


@lists_cli.command("allow", epilog="Example: outpost lists allow test-cards.txt --kind pci.pan --key list-key.json")
def allow_command(
    sources: Sources,
    kind: Annotated[list[str], typer.Option("--kind", help="Kind of findings that are allowed; may be repeated.")],
    key_file: KeyOption,
    *,
    entry_id: Annotated[str, typer.Option("--id", help="The entry's id.")] = "allowed",
    column: ColumnOption = None,
) -> None:
    """Print an entry of `allow` in detectors.json with digests of exact values that are no findings."""
    key = _key(key_file)
    with _building(sources) as advance:
        try:
            found = sorted({allow_digest(key.value, value) for value in _entries(sources, column, advance)})
        except CouldNotInspect as err:
            raise InputUnusable(f"an entry cannot be read: {err.message}") from err
    try:
        entry = AllowEntry(id=entry_id, kinds=kind, digests=KeyedDigests(pepper_id=key.id, hmac_sha256=found))
    except ValidationError as err:
        raise InputUnusable(_first_problem(err)) from err
    typer.echo(entry.model_dump_json(exclude_none=True, indent=2))


def _columns(given: Sequence[str]) -> list[Column]:
    found = []
    for text in given:
        name, colon, kind = text.rpartition(":")
        if colon and kind not in set(ColumnType):
            raise InputUnusable(f"--column {text}: after the colon stands text or number")
        found.append(Column(name=name if colon else text, type=ColumnType(kind if colon else ColumnType.TEXT)))
    if len({column.name for column in found}) < len(found) or not 1 < len(found) <= MAX_COLUMNS:
        raise InputUnusable(f"give at least two columns, at most {MAX_COLUMNS}, and each once")
    return found


def _entries(sources: Sequence[Path], columns: Sequence[str] | None, advance: Advance) -> Iterator[str]:
    for path in sources:
        if columns:
            for row in rows(path, columns, advance):
                yield from row
        elif is_table(path):
            raise InputUnusable(f"{path}: say which columns are to be listed: --column NAME")
        else:
            yield from lines(path, advance)


def _rule(list_id: str, form: ListForm, kind: str | None, score: float, **options: int | None) -> ListRule:
    try:
        return ListRule(id=list_id, kind=kind or f"org.{list_id.replace('-', '_')}", form=form, score=score, **options)
    except ValidationError as err:
        raise InputUnusable(_first_problem(err)) from err


def _first_problem(err: ValidationError) -> str:
    first = err.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'options'}: {first['msg']}"


def _key(path: Path) -> ListKey:
    with path.open("rb") as file:
        content = file.read(_MAX_KEY_FILE_BYTES)
    try:
        return parse_list_key(content)
    except ListKeyInvalid as err:
        raise InputUnusable(f"{path}: {err}") from err


@contextmanager
def _building(sources: Sequence[Path]) -> Iterator[Advance]:
    """A progress bar on standard error if somebody looks; refusals of the makers as ours."""
    total_bytes = sum(path.stat().st_size for path in sources)
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=total_bytes or None)
        try:
            yield lambda size_bytes: bar.update(task, advance=size_bytes)
        except ListFileInvalid as err:
            raise InputUnusable(str(err)) from err
        except CouldNotInspect as err:
            raise InputUnusable(f"an entry cannot be read: {err.message}") from err


def _finish(content: bytes, rule: ListRule, out: Path | None, skipped: Sequence[str] | int, *, as_json: bool) -> None:
    path = out or Path(list_target(rule.id))
    write_public(path, content)
    header = read_list_file(content).header
    snippet = json.loads(rule.model_dump_json(exclude_none=True))
    facts: dict[str, Any] = {
        "file": str(path),
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
        "entries": header.entries,
        **header.model_dump(mode="json", include={"rows", "anchors", "sources"}),
        "key_id": header.key_id,
        "skipped": skipped if isinstance(skipped, int) else len(skipped),
    }
    if not isinstance(skipped, int):
        for entry in skipped[:_SHOWN]:
            typer.echo(f"skipped: {entry}", err=True)
    if as_json:
        typer.echo(json.dumps(facts | {"rule": snippet}))
        return
    _print(facts, as_json=False)
    typer.echo('\nIn detectors.json, among "lists":')
    typer.echo(json.dumps(snippet))
    typer.echo(
        f"\nPublish both: control-plane policy publish --document detectors.json=detectors.json "
        f"--document {list_target(rule.id)}={path}"
    )


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name.ljust(width)}  {value}")
