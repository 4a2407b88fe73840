"""GraphiQL over the whole product: the demo as a newcomer starts it, its five tabs in a real browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(graphiql_assets: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "demo", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                    break
            except OSError:
                assert process.poll() is None, "the demo ended before it was ready"
                time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


@pytest.mark.browser
def test_the_five_tabs_answer_in_a_real_browser(demo: str, open_graphiql: Callable[[str], Any]) -> None:
    page = open_graphiql(f"{demo}/graphiql")
    labels = page.tabs()
    assert labels == ["WhoIsThis", "WhereIsMyOrder", "MayIReturnIt", "CancelIt", "PauseIt"]
    answers = {}
    for label in labels:
        page.open_tab(label)
        answers[label] = page.run()
        assert "errors" not in answers[label], answers[label]
    customer = answers["WhoIsThis"]["data"]["customer"]
    assert customer["displayName"] == "Ada Lovelace"
    assert customer["complete"] is True
    assert {"1001", "1002", "1003", "2001", "2004"} <= {order["number"] for order in customer["orders"]["nodes"]}
    [order] = answers["WhereIsMyOrder"]["data"]["lookupOrder"]["orders"]
    assert re.fullmatch(r"1Z[0-9A-Z]+", order["fulfillments"][0]["trackingNumber"])
    lines = answers["MayIReturnIt"]["data"]["order"]["lines"]
    assert [line["eligibility"][0]["next"] for line in lines] == ["CONFIRM", "CONFIRM"]
    cancelled = answers["CancelIt"]["data"]["cancelOrder"]
    assert cancelled["problem"] is None
    assert cancelled["action"]["state"] in ("PENDING", "SUCCEEDED")
    paused = answers["PauseIt"]["data"]["pauseSubscription"]
    assert paused["problem"] is None
    assert paused["subscription"]["status"] == "PAUSED"
    page.open_tab("CancelIt")
    assert page.run()["data"]["cancelOrder"]["replayed"] is True
    assert page.complaints() == []
    assert all(request.startswith(demo) for request in page.requests() if not request.startswith(("data:", "blob:")))
