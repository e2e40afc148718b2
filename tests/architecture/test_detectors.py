"""docs/detectors.md says what the registry and the taxonomy hold."""

from tests.architecture.detectors_table import DOCUMENT, render
from tests.architecture.repository import read


def test_the_table_is_the_registry():
    assert read(DOCUMENT) == render(), "run: python -m tests.architecture.detectors_table"
