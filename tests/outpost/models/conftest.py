import pytest

from outpost.models.inspector import Inspector
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack
from outpost.models.session import Session
from tests.fakes.model_pack import write_pack


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The folder of a small whole pack."""
    return write_pack(tmp_path_factory.mktemp("pack") / "tiny")


@pytest.fixture(scope="session")
def inspect(tiny):
    """Texts through the pack's own graph, window by window."""
    pack = open_pack(tiny)
    inspector, session = Inspector(pack), Session(pack, SessionOptions())

    def run(text, weak=()):
        prepared = inspector.prepare(text, weak)
        batches = [inspector.batch([(prepared, index)]) for index in range(len(prepared.windows))]
        answers = [{name: array[0] for name, array in session.run(batch).items()} for batch in batches]
        return inspector.conclude(prepared, answers)

    return run
