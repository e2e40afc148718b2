import pytest
from pydantic import SecretStr

from outpost.config import Config
from outpost.errors import ConfigError
from outpost.reload import WITH_AN_UPGRADE, WITH_NEW_WORKERS, reload

NOW = Config(workers=2, provider_keys={"openai": SecretStr("sk-before")})


def test_it_is_decided_of_every_setting_when_it_takes_effect():
    assert set(Config.model_fields) == WITH_NEW_WORKERS | WITH_AN_UPGRADE
    assert not WITH_NEW_WORKERS & WITH_AN_UPGRADE


def test_what_may_change_does_and_the_rest_is_named(tmp_path):
    (tmp_path / "key").write_text("sk-from-file\n")
    wanted = {"keepalive_timeout_s": 3, "listen_port": 9, "workers": 4, "provider_key_files": {"b": tmp_path / "key"}}
    read = reload(NOW, lambda: NOW.model_copy(update=wanted))
    assert read.changed == ("keepalive_timeout_s", "provider_key_files")
    assert read.waiting == ("listen_port", "workers")
    assert (read.config.keepalive_timeout_s, read.config.listen_port, read.config.workers) == (3, NOW.listen_port, 2)
    assert read.provider_keys == {"openai": "sk-before", "b": "sk-from-file"}
    assert "sk-" not in repr(read)


def test_a_key_file_is_read_again_though_no_setting_has_changed(tmp_path):
    key = tmp_path / "key"
    key.write_text("sk-1")
    now = NOW.model_copy(update={"provider_key_files": {"openai": key}})
    key.write_text("sk-2")
    read = reload(now, lambda: now)
    assert (read.changed, read.waiting, read.provider_keys) == ((), (), {"openai": "sk-2"})


@pytest.mark.parametrize(
    "wanted",
    [{"tls_certificate_file": "none.pem"}, {"provider_key_files": {"openai": "none"}}],
    ids=["a certificate", "a key"],
)
def test_a_file_that_is_not_there_changes_nothing(wanted, tmp_path):
    wanted = {
        name: {key: tmp_path / value for key, value in file.items()} if isinstance(file, dict) else tmp_path / file
        for name, file in wanted.items()
    }
    with pytest.raises(ConfigError):
        reload(NOW, lambda: NOW.model_copy(update=wanted))


def test_settings_that_do_not_validate_change_nothing():
    def read():
        raise ConfigError(["workers: Input should be less than or equal to 64"])

    with pytest.raises(ConfigError, match="workers"):
        reload(NOW, read)
