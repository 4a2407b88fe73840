"""How the endpoint is configured, and that a mistake in it stops the start with its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import Limits, SettingsError, load
from tests.readme_blocks import ROOT

SETTINGS = """\
stores:
  eu:
    platform: woocommerce
    url: https://eu.acme.example
    credentials: {consumer_key: "${KEY}", consumer_secret: "${KEY}"}
policies: policies/
api_keys:
  - {name: widget, key: "${KEY}"}
"""
ENVIRONMENT = {"KEY": "a-key-of-twenty-characters", "AFTERSALE_SECRET": "0123456789abcdef0123456789abcdef"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "acme.yaml").write_text("policy: acme\nstores: [eu]\nrules: []\n")
    (tmp_path / "widget.json").write_text("{}")
    return tmp_path


def written(folder: Path, more: str) -> Path:
    path = folder / "aftersale.yaml"
    path.write_text(SETTINGS + more)
    return path


def test_without_a_word_the_endpoint_is_closed(folder: Path) -> None:
    settings = load(written(folder, ""), environment=ENVIRONMENT)
    assert settings.production is True
    assert settings.server.origins == ()
    assert (settings.documents.manifests, settings.documents.only) == ((), ())
    assert settings.limits == Limits()


def test_every_word_of_the_endpoint_can_be_set(folder: Path) -> None:
    settings = load(
        written(
            folder,
            "production: false\nserver: {origins: ['https://shop.example', 'http://localhost:3000']}\n"
            "documents: {manifests: [widget.json], only: [widget]}\nlimits: {cost: 500, aliases: 5}\n",
        ),
        environment=ENVIRONMENT,
    )
    assert settings.production is False
    assert settings.server.origins == ("https://shop.example", "http://localhost:3000")
    assert settings.documents.manifests == (folder / "widget.json",)
    assert settings.documents.only == ("widget",)
    assert (settings.limits.cost, settings.limits.aliases) == (500, 5)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("documents: {manifests: [missing.json]}\n", '9:25: there is no file "missing.json"'),
        ("documents: {manifest: [widget.json]}\n", 'did you mean "manifests"?'),
        ("server: {origins: ['*']}\n", "9:20: "),
        ("server: {origins: ['https://shop.example/path']}\n", "9:20: "),
        ("limits: {alias: 5}\n", 'did you mean "aliases"?'),
        ("limits: {cost: 1}\n", "9:16: "),
        ("production: maybe\n", "9:13: "),
    ],
)
def test_a_mistake_is_told_with_its_place(folder: Path, more: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(written(folder, more), environment=ENVIRONMENT)
    assert words in str(refused.value)


def test_a_manifest_that_is_none_stops_serve_with_one_sentence(folder: Path) -> None:
    written(folder, "documents: {manifests: [widget.json]}\n")
    run = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "serve", "--port", "0"],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert "widget.json: this is not a manifest of documents" in run.stderr
    assert "Traceback" not in run.stderr
