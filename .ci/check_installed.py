"""Checks a built wheel and its installation: every module imports, and nothing that is not Python was left out.

Usage: check_installed.py WHEEL CHECKOUT
"""

import importlib
import importlib.util
import pkgutil
import sys
import zipfile
from pathlib import Path

PACKAGES = ("pki", "outpost", "control_plane")
NOT_SHIPPED = {"__pycache__"}
# Modules that need an extra of the package, which the plain installation does not bring; the tests import them.
OF_EXTRAS = {"pki.keystores.pkcs11", "pki.keystores.vault", "pki.keystores.azure"}


def missing_from_wheel(names: set[str], checkout: Path) -> list[str]:
    """Files of the packages in the checkout (typing markers, migrations, templates, code) that the wheel lacks."""
    expected = {
        path.relative_to(checkout).as_posix()
        for package in PACKAGES
        for path in (checkout / package).rglob("*")
        if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }
    return sorted(expected - names)


def foreign_to_wheel(names: set[str]) -> list[str]:
    """Files in the wheel that belong to none of the packages."""
    return sorted(name for name in names if name.split("/")[0] not in PACKAGES and ".dist-info/" not in name)


def import_everything(checkout: Path) -> int:
    """Import every module from the installation, and say how many there were."""
    count = 0
    for package in PACKAGES:
        found = importlib.import_module(package)
        origin = Path(next(iter(found.__path__)))
        if origin.is_relative_to(checkout):
            sys.exit(f"{package} was imported from the checkout, not from the wheel")
        for module in pkgutil.walk_packages(found.__path__, prefix=f"{package}."):
            if "__main__" in module.name or ".migrations." in module.name:
                continue  # these run when imported
            if module.name in OF_EXTRAS:
                continue
            importlib.import_module(module.name)
            count += 1
    return count


def main() -> None:
    wheel, checkout = Path(sys.argv[1]), Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    problems = [f"missing from the wheel: {name}" for name in missing_from_wheel(names, checkout)]
    problems += [f"does not belong in the wheel: {name}" for name in foreign_to_wheel(names)]
    problems += [f"no typing marker: {package}" for package in PACKAGES if f"{package}/py.typed" not in names]
    for what in ("licenses/LICENSE", "entry_points.txt"):
        if not any(name.endswith(f".dist-info/{what}") for name in names):
            problems.append(f"missing from the wheel's metadata: {what}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"wheel: {len(names)} files, {import_everything(checkout)} modules import")


if __name__ == "__main__":
    main()
