"""The HTTP side of the stand-in's answers."""

import pytest
from aiohttp.test_utils import make_mocked_request

from outpost.demo import answers
from outpost.demo.responses import bearer, headers, json_answer

STAMP = answers.deterministic_stamp(b"a body")


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("Bearer sk-1", "sk-1"),
        ("bearer  sk-1 ", "sk-1"),
        ("Bearer ", None),
        ("Bearer", None),
        ("Basic sk-1", None),
        ("", None),
    ],
)
def test_the_key_is_what_follows_bearer(sent: str, key: str | None) -> None:
    request = make_mocked_request("POST", "/", headers={"Authorization": sent})

    assert bearer(request) == key


def test_every_answer_carries_its_request_id() -> None:
    assert headers(STAMP)["x-request-id"] == STAMP.request_id


def test_a_json_answer_is_indented_utf_8() -> None:
    answer = json_answer(418, {"said": "\u00fc\ud800"}, STAMP)

    assert (answer.status, answer.content_type) == (418, "application/json")
    assert answer.body == '{\n  "said": "\u00fc?"\n}'.encode()
