"""Keys that a site keeps to itself: of providers and of lists, from files and variables; they win over sealed ones."""

from outpost.config import Config
from outpost.errors import ConfigError
from outpost.protocol.list_file import ListKeyInvalid, parse_list_key


def local_provider_keys(config: Config) -> dict[str, str]:
    """Provider keys from variables and files; a file wins.

    Raises:
        ConfigError: A file cannot be read or is empty.
    """
    keys = {provider: secret.get_secret_value() for provider, secret in config.provider_keys.items()}
    problems = []
    for provider, path in config.provider_key_files.items():
        try:
            keys[provider] = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            reason = err.strerror if isinstance(err, OSError) else "not text"
            problems.append(f"provider_key_files.{provider}: {path} cannot be read ({reason})")
    problems += [f"provider key for {provider} is empty" for provider, key in keys.items() if not key]
    if problems:
        raise ConfigError(problems)
    return keys


def local_list_keys(config: Config) -> dict[str, bytes]:
    """List keys from files, by id.

    Raises:
        ConfigError: A file cannot be read or is no key file.
    """
    keys, problems = {}, []
    for path in config.list_key_files:
        try:
            key = parse_list_key(path.read_bytes())
        except OSError as err:
            problems.append(f"list_key_files: {path} cannot be read ({err.strerror})")
        except ListKeyInvalid:
            problems.append(f"list_key_files: {path} is not a list key file")
        else:
            keys[key.id] = key.value
    if problems:
        raise ConfigError(problems)
    return keys
