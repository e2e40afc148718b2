"""Renders the reference in docs/policy.md from the documents' models: ``python -m tests.architecture.policy_table``."""

import ast
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from outpost.protocol.budgets import Budget, Subject
from outpost.protocol.detectors import AllowEntry, CustomRule, DetectorSetting, KeyedDigests, ListRule, TopicRule
from outpost.protocol.document_set import MODELS
from outpost.protocol.documents import Conditions, Messages, Pack, RouteTo, Rule, VirtualKeyDigest
from outpost.protocol.ids import ID_PATTERN
from outpost.protocol.models import PackReference
from outpost.protocol.routing import Provider, ProviderKey, Retry, Route, RouteTarget, Timeouts
from outpost.protocol.smoke import Expectation, SmokeCase
from tests.architecture.repository import ROOT, read

DOCUMENT = Path("docs", "policy.md")
BEGIN = "<!-- from here on made by python -m tests.architecture.policy_table -->\n"
PARTS: dict[str, tuple[type[BaseModel], ...]] = {
    "policy.json": (Pack, Rule, Conditions, RouteTo, Messages),
    "keys.json": (VirtualKeyDigest,),
    "routing.json": (Provider, ProviderKey, Timeouts, Route, RouteTarget, Retry),
    "detectors.json": (DetectorSetting, AllowEntry, KeyedDigests, CustomRule, ListRule, TopicRule),
    "budgets.json": (Budget, Subject),
    "smoke.json": (SmokeCase, Expectation),
    "models.json": (PackReference,),
}


def render() -> str:
    """The whole document: the guide as it is, and the reference behind it."""
    guide = read(DOCUMENT).partition(BEGIN)[0]
    sections = [_section(name) for name in MODELS]
    ids = "An *id* has 1 to 63 characters of a-z, 0-9 and inner hyphens."
    return f"{guide}{BEGIN}\n## Reference\n\n{ids}\n{''.join(sections)}"


def models() -> list[type[BaseModel]]:
    """Every model that has a table."""
    return [model for name, document in MODELS.items() for model in (document, *PARTS[name])]


def _section(name: str) -> str:
    tables = "".join(_table(model) for model in (MODELS[name], *PARTS[name]))
    return f"\n### `{name}`\n{tables}"


def _table(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    said = _docstrings(model)
    rows = "".join(
        f"| `{field}` | {_type(part, schema)} | {_default(field, part, schema)} | {_cell(said.get(field, ''))} |\n"
        for field, part in schema["properties"].items()
    )
    title = "" if model in MODELS.values() else f"\n**{model.__name__}.** {_cell(inspect.getdoc(model) or '')}\n"
    return f"{title}\n| field | value | default | meaning |\n| --- | --- | --- | --- |\n{rows}"


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string that stands under each field."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    said = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                said[field] = inspect.cleandoc(text)
    return said


def _default(field: str, part: dict[str, Any], schema: dict[str, Any]) -> str:
    if field in schema.get("required", ()):
        return "required"
    default = part.get("default")
    return "none" if default is None else f"`{json.dumps(default)}`"


def _type(part: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return _type(schema["$defs"][name], schema) if "enum" in schema["$defs"][name] else name
    if "anyOf" in part:
        return " or ".join(_type(one, schema) for one in part["anyOf"] if one.get("type") != "null")
    if "enum" in part:
        return " or ".join(f"`{value}`" for value in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    if part["type"] == "array":
        return f"list of {_type(part['items'], schema)}{_bounds(part, 'minItems', 'maxItems', '')}"
    if part["type"] == "string":
        if part.get("pattern") == f"^{ID_PATTERN}$":
            return "id"
        form = part.get("pattern", "")
        # What reads as a link is no help to a person either.
        pattern = " of a fixed form" if "](" in form else f" like `{_cell(form)}`" if form else ""
        kind = "time" if part.get("format") == "date-time" else "text"
        return f"{kind}{pattern}{_bounds(part, 'minLength', 'maxLength', ' characters')}"
    return f"{part['type']}{_bounds(part, 'minimum', 'maximum', '')}"


def _bounds(part: dict[str, Any], least: str, most: str, unit: str) -> str:
    low, high = part.get(least), part.get(most)
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low}{unit}"
    return f", at most {high}{unit}" if low is None else f", {low} to {high}{unit}"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    (ROOT / DOCUMENT).write_text(render(), "utf-8")
