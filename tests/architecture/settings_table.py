"""Renders docs/settings.md from the two settings models: ``python -m tests.architecture.settings_table``."""

import json
from pathlib import Path, PurePath

from pydantic_settings import BaseSettings

from control_plane.config import Config as ControlPlaneConfig
from outpost.config import Config as OutpostConfig
from tests.architecture.repository import ROOT

DOCUMENT = Path("docs", "settings.md")
_HEAD = """# Settings

One TOML file per program, and variables that override it. A key or variable that is not in these tables stops the
start, and the message lists every one that is wrong. Secrets come by file or by variable, never on a command line.

This page is made from the settings models by `python -m tests.architecture.settings_table`; a test compares them.
"""


def render() -> str:
    """The whole document."""
    return _HEAD + _section("outpost", OutpostConfig) + _section("control-plane", ControlPlaneConfig)


def _section(program: str, model: type[BaseSettings]) -> str:
    prefix = model.model_config["env_prefix"]
    rows = [
        f"| `{name}` | `{prefix}{name.upper()}` | {_default(field.default)} | {_cell(field.description or '')} |\n"
        for name, field in model.model_fields.items()
    ]
    head = f"""
## {program}

The file is `{program}.toml` in the working directory, or the one that `{prefix}CONFIG` names.
`deploy/{program}.toml` shows every key.

| key | variable | default | meaning |
| --- | --- | --- | --- |
"""
    return head + "".join(rows)


def _default(value: object) -> str:
    if value is None:
        return "none"
    text = value.as_posix() if isinstance(value, PurePath) else value
    return f"`{json.dumps(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    (ROOT / DOCUMENT).write_text(render(), "utf-8")
