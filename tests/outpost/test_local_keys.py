import pytest

from outpost.config import Config
from outpost.errors import ConfigError
from outpost.local_keys import local_list_keys, local_provider_keys
from outpost.protocol.list_file import encode_list_key
from tests.outpost.dlp.org_lists import KEY


def test_list_key_files_are_read_or_all_named(tmp_path):
    (tmp_path / "key.json").write_bytes(encode_list_key(KEY))
    (tmp_path / "other").write_text("x", "utf-8")
    assert local_list_keys(Config(list_key_files=[tmp_path / "key.json"])) == {KEY.id: KEY.value}
    with pytest.raises(ConfigError) as caught:
        local_list_keys(Config(list_key_files=[tmp_path / "other", tmp_path / "missing"]))
    assert len(caught.value.problems) == 2


def test_unreadable_provider_keys_are_listed_at_once(tmp_path):
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    files = {name: tmp_path / name for name in ("missing", "empty", "binary")}
    with pytest.raises(ConfigError) as caught:
        local_provider_keys(Config(provider_key_files=files, provider_keys={"blank": ""}))
    assert len(caught.value.problems) == 4
    assert "No such file" in str(caught.value)
