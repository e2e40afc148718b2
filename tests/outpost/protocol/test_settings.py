import os
import traceback
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from outpost.protocol.settings import ProgramSettings, SettingsInvalid, load_settings

SECRET = "hunter2-hunter2"


class Sample(ProgramSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")
    default_file: ClassVar[Path] = Path("sample.toml")
    other_variables: ClassVar[frozenset[str]] = frozenset({"SAMPLE_OF_ANOTHER_PROGRAM"})

    port: int = Field(default=80, ge=0, le=65_535)
    name: str = Field(default="x", pattern="^[a-z]+$")
    token: SecretStr | None = None
    keys: dict[str, SecretStr] = Field(default={})
    names: list[str] | None = None
    directory: Path = Path("data")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.upper().startswith("SAMPLE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def problems_of(path=None, overrides=None) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(Sample, path, overrides)
    # Nothing that may end up in a log, a terminal or a crash report holds a secret.
    shown = str(caught.value) + repr(caught.value) + "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    return caught.value.problems


def write(text: str, name="sample.toml") -> Path:
    path = Path(name)
    path.write_text(text, "utf-8")
    return path


def test_defaults_need_neither_file_nor_variable():
    assert load_settings(Sample) == Sample()


def test_the_default_file_is_read_if_it_is_there():
    write("port = 81")
    assert load_settings(Sample).port == 81


def test_command_line_over_variable_over_file(monkeypatch):
    write('port = 81\nname = "file"\ndirectory = "file"')
    monkeypatch.setenv("SAMPLE_PORT", "82")
    monkeypatch.setenv("SAMPLE_NAME", "variable")
    settings = load_settings(Sample, overrides={"port": 83})
    assert (settings.port, settings.name, settings.directory) == (83, "variable", Path("file"))


def test_a_named_file_over_the_variable_that_names_one(monkeypatch):
    monkeypatch.setenv("SAMPLE_CONFIG", str(write("port = 81", "a.toml")))
    assert load_settings(Sample).port == 81
    assert load_settings(Sample, write("port = 82", "b.toml")).port == 82


def test_an_object_in_a_variable_is_json_and_replaces_the_files(monkeypatch):
    write('[keys]\nfile = "f"')
    monkeypatch.setenv("SAMPLE_KEYS", '{"variable": "v"}')
    monkeypatch.setenv("SAMPLE_NAMES", '["a", "b"]')
    settings = load_settings(Sample)
    assert {name: key.get_secret_value() for name, key in settings.keys.items()} == {"variable": "v"}
    assert settings.names == ["a", "b"]


def test_every_problem_is_listed_at_once(monkeypatch):
    write(f'port = "no"\nportt = 1\ntoken = "{SECRET}"\n[keys]\na = 1')
    monkeypatch.setenv("SAMPLE_NAME", SECRET)
    monkeypatch.setenv("SAMPLE_NMAE", SECRET)
    monkeypatch.setenv("SAMPLE_NAMES", f'["{SECRET}"')
    problems = problems_of(overrides={"directory": 7})
    assert sorted(problem.split(":")[0] for problem in problems) == [
        "SAMPLE_NMAE",
        "directory",
        "keys.a",
        "name",
        "names",
        "port",
        "portt",
    ]
    assert "SAMPLE_NMAE: unknown variable" in problems
    assert "portt: unknown key" in problems


def test_a_misspelt_variable_of_any_case_is_noticed(monkeypatch):
    monkeypatch.setenv("sample_prot", "81")
    assert problems_of() == ["sample_prot: unknown variable"]


def test_a_variable_of_any_case_counts(monkeypatch):
    monkeypatch.setenv("sample_port", "81")
    assert load_settings(Sample).port == 81


def test_variables_of_others_are_left_alone(monkeypatch):
    monkeypatch.setenv("SAMPLE_OF_ANOTHER_PROGRAM", "1")
    monkeypatch.setenv("SAMPLER", "1")
    assert load_settings(Sample) == Sample()


def test_a_secret_of_the_wrong_type_is_not_shown(monkeypatch):
    write(f'token = ["{SECRET}"]')
    assert len(problems_of()) == 1
    monkeypatch.setenv("SAMPLE_KEYS", f'{{"a": "{SECRET}"')
    write("")
    assert problems_of() == ["SAMPLE_KEYS: not valid JSON"]


def test_a_missing_named_file_is_a_problem(monkeypatch):
    assert problems_of(Path("nowhere.toml")) == ["nowhere.toml: cannot be read (No such file or directory)"]
    monkeypatch.setenv("SAMPLE_CONFIG", "elsewhere.toml")
    assert problems_of() == ["elsewhere.toml: cannot be read (No such file or directory)"]


def test_a_directory_in_the_files_place_is_a_problem():
    Path("sample.toml").mkdir()
    assert problems_of() == ["sample.toml: cannot be read (Is a directory)"]


@pytest.mark.parametrize(
    "text", ["port = ", f'port = 1\nport = "{SECRET}"', f"token = {SECRET}", "[keys", f'token = "{SECRET}']
)
def test_bad_toml_is_located_and_not_quoted(text):
    (problem,) = problems_of(write(text))
    assert problem.startswith("sample.toml: not valid TOML (")


def test_a_file_that_is_not_text_is_a_problem():
    Path("sample.toml").write_bytes(b"port = \xff")
    (problem,) = problems_of()
    assert "not valid TOML" in problem


def test_settings_cannot_be_changed_and_hide_their_secrets():
    settings = Sample(token=SecretStr(SECRET), keys={"a": SecretStr(SECRET)})
    assert SECRET not in repr(settings) + str(settings.model_dump_json())
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_making_a_model_reads_no_variable(monkeypatch):
    monkeypatch.setenv("SAMPLE_PORT", "82")
    assert Sample().port == 80


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_file_gives_settings_or_one_error(data):
    path = Path("any.toml")
    path.write_bytes(data)
    try:
        loaded = load_settings(Sample, path)
    except SettingsInvalid as err:
        assert err.problems  # noqa: PT017 - what is asserted is the only alternative
        return
    assert isinstance(loaded, Sample)
