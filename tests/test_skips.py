"""A run that skipped something says what was missing, and fails where nothing may be skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.skip(reason="Chromium is missing")
def test_a(): ...

@pytest.mark.skip(reason="Chromium is missing")
def test_b(): ...

def test_c():
    pytest.skip("npm is missing")

@pytest.mark.xfail(strict=True)
def test_d():
    raise ValueError
"""


@pytest.mark.parametrize("apart", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two processes"])
@pytest.mark.parametrize(
    ("tests", "no_skips", "code", "last_words"),
    [
        (TESTS, "", 0, "Not run: Chromium is missing (2); npm is missing"),
        (TESTS, "1", 1, "Not run, and AFTERSALE_NO_SKIPS is set: Chromium is missing (2); npm is missing"),
        ("def test_a(): ...", "1", 0, ""),
        ("import pytest\npytest.importorskip('no_such_thing')", "1", 5, "Not run, and AFTERSALE_NO_SKIPS is set"),
        ("def test_a(): assert False", "", 1, ""),
    ],
    ids=["skips are told", "skips fail a strict run", "nothing skipped", "a skipped file", "failures stay failures"],
)
def test_what_was_missing_is_the_closing_line(
    tmp_path: Path, tests: str, no_skips: str, code: int, last_words: str, apart: tuple[str, ...]
) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_inner.py").write_text(tests)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *apart, str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"AFTERSALE_NO_SKIPS": no_skips, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in run.stdout.splitlines() if line.startswith("Not run")]
    assert run.returncode == code, run.stdout
    assert len(said) == (1 if last_words else 0)
    assert all(line.startswith(last_words) for line in said)
