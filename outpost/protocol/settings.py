"""How both programs read their settings: one TOML file, variables override it, nothing unknown passes (design §3).

``load_settings`` gives a whole valid model or one error that lists every problem, without any value. An
unknown key or variable stops the start: a misspelt limit must not silently be the default.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict


class SettingsInvalid(ValueError):
    """Settings are wrong. ``problems`` lists every bad key with its reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ProgramSettings(BaseSettings):
    """Base of a program's settings. A subclass names its variables' prefix and its default file."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    default_file: ClassVar[Path]
    other_variables: ClassVar[frozenset[str]] = frozenset()
    """Variables with the prefix that are not settings of this model."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but what ``load_settings`` passes: it reads file and variables itself, to order and to blame them."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


S = TypeVar("S", bound=ProgramSettings)


def load_settings(model: type[S], path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> S:
    """Read settings from ``path`` (or ``<PREFIX>CONFIG``, or the default file if it is there), then variables.

    Args:
        model: What to read.
        path: The TOML file.
        overrides: Values from the command line; they win over variables, which win over the file.

    Raises:
        SettingsInvalid: The file cannot be read, or any key or variable is unknown or invalid; lists all of them.
    """
    problems: list[str] = []
    values = {**_read_file(model, path, problems), **_read_variables(model, problems), **(overrides or {})}
    try:
        settings = model(**values)
    except ValidationError as err:
        for error in err.errors(include_url=False, include_context=False, include_input=False):
            where = ".".join(str(part) for part in error["loc"]) or "(settings)"
            problems.append(f"{where}: {'unknown key' if error['type'] == 'extra_forbidden' else error['msg']}")
    if problems:
        raise SettingsInvalid(problems)
    return settings


def _read_file(model: type[ProgramSettings], path: Path | None, problems: list[str]) -> dict[str, Any]:
    named = os.environ.get(f"{model.model_config['env_prefix']}CONFIG".upper())
    chosen = path or (Path(named) if named else None)
    try:
        return tomllib.loads((chosen or model.default_file).read_text("utf-8"))
    except OSError as err:
        if chosen is not None or not isinstance(err, FileNotFoundError):
            problems.append(f"{chosen or model.default_file}: cannot be read ({err.strerror})")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        problems.append(f"{chosen or model.default_file}: not valid TOML ({err})")
    return {}


def _read_variables(model: type[ProgramSettings], problems: list[str]) -> dict[str, Any]:
    prefix = model.model_config["env_prefix"].upper()
    known = {f"{prefix}{name}".upper() for name in (*model.model_fields, "config")} | model.other_variables
    # Any case: pydantic-settings reads outpost_listen_port too.
    present = {name for name in os.environ if name.upper().startswith(prefix)}
    problems += [f"{name}: unknown variable" for name in sorted(present) if name.upper() not in known]
    source = EnvSettingsSource(model)
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value, _, is_complex = source.get_field_value(field, name)
        if value is None:
            continue
        try:
            values[name] = source.prepare_field_value(name, field, value, is_complex)
        except ValueError:  # a list or a table that is not JSON; the error quotes it
            problems.append(f"{prefix}{name.upper()}: not valid JSON")
    return values
