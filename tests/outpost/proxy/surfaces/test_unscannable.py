import pytest

from outpost.documents.kinds import FILE, IMAGE, UNKNOWN_PART
from outpost.proxy.segments import join
from outpost.proxy.surfaces.unscannable import located, unreadable

TEXT_SOURCE = {"type": "text", "media_type": "text/plain", "data": "a report"}


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}, [IMAGE]),
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x"}}, [FILE]),
        ({"type": "document", "source": {"type": "url", "url": "https://x.example"}}, [FILE]),
        ({"type": "document", "source": TEXT_SOURCE}, []),
        ({"type": "document", "source": TEXT_SOURCE | {"media_type": "text/html"}}, [FILE]),
        ({"type": "document", "source": TEXT_SOURCE, "file": "x"}, [FILE]),
        ({"type": "document", "source": {"type": "content", "content": "text"}}, []),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}}, [IMAGE]),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "sculpture"}]}}, [UNKNOWN_PART]),
        ({"type": "document", "source": {"type": "content", "content": {"type": "image"}}}, [FILE]),
        ({"type": "tool_result", "content": [{"type": "image"}, {"type": "text", "text": "x"}]}, [IMAGE]),
        ({"type": "tool_use", "input": {"file": "a.txt", "image": "b.png"}}, []),
        ({"type": "tool_use", "image": "b.png"}, [IMAGE]),
        ({"type": ["tool_use"], "input": {"file": "x"}}, [UNKNOWN_PART, FILE]),
        ({"type": "container_upload", "file_id": "f"}, [FILE]),
    ],
)
def test_what_holds_no_text_is_found(part, kinds):
    assert list(unreadable({"content": [part]})) == kinds


def test_it_is_located_in_its_unit():
    segments = [join("messages[1]", ()), join("body", ())]
    found = list(located([{}, {"content": [{"type": "image"}]}], segments, "messages"))
    assert [(item.segment, item.finding.kind) for item in found] == [(0, IMAGE)]
