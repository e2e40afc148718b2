import asyncio
import sys

import pytest

from outpost.documents import reader as reading
from outpost.documents.kinds import FILE
from outpost.documents.reader import DocumentReader, DocumentText
from outpost.errors import CouldNotInspect
from tests.outpost.documents.making import docx

UNREAD = DocumentText((), (FILE,))


def python(code):
    return (sys.executable, "-I", "-c", code)


async def test_a_document_is_read_by_the_child():
    assert await DocumentReader().read(docx("hello")) == DocumentText(
        ("[Content_Types].xml", "word/document.xml", "hello\n", "preserve\npreserve"), ()
    )


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "import os; os.abort()",
        "print('not JSON')",
        "print('{}')",
        "import time; time.sleep(60)",
    ],
)
async def test_whatever_goes_wrong_it_is_not_read(code):
    reader = DocumentReader(python(code), timeout_s=1.0)
    assert await reader.read(b"x" * 100_000) == UNREAD


async def test_without_a_child_nothing_is_decided(monkeypatch):
    with pytest.raises(CouldNotInspect):
        await DocumentReader(("/nonexistent/python",)).read(b"x")
    monkeypatch.setattr(reading, "MAX_WAITING", 1)
    reader = DocumentReader(python("import time; time.sleep(60)"), timeout_s=0.3)
    first = asyncio.create_task(reader.read(b"x"))
    await asyncio.sleep(0.05)
    with pytest.raises(CouldNotInspect):
        await reader.read(b"y")
    assert await first == UNREAD
