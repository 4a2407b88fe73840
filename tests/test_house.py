"""The rules of the house that no other tool checks: names, docstrings, vendors, the environment, lock files."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

#: Every room the house may have; `execution` and others appear when they have something in them.
ROOMS = tuple(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
PACKAGES = tuple(room for room in ROOMS if (ROOT / room / "__init__.py").is_file())

VENDORS = ("shopify", "woocommerce", "magento", "bigcommerce", "recharge", "commercetools", "medusa")

TARGETS = ("demo", "test", "test-live", "check", "schema", "bench", "lock", "web")


def modules(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# ------------------------------------------------------------------ names
def test_every_room_is_known_to_the_build_and_to_the_import_directions() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert folders <= set(ROOMS)
    assert set(PACKAGES) <= set(PYPROJECT["tool"]["importlinter"]["root_packages"])


def test_no_installed_distribution_claims_the_name_of_one_of_our_rooms() -> None:
    claimed = importlib.metadata.packages_distributions()
    assert {room: set(claimed.get(room, ())) - {"aftersale"} for room in ROOMS} == {room: set() for room in ROOMS}
    assert not set(ROOMS) & sys.stdlib_module_names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_is_imported_from_this_repository(package: str) -> None:
    module = __import__(package)
    assert Path(str(module.__file__)).parent == ROOT / package


def test_every_module_opens_with_a_docstring() -> None:
    silent = [
        shown(path)
        for path in modules(*PACKAGES, "tests", "benchmarks")
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree(path))
    ]
    assert silent == []


def test_no_module_is_named_for_nothing() -> None:
    vague = re.compile(r"utils?|helpers?|managers?|misc|common")
    assert [shown(path) for path in modules(*PACKAGES) if vague.fullmatch(path.stem)] == []


def test_names_of_test_files_are_unique() -> None:
    names = [path.name for path in modules("tests") if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


# ------------------------------------------------------------------ rooms know their business
def vendor_words(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each identifier or string that says a vendor's name; docstrings may."""
    docstrings = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module):
        said: list[Any] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            said = [node.value]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.alias):
            said = [node.name, getattr(node, "asname", None)]
        elif isinstance(node, ast.Name):
            said = [node.id]
        elif isinstance(node, ast.Attribute):
            said = [node.attr]
        elif isinstance(node, ast.arg | ast.keyword):
            said = [node.arg]
        elif isinstance(node, ast.ImportFrom):
            said = [node.module]
        for text in said:
            if text and any(vendor in re.sub(r"[_\s-]", "", text).lower() for vendor in VENDORS):
                yield getattr(node, "lineno", 0), text


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("class WooCommerce: ...", ["WooCommerce"]),
        ("def ask_shopify(x): ...", ["ask_shopify"]),
        ("x = 'acme.myshopify.com'", ["acme.myshopify.com"]),
        ("from platforms.recharge.adapter import A", ["platforms.recharge.adapter"]),
        ("f(medusa=1)", ["medusa"]),
        ("'''As Shopify says.'''\ndef f():\n    'Like Magento.'  # and Medusa\nx = 1\n'As Recharge does.'", []),
    ],
)
def test_a_vendor_is_found_in_code_and_not_in_prose(code: str, found: list[str]) -> None:
    assert [text for _, text in vendor_words(ast.parse(code))] == found


def test_a_vendor_is_named_only_in_its_own_folder() -> None:
    vendor_folders = tuple(f"platforms/{vendor}/" for vendor in VENDORS)
    named = [
        f"{shown(path)}:{line}: {text[:60]}"
        for path in modules(*(room for room in PACKAGES if room != "sandbox"))
        if not shown(path).startswith(vendor_folders) and shown(path) != "platforms/registry.py"
        for line, text in vendor_words(tree(path))
    ]
    assert named == []


def test_no_platform_imports_another() -> None:
    crossed = [
        f"{shown(path)}: {name}"
        for vendor in VENDORS
        for path in modules(f"platforms/{vendor}")
        for name in imported(tree(path))
        if any(name.startswith(f"platforms.{other}") for other in VENDORS if other != vendor)
    ]
    assert crossed == []


def test_a_simulator_does_not_know_the_mapping_it_is_there_to_check() -> None:
    knowing = [
        shown(path)
        for path in (ROOT / "platforms").glob("*/simulator*.py")
        if any(re.match(rf"platforms\.{path.parent.name}\.mapping\b", name) for name in imported(tree(path)))
    ]
    assert knowing == []


def test_only_the_gateway_reads_the_environment() -> None:
    readers = ("environ", "environb", "getenv", "getenvb")
    reading = [
        shown(path)
        for path in modules(*(room for room in PACKAGES if room != "gateway"))
        for module in [tree(path)]
        if any(isinstance(node, ast.Attribute) and node.attr in readers for node in ast.walk(module))
        or {f"os.{name}" for name in readers} & set(imported(module))
    ]
    assert reading == []


# ------------------------------------------------------------------ the frame
def documented_targets() -> set[str]:
    pages = [page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md") if page.exists()]
    return {target for page in pages for target in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))}


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing")
def test_make_knows_every_target_that_is_documented() -> None:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    unknown = [
        target
        for target in sorted(documented_targets() | set(TARGETS))
        if subprocess.run(["make", "-n", target], cwd=ROOT, env=outside, capture_output=True, check=False).returncode
    ]
    assert unknown == []


def test_the_continuous_integration_runs_make_check_and_skips_nothing() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in text
    assert "export AFTERSALE_NO_SKIPS=1" in text
    assert text.rstrip().endswith("exec make check")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_holds_versions_and_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|file:|--index|--find-links|--extra-index| @ |^/|(?<=\s)/", text, re.MULTILINE)
    pinned = re.split(r"\n(?=[a-z0-9])", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    assert len(pinned) > 40
    assert [
        entry for entry in pinned if not re.match(r"[a-z0-9.-]+==\S+.*(\\\n +--hash=sha256:[0-9a-f]{64} ?)+$", entry)
    ] == []


def test_both_lock_files_agree_and_hold_every_dependency() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=;! ]", requirement)[0].replace(".", "-") for requirement in requirements}

    run, dev, project = pins("requirements.lock"), pins("requirements-dev.lock"), PYPROJECT["project"]
    assert run.items() <= dev.items()
    assert names(project["dependencies"]) | {"hatchling"} <= set(run)
    assert names(project["optional-dependencies"]["dev"]) <= set(dev)


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    asked = re.findall(r'^    "[a-z-]+(?:\.[a-z]+)?>=.*$', text, re.MULTILINE)
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    assert len(asked) == len(PYPROJECT["project"]["dependencies"]) + sum(map(len, extras))
    assert [line for line in asked if not re.search(r'",\s+# \S+', line)] == []


def node_locks() -> list[Path]:
    """The folders with a lock file of Node's; what is installed is not ours."""
    found = []
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if name != "node_modules" and not name.startswith(".")]
        found += [Path(folder)] if "package-lock.json" in files else []
    return sorted(found)


def test_the_lock_files_of_node_are_found() -> None:
    assert {"web", "tests/protocol", "benchmarks/peers"} <= {shown(folder) for folder in node_locks()}


@pytest.mark.parametrize("folder", node_locks(), ids=shown)
def test_a_lock_file_of_node_holds_versions_and_hashes_and_no_address_either(folder: Path) -> None:
    packages = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
    # Whom to thank and what to use instead are words of the packages' authors; nothing is fetched from there.
    words = {"funding", "deprecated"}
    assert [
        (name, key)
        for name, package in packages.items()
        for key, value in package.items()
        if key not in words and "://" in json.dumps(value)
    ] == []


@pytest.mark.parametrize("folder", node_locks(), ids=shown)
def test_the_settings_of_node_keep_addresses_out_and_name_no_registry(folder: Path) -> None:
    settings = (folder / ".npmrc").read_text(encoding="utf-8").split()
    assert "omit-lockfile-registry-resolved=true" in settings
    assert not any("://" in line or line.startswith("//") for line in settings)


@pytest.mark.parametrize("folder", node_locks(), ids=shown)
def test_what_we_ask_of_node_is_named_by_exact_version(folder: Path) -> None:
    about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    named = about.get("dependencies", {}) | about.get("devDependencies", {})
    assert named
    assert [f"{name} {version}" for name, version in named.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
