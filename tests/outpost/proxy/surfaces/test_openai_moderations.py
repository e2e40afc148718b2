import json

import pytest

from outpost.errors import Rejected
from outpost.proxy.surfaces.openai_moderations import DEFAULT_MODEL, parse_answer, parse_request


def test_without_a_model_it_is_the_apis_own():
    assert parse_request(b'{"input":"x"}').model == DEFAULT_MODEL


def test_pictures_among_the_input_are_found():
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    request = parse_request(json.dumps({"model": "m", "input": parts}).encode())
    assert [item.finding.kind for item in request.unscannable] == ["unscannable.image"]


def test_scores_are_no_text_and_names_of_categories_are():
    answer = {"id": "modr-1", "results": [{"categories": {"erika/x": True}, "category_scores": {"hate": 0.411111}}]}
    assert parse_answer(json.dumps(answer).encode()).segments[0].text.split("\n\x1e\n") == ["modr-1", "erika/x"]


@pytest.mark.parametrize(
    ("parse", "raw"), [(parse_answer, b"{}"), (parse_request, b"{}"), (parse_request, b'{"model":1,"input":"x"}')]
)
def test_what_is_no_moderation_is_refused(parse, raw):
    with pytest.raises(Rejected):
        parse(raw)
