"""Lists for tests: a key, finders over small lists, and engines that have nothing else."""

from collections.abc import Iterable

from outpost.dlp.dictionary import DictionaryFinder, build_words
from outpost.dlp.engine import Engine
from outpost.dlp.finder import Report
from outpost.dlp.registry import ALL
from outpost.protocol.list_file import ListKey, read_list_file

KEY = ListKey("list-1", bytes(range(32)))
OTHER = ListKey("list-1", bytes(32))


def dictionary(entries: Iterable[str], list_id: str = "customers") -> DictionaryFinder:
    content = build_words(entries, list_id, KEY)
    return DictionaryFinder(read_list_file(content), KEY, Report(f"list/{list_id}", f"org.{list_id}", 0.9))


def engine(*finders: DictionaryFinder, every_detector: bool = False) -> Engine:
    return Engine(ALL if every_detector else (), finders=finders)


def found(scanned: Engine, text: str) -> list[str]:
    return [text[finding.start : finding.end] for finding in scanned.scan(text)]
