"""The guide to policy documents says what the models say, and its examples are documents that an outpost takes."""

import re

import pytest
from pydantic import BaseModel

from outpost.dlp.custom_pattern import MAX_MATCH_CHARS, MAX_VARIABLE_CHARS
from outpost.policy.lint import lint_documents
from outpost.policy.problems import Severity
from outpost.protocol.detectors import Checksum
from outpost.protocol.document_set import MODELS
from tests.architecture.policy_table import DOCUMENT, models, render
from tests.architecture.repository import read

EXAMPLES = re.findall(r"^```json ([a-z]+\.json)\n(.*?)^```", read(DOCUMENT), re.MULTILINE | re.DOTALL)


def test_the_reference_is_the_models():
    assert read(DOCUMENT) == render(), "run: python -m tests.architecture.policy_table"


def test_no_model_is_left_out():
    shown = set(models())
    for model in shown:
        for field in model.model_fields.values():
            for part in _models_in(field.annotation):
                assert part in shown, f"{part.__name__} has no table"


def _models_in(annotation):
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def test_every_document_has_an_example():
    assert {name for name, _ in EXAMPLES} == set(MODELS)


@pytest.mark.parametrize(("name", "content"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_each_example_is_a_document(name, content):
    errors = [p.code for p in lint_documents({name: content.encode()}).problems if p.severity is Severity.ERROR]
    # The budget shows the language; an outpost refuses it, and the guide says so.
    assert errors == (["unenforced"] if name == "budgets.json" else [])


def test_the_examples_belong_together():
    together = {name: content.encode() for name, content in EXAMPLES if name != "budgets.json"}
    problems = lint_documents(together).problems
    assert not [problem for problem in problems if problem.severity is not Severity.NOTE]


def test_the_limits_of_patterns_are_the_programs():
    text = read(DOCUMENT)
    assert f"at most {MAX_MATCH_CHARS} characters" in text
    assert f"by at most {MAX_VARIABLE_CHARS}" in text
    assert all(f"`{checksum}`" in text for checksum in Checksum)


def test_the_policy_to_begin_with_is_clean():
    contents = {name: read(f"deploy/policies/{name}").encode() for name in ("policy.json", "routing.json")}
    assert not lint_documents(contents).problems
