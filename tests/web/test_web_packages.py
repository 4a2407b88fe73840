"""What the web folder may depend on: exact versions with hashes, from whichever registry the machine uses."""

import json
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"


@pytest.fixture
def locked() -> dict[str, Any]:
    """Every package of the lock file, by its folder."""
    packages: dict[str, Any] = json.loads((WEB / "package-lock.json").read_text())["packages"]
    del packages[""]
    return packages


def test_the_lock_file_has_a_hash_and_no_download_address_for_every_package(locked: dict[str, Any]) -> None:
    assert [name for name, package in locked.items() if "integrity" not in package] == []
    assert [name for name, package in locked.items() if "resolved" in package] == []
    assert "://" not in json.dumps([{**package, "funding": None} for package in locked.values()])


def test_what_the_build_needs_is_locked_for_every_usual_machine(locked: dict[str, Any]) -> None:
    builds = {name.rsplit("/", 1)[1] for name in locked if name.startswith("node_modules/@esbuild/")}
    assert {"linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"} <= builds


def test_our_own_dependencies_are_named_by_exact_version() -> None:
    about = json.loads((WEB / "package.json").read_text())
    named = about["dependencies"] | about["devDependencies"]
    assert [name for name, version in named.items() if not version.replace(".", "").isdigit()] == []
