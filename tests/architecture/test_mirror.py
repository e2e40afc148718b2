"""Each source file has its test file at the same place under tests/, or a reason here why not."""

from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, source_modules

# Definitions without behaviour; whatever uses them tests them.
NO_BEHAVIOUR = {
    "outpost/documents/kinds.py": "constants",
    "outpost/errors.py": "exception classes",
    "outpost/protocol/audit_file.py": "two messages; tests/e2e/test_air_gap.py carries them",
    "outpost/protocol/codes.py": "an enumeration; test_documents walks it",
    "outpost/protocol/decisions.py": "a dataclass and two enumerations",
    "outpost/protocol/findings.py": "a dataclass and an enumeration",
    "outpost/policy/problems.py": "dataclasses and an enumeration",
    "outpost/protocol/model_provider.py": "an enumeration",
    "outpost/protocol/routes.py": "constants",
    "outpost/proxy/surfaces/surface.py": "dataclasses and a protocol",
    "outpost/scan/results.py": "dataclasses and an enumeration",
    "outpost/sync/limits.py": "constants",
    "outpost/translation/sent.py": "a dataclass and a protocol",
    "control_plane/errors.py": "exception classes",
    "control_plane/store/tables.py": "table definitions; the migrations' test compares them with the schema",
    "pki/errors.py": "exception classes",
}
# Behaviour that is tested through the file it was cut out of.
TESTED_IN = {
    "control_plane/air_gap.py": "tests/e2e/test_air_gap.py",
    "control_plane/commands/air_gap.py": "tests/e2e/test_air_gap.py",
    "control_plane/operations_core.py": "tests/control_plane/test_operations.py",
    "control_plane/registry_operations.py": "tests/control_plane/test_outposts.py",
    "control_plane/tenant_operations.py": "tests/control_plane/test_orgs.py",
    "outpost/air_gap.py": "tests/e2e/test_air_gap.py",
    "outpost/air_gap_commands.py": "tests/e2e/test_air_gap.py",
    "outpost/demo/processes.py": "tests/e2e/test_demo.py",
    "outpost/demo/stage.py": "tests/e2e/test_demo.py",
    "outpost/demo/story.py": "tests/e2e/test_demo.py",
    "outpost/clock_floor.py": "tests/outpost/test_app.py",
    "outpost/restore.py": "tests/outpost/test_app.py",
    "outpost/crew.py": "tests/e2e/test_workers.py",
    "outpost/worker.py": "tests/e2e/test_workers.py",
    "outpost/workers/member.py": "tests/e2e/test_workers.py",
    "outpost/dlp/detector.py": "tests/outpost/dlp/test_engine.py",
    "outpost/dlp/finder.py": "tests/outpost/dlp/test_dictionary.py",
    "outpost/given_lists.py": "tests/outpost/scan/test_command.py",
    "outpost/dlp/detectors/secrets_vendors_ai.py": "tests/outpost/dlp/detectors/test_secret_format.py",
    "outpost/dlp/detectors/secrets_vendors_business.py": "tests/outpost/dlp/detectors/test_secret_format.py",
    "outpost/dlp/detectors/secrets_vendors_cloud.py": "tests/outpost/dlp/detectors/test_secret_format.py",
    "outpost/dlp/detectors/secrets_vendors_code.py": "tests/outpost/dlp/detectors/test_secret_format.py",
    "outpost/dlp/detectors/secrets_vendors_named.py": "tests/outpost/dlp/detectors/test_secret_format.py",
    "outpost/dlp/phrases.py": "tests/outpost/dlp/test_identifiers.py",
    "outpost/policy_view.py": "tests/outpost/test_policy_commands.py",
    "outpost/proxy/parts.py": "tests/outpost/proxy/test_pipeline.py",
    "outpost/dlp/hold.py": "tests/outpost/dlp/test_stream.py",
}


def _test_file(module: Path) -> Path:
    return Path("tests", *module.parts[:-1], f"test_{module.name}")


def _needs_a_test(module: Path) -> bool:
    # Migrations run in every test that opens a store; `python -m` entry points only call main().
    return module.name not in {"__init__.py", "__main__.py"} and "migrations" not in module.parts


def test_each_module_has_its_test_file():
    modules = [path for path in source_modules() if _needs_a_test(path)]
    excepted = {*NO_BEHAVIOUR, *TESTED_IN}
    missing = [
        _test_file(module).as_posix()
        for module in modules
        if module.as_posix() not in excepted and not (ROOT / _test_file(module)).is_file()
    ]
    assert not missing, "write these, or say above why not:\n" + "\n".join(missing)


@pytest.mark.parametrize("name", [*NO_BEHAVIOUR, *TESTED_IN])
def test_no_exception_outlives_its_reason(name):
    assert (ROOT / name).is_file(), f"{name} is gone: drop its exception"
    assert not (ROOT / _test_file(Path(name))).is_file(), f"{name} has a test now: drop its exception"
    assert (ROOT / TESTED_IN.get(name, name)).is_file()


def test_init_files_hold_no_logic():
    for path in source_modules():
        if path.name == "__init__.py":
            code = compile((ROOT / path).read_text("utf-8"), str(path), "exec")
            assert not [const for const in code.co_consts if hasattr(const, "co_code")], f"{path} defines functions"
