"""Bodies with a secret in exactly one place, one for every place where a published schema has a string."""

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from tests.shared_data import require

CARD = "4111 1111 1111 1111"
EMAIL = "erika.mustermann@example.org"
# A secret as it is, inside JSON that hides its at sign, and in a file of text.
SECRETS = {
    "plain": f"it is {CARD}, as you know",
    "JSON in a string": '{"to": ["erika.mustermann\\u0040example.org"]}',
    "data URL": "data:text/plain;base64,d3JpdGUgdG8gZXJpa2EubXVzdGVybWFubkBleGFtcGxlLm9yZyB0b2RheQ==",
}


def spelled(secret: str) -> list[str]:
    """What must not be in bytes that go out: the value itself in every spelling used here."""
    return [secret, CARD, EMAIL, "erika.mustermann\\u0040example.org"]


def request_leaves(data: str, path: str) -> list[str]:
    """Paths of all string and open leaves of a request: ``messages[].content[].text``."""
    rows = map(json.loads, (require(data) / "request-leaves.jsonl").read_text().splitlines())
    return sorted({row["leaf"] for row in rows if row["path"] == path and row["type"] in {"string", "any"}})


def schema_values(data: str, name: str, secret: str) -> Iterator[tuple[str, Any]]:
    """As ``answers``, of a schema of a published OpenAPI description."""
    schemas = json.loads((require(data) / "openapi.json").read_text())["components"]["schemas"]
    yield from _schema({"$ref": f"#/components/schemas/{name}"}, secret, schemas, ())


def _schema(schema: Any, secret: str, schemas: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in above:
            yield from _schema(schemas[name], secret, schemas, (*above, name))
        return
    for one in [part for word in ("anyOf", "oneOf", "allOf") for part in schema.get(word, ())]:
        yield from _schema(one, secret, schemas, above)
    if schema.get("type") == "string" or schema == {}:
        yield "", secret
    if "items" in schema:
        yield from ((f"[]{path}", [value]) for path, value in _schema(schema["items"], secret, schemas, above))
    members = schema.get("properties", {})
    fixed = {one: member["enum"][0] for one, member in members.items() if member.get("enum") and one == "type"}
    for one, member in members.items():
        yield from ((f".{one}{path}", {**fixed, one: value}) for path, value in _schema(member, secret, schemas, above))
    more = schema.get("additionalProperties")
    if schema.get("type") == "object" and (isinstance(more, dict) or (more is not False and not members)):
        yield ".*", {secret: "x"}
        inside = more if isinstance(more, dict) else {}
        yield from ((f".*{path}", {"any_name": value}) for path, value in _schema(inside, secret, schemas, above))


def planted(leaf: str, secret: str) -> Any:
    """A value with ``secret`` at ``leaf``."""
    value: Any = secret
    for step in reversed(leaf.replace("[]", ".[]").split(".")):
        value = [value] if step == "[]" else {"any_name" if step == "*" else step: value}
    return value


def merged(base: Any, value: Any) -> Any:
    """``base`` with ``value`` laid over it."""
    if isinstance(base, dict) and isinstance(value, dict):
        return {**base, **{name: merged(base.get(name), member) for name, member in value.items()}}
    if isinstance(base, list) and isinstance(value, list) and base:
        return [merged(base[0], value[0]), *base[1:]]
    return value


def answers(kind: Any, secret: str, above: tuple[type, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Values of a type of an official SDK, each with ``secret`` in another string; with the path to it."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is str or origin is Literal:
        yield "", secret
    elif kind in (object, Any):
        yield ".*", {"any_name": [secret]}
    elif origin is Annotated:
        yield from answers(inside[0], secret, above)
    elif origin in (Union, types.UnionType):
        for one in inside:
            yield from answers(one, secret, above)
    elif origin is list:
        yield from ((f"[]{path}", [value]) for path, value in answers(inside[0], secret, above))
    elif origin is dict:
        yield ".*", {secret: "x"}
        yield from ((f".*{path}", {"any_name": value}) for path, value in answers(inside[1], secret, above))
    elif isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in above:
        yield from _model(kind, secret, (*above, kind))


def _model(kind: type[BaseModel], secret: str, above: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    fixed = {name: get_args(hint)[0] for name, hint in fields.items() if get_origin(hint) is Literal}
    fixed |= {name: 0 for name, hint in fields.items() if hint is int and "index" in name}
    for name, hint in fields.items():
        for path, value in answers(hint, secret, above):
            yield f".{name}{path}", {**fixed, name: value}
