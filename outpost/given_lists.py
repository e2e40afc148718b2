"""The org's lists for commands on files: they lie beside the ``detectors.json`` that names them, keys come as files."""

from collections.abc import Sequence
from pathlib import Path

from outpost.errors import InputUnusable
from outpost.policy.compile import Lists
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.list_file import MAX_LIST_BYTES, ListKeyInvalid, list_target, parse_list_key


def lists_beside(detectors: DetectorsDocument, path: Path, key_files: Sequence[Path]) -> Lists:
    """The lists that ``detectors``, read from ``path``, name and that lie beside it, and the keys of ``key_files``.

    Raises:
        InputUnusable: A key file is none.
        OSError: A file that is there cannot be read.
    """
    keys = {}
    for file in key_files:
        try:
            key = parse_list_key(file.read_bytes())
        except ListKeyInvalid as err:
            raise InputUnusable(f"{file}: {err}") from err
        keys[key.id] = key.value
    contents = {}
    for rule in detectors.lists:
        beside = path.with_name(list_target(rule.id))
        if beside.exists():
            with beside.open("rb") as opened:
                contents[rule.id] = opened.read(MAX_LIST_BYTES + 1)
    return Lists(contents, keys)
