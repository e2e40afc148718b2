import os
import re
from pathlib import Path

import pytest

from outpost.config import Config, load_config
from outpost.errors import ConfigError
from tests.architecture.repository import ROOT

REFERENCE = ROOT / "deploy" / "outpost.toml"
SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.upper().startswith("OUTPOST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_reference_file_states_the_defaults():
    assert load_config(REFERENCE) == Config()


def test_the_reference_files_commented_keys_are_valid_too(tmp_path):
    text = re.sub(r"^# (?=[a-z_]+ = )", "", REFERENCE.read_text("utf-8"), flags=re.MULTILINE)
    file = tmp_path / "all.toml"
    file.write_text(text, "utf-8")
    config = load_config(file)
    assert config.model_fields_set == set(Config.model_fields)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("listen_port", "65536"),
        ("admin_port", "-1"),
        ("max_chat_bytes", "1023"),
        ("max_chat_bytes", "33554433"),
        ("max_concurrent_requests", "0"),
        ("body_timeout_s", "0"),
        ("body_timeout_s", "nan"),
        ("body_timeout_s", "inf"),
        ("shutdown_grace_s", "-1"),
        ("log_level", '"trace"'),
        ("log_level", '"info\\n"'),
        ("control_plane_url", '"http://cp.example:8100"'),
        ("control_plane_url", '"https://cp.example:8100/enroll"'),
        ("control_plane_url", '"https://cp.example\\n"'),
        ("provider_keys", "[]"),
        ("data_dir", "7"),
    ],
)
def test_values_beyond_their_limits_are_named(tmp_path, key, value):
    file = tmp_path / "bad.toml"
    file.write_text(f"{key} = {value}\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [key]


def test_all_problems_at_once_and_no_secret_among_them(monkeypatch, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text(
        f'listen_prot = 1\nadmin_port = "x"\n[provider_key_files]\nopenai = 7\n[provider_keys]\na = ["{SECRET}"]'
    )
    monkeypatch.setenv("OUTPOST_ENROLMENT_TOKN", SECRET)
    monkeypatch.setenv("OUTPOST_CONTROL_PLANE_URL", f"https://user:{SECRET}@cp.example/x")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert SECRET not in str(caught.value)
    assert sorted(problem.split(":")[0] for problem in caught.value.problems) == [
        "OUTPOST_ENROLMENT_TOKN",
        "admin_port",
        "control_plane_url",
        "listen_prot",
        "provider_key_files.openai",
        "provider_keys.a",
    ]


def test_secrets_are_not_shown(monkeypatch):
    monkeypatch.setenv("OUTPOST_ENROLMENT_TOKEN", SECRET)
    monkeypatch.setenv("OUTPOST_PROVIDER_KEYS", f'{{"openai": "{SECRET}"}}')
    config = load_config()
    assert SECRET not in repr(config) + config.model_dump_json()
    assert config.enrolment_token.get_secret_value() == SECRET
    assert config.provider_keys["openai"].get_secret_value() == SECRET


def test_the_command_line_wins_over_the_variable(monkeypatch):
    monkeypatch.setenv("OUTPOST_DATA_DIR", "/from/variable")
    assert load_config().data_dir == Path("/from/variable")
    assert load_config(overrides={"data_dir": Path("/from/option")}).data_dir == Path("/from/option")
