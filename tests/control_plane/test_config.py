import os
import tomllib
from pathlib import Path

import pytest

from control_plane.config import Config, load_config
from control_plane.errors import ConfigError

REFERENCE = Path(__file__).parents[2] / "deploy" / "control-plane.toml"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CONTROL_PLANE_"):
            monkeypatch.delenv(name)


def _uncommented():
    """The reference file with its optional keys switched on."""
    lines = REFERENCE.read_text().splitlines()
    return "\n".join(
        line.removeprefix("# ") if " = " in line and line[2:].split(" ")[0].isidentifier() else line for line in lines
    )


def test_the_reference_file_shows_every_key_and_its_default():
    assert set(tomllib.loads(_uncommented())) == set(Config.model_fields)
    assert load_config(REFERENCE) == Config()


def test_every_setting_is_described():
    assert [name for name, field in Config.model_fields.items() if not field.description] == []


def test_variables_win_over_the_file_and_arguments_over_both(tmp_path, monkeypatch):
    (tmp_path / "control-plane.toml").write_text('platform_port = 1\noutpost_port = 2\nserver_names = ["a"]\n')
    monkeypatch.setenv("CONTROL_PLANE_OUTPOST_PORT", "3")
    monkeypatch.setenv("CONTROL_PLANE_SERVER_NAMES", '["b", "::1"]')
    config = load_config(None, {"data_dir": tmp_path})
    assert (config.platform_port, config.outpost_port, config.server_names) == (1, 3, ["b", "::1"])
    assert config.data_dir == tmp_path
    assert config.sync_url(["::1"]) == "https://[::1]:3"
    assert config.enrol_url(["a"]) == "https://a:1"


def test_a_file_may_be_named_by_a_variable(tmp_path, monkeypatch):
    (tmp_path / "x.toml").write_text("token_lifetime_s = 60\n")
    monkeypatch.setenv("CONTROL_PLANE_CONFIG", str(tmp_path / "x.toml"))
    assert load_config().token_lifetime_s == 60


def test_every_problem_is_listed_at_once(tmp_path, monkeypatch):
    (tmp_path / "bad.toml").write_text('platfrom_port = 1\noutpost_port = "x"\ntoken_lifetime_s = 1\n')
    monkeypatch.setenv("CONTROL_PLANE_PLATFROM_PORT", "1")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "bad.toml")
    assert [problem.partition(":")[0] for problem in sorted(caught.value.problems)] == [
        "CONTROL_PLANE_PLATFROM_PORT",
        "outpost_port",
        "platfrom_port",
        "token_lifetime_s",
    ]


@pytest.mark.parametrize("content", [b"x", b"a = ", b"\xff"])
def test_a_file_that_is_not_toml_is_named(tmp_path, content):
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load_config(tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_config(tmp_path / "none.toml")


def test_a_variable_that_is_not_json_is_named(monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE_SERVER_NAMES", "a,b")
    with pytest.raises(ConfigError, match="server_names"):
        load_config()


def test_settings_do_not_show_a_database_password(monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE_DATABASE_URL", "postgresql://u:planted@db/x")
    assert "planted" not in repr(load_config())
