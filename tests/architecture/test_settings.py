"""Every setting is in the reference file under deploy/ and in the table of docs/settings.md, and nothing else is."""

import re

import pytest

from control_plane.config import Config as ControlPlaneConfig
from outpost.config import Config as OutpostConfig
from tests.architecture.repository import read
from tests.architecture.settings_table import DOCUMENT, render

PROGRAMS = [
    pytest.param("outpost", OutpostConfig, id="outpost"),
    pytest.param("control-plane", ControlPlaneConfig, id="control-plane"),
]


@pytest.mark.parametrize(("program", "model"), PROGRAMS)
def test_the_reference_file_shows_every_key(program, model):
    # A key without a useful default is shown as a comment.
    shown = re.findall(r"^(?:# )?([a-z][a-z_0-9]*) = ", read(f"deploy/{program}.toml"), re.MULTILINE)
    assert sorted(shown) == sorted(model.model_fields)


@pytest.mark.parametrize(("program", "model"), PROGRAMS)
def test_every_setting_says_what_it_is(program, model):
    assert not [f"{program}: {name}" for name, field in model.model_fields.items() if not field.description]


def test_the_table_is_the_models():
    assert read(DOCUMENT) == render(), "run: python -m tests.architecture.settings_table"
