"""Assertions over ``cases.CASES``, each with an engine of the one detector only."""

from functools import cache

from outpost.dlp.engine import Engine
from outpost.dlp.registry import ALL
from tests.outpost.dlp.detectors.cases import CASES

_BY_NAME = {detector.name: detector for detector in ALL}


@cache
def engine_of(name):
    return Engine([_BY_NAME[name]])


def spans(name, text):
    return [text[f.start : f.end] for f in engine_of(name).scan(text)]


def names_of(module):
    """The detectors of a module that have cases."""
    return [detector.name for detector in module.DETECTORS if detector.name in CASES]


def assert_positives(name):
    for text, span in CASES[name][0]:
        assert spans(name, text) == [span], text


def assert_near_misses(name):
    for text in CASES[name][1]:
        assert spans(name, text) == [], text
