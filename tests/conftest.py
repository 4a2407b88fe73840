"""What a test run says of the tests it could not run, and when that is a failure."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgres import Server

#: With this set, as in CI, a skipped test fails the run.
NO_SKIPS = "AFTERSALE_NO_SKIPS"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL server for all tests that ask for it."""
    from tests.postgres import server

    with server() as running:
        yield running


def _reasons(reports: list[pytest.CollectReport | pytest.TestReport]) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ").strip() or "no reason given"] += 1
    return reasons


class _Skips:
    def __init__(self) -> None:
        self.reports: list[pytest.CollectReport | pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.reports.append(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # Where tests run in several processes, each of them collects all.
        if report.skipped and not any(report.nodeid == one.nodeid for one in self.reports):
            self.reports.append(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.reports and os.environ.get(NO_SKIPS) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.reports:
            missing = "; ".join(
                f"{reason} ({count})" if count > 1 else reason
                for reason, count in sorted(_reasons(self.reports).items())
            )
            verdict = f", and {NO_SKIPS} is set" if os.environ.get(NO_SKIPS) else ""
            terminalreporter.write_line(f"Not run{verdict}: {missing}", red=bool(verdict), yellow=not verdict)


def pytest_configure(config: pytest.Config) -> None:
    os.environ.pop("COLUMNS", None)  # of the terminal that asks, or of the process that runs beside: tables follow it
    config.pluginmanager.register(_Skips(), "aftersale-skips")
