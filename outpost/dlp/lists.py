"""An org's lists as finders: each file held against the rule that names it and the key it was made with."""

from collections.abc import Mapping

from outpost.dlp.dictionary import DictionaryFinder
from outpost.dlp.engine import iter_kinds
from outpost.dlp.exact_data import DEFAULT_MIN_COLUMNS, ExactDataFinder
from outpost.dlp.finder import Allowed, Report, SpanFinder
from outpost.dlp.fingerprint import DEFAULT_MIN_SHARED, FingerprintFinder
from outpost.dlp.redact import MARKER_PREFIX
from outpost.dlp.tokens import Words
from outpost.protocol.detectors import ListRule
from outpost.protocol.list_file import ListFile, ListFileInvalid, ListForm, ListKey, read_list_file


def list_finder(
    rule: ListRule, content: bytes, keys: Mapping[str, bytes], allowed: Allowed | None = None
) -> SpanFinder:
    """The finder of one list.

    Args:
        rule: What ``detectors.json`` says of it.
        content: Its file.
        keys: The org's list keys by id.
        allowed: Which of its findings do not count.

    Raises:
        ListFileInvalid: The file is not whole, is another list, or was made with a key that is not here.
    """
    file = checked_list(rule, content)
    value = keys.get(file.header.key_id)
    if value is None:
        raise ListFileInvalid(f"list {rule.id} was made with list key {file.header.key_id}, which is not here")
    key = ListKey(file.header.key_id, value)
    file.require_made_with(key)
    report = Report(list_name(rule), rule.kind, rule.score, allowed)
    if rule.form is ListForm.WORDS:
        return DictionaryFinder(file, key, report)
    if rule.form is ListForm.RECORDS:
        return ExactDataFinder(file, key, report, rule.min_columns or DEFAULT_MIN_COLUMNS)
    return FingerprintFinder(file, key, report, rule.min_shared or DEFAULT_MIN_SHARED)


def checked_list(rule: ListRule, content: bytes) -> ListFile:
    """The file of a list, as far as it can be checked without its key.

    Raises:
        ListFileInvalid: It is not whole, or another list than the rule names.
    """
    try:
        file = read_list_file(content)
    except ListFileInvalid as err:
        raise ListFileInvalid(f"list {rule.id}: {err}") from err
    if file.header.list_id != rule.id or ListForm(file.header.form) is not rule.form:
        found = f"{file.header.list_id} of {file.header.form}"
        raise ListFileInvalid(f"list {rule.id} of {rule.form.value}: its file is of list {found}")
    return file


def label_phrases(kind: str) -> frozenset[str]:
    """Every phrase within redaction's labels, for ``kind`` too: with one in a list, redacting would never end."""
    found = set()
    for each in (*iter_kinds(), kind, "unscannable.image"):
        words = Words(f"{MARKER_PREFIX}{each}]").words
        for start in range(len(words)):
            found |= {" ".join(words[start:end]).lower() for end in range(start + 1, len(words) + 1)}
    return frozenset(found)


def list_name(rule: ListRule) -> str:
    """The name under which a list's findings are reported."""
    return f"list/{rule.id}"
