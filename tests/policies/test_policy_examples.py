"""Every policy that is shipped comes with both answers, and gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from policies.check import CaseResult, check, run_cases
from policies.processor import PolicyProcessor
from schema.vocabulary import Verdict
from tests.policies.nouns import ACME, EXAMPLES, STORES, load

FILES = sorted([*EXAMPLES.glob("*.yaml"), ACME])


def _results() -> Iterator[CaseResult]:
    for file in FILES:
        yield from run_cases(PolicyProcessor.load(file, STORES))


@pytest.mark.parametrize("result", list(_results()), ids=lambda result: f"{result.policy}: {result.case.name}")
def test_a_case_comes_out_as_it_is_written(result: CaseResult) -> None:
    assert result.differences == ()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_policy_has_cases_for_every_verdict(file: Path) -> None:
    assert {result.verdict for result in run_cases(PolicyProcessor.load(file, STORES))} == set(Verdict)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_files_that_are_shipped_hold_no_mistake(file: Path) -> None:
    assert check(file, STORES).mistakes == ()


README = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
WRITTEN = re.findall(r"^```yaml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", WRITTEN, ids=lambda text: text.partition("\n")[0])
def test_an_example_of_the_readme_loads_and_comes_out_as_it_is_written(text: str, tmp_path: Path) -> None:
    results = run_cases(load(text, tmp_path))
    assert [(each.case.name, each.differences) for each in results if not each.ok] == []
    assert len(results) == text.count("  - name: ")


def test_the_readme_has_examples() -> None:
    assert sum(text.count("  - name: ") for text in WRITTEN) >= 6


def test_a_case_that_does_not_come_out_says_how(tmp_path: Path) -> None:
    text = (
        (EXAMPLES / "grocery.yaml")
        .read_text()
        .replace("expect: {verdict: DENY, rule: cancel-early, code: WINDOW_EXPIRED}", "expect: {verdict: ALLOW}")
    )
    (tmp_path / "p.yaml").write_text(text)
    wrong = [each for each in run_cases(PolicyProcessor.load(tmp_path, STORES)) if not each.ok]
    assert [(each.case.name, each.differences) for each in wrong] == [
        ("cancelled after an hour", ("expected ALLOW, came out DENY by cancel-early WINDOW_EXPIRED",))
    ]


def test_a_permission_that_rests_on_the_asker_alone_is_remarked() -> None:
    remarks = check(EXAMPLES / "fashion.yaml", STORES).remarks
    assert [(each.line, each.message.split(":")[0]) for each in remarks] == [(21, "final-sale"), (29, "worn-goods")]
    assert all("(request." in each.message for each in remarks)
