from outpost.models.options import WorkerSettings
from outpost.protocol.model_provider import Provider


def test_settings_come_back():
    settings = WorkerSettings((3, 4), "/pack", Provider.CPU, 2, 1, 5, 6, 7)
    assert WorkerSettings.from_json(settings.to_json()) == settings
