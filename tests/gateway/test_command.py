"""The `aftersale` command as a person types it: a process of its own, what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from policies.facts import FACTS
from sandbox.world import PLANS

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that a command may take on a slow machine.
PATIENCE = 60.0

CONFIG = """\
stores:
  us:
    platform: shopify
    shop: acme-us
    time_zone: America/New_York
    credentials: {token: "${SHOP_TOKEN}"}
policies: policies/
api_keys: [{name: bot, key: "${BOT_KEY}"}]
"""
POLICY = """\
policy: small
stores: [us]
rules:
  - id: cancel
    action: CANCEL_ORDER
    window: {minutes: 30, from: ORDERED}
    then: ALLOW
"""
SECRETS = {
    "SHOP_TOKEN": "shpat_of-nobody",
    "BOT_KEY": "bot-key-of-a-merchant",
    "AFTERSALE_SECRET": "0123456789abcdef0123456789abcdef",
}


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(secrets: dict[str, str]) -> dict[str, str]:
    """This process's, less what would change the command, with a terminal wide enough for every table."""
    kept = {key: value for key, value in os.environ.items() if key not in {*SECRETS, "HOST", "PORT"}}
    return kept | secrets | {"COLUMNS": "250", "NO_COLOR": "1"}


def here(*words: str | Path) -> Ran:
    """`aftersale` with these words in this process, which has it loaded already: for what only prints or refuses."""
    found = CliRunner().invoke(app, [*map(str, words)], env=SECRETS)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return Ran(found.exit_code, found.stdout, found.stderr)


def run(*words: str | Path, secrets: dict[str, str] | None = None) -> Ran:
    """`aftersale` with these words in a process of its own, to its end. No command may show a Python traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *map(str, words)],
        cwd=ROOT,
        env=environment(SECRETS if secrets is None else secrets),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    assert "Traceback" not in done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "small.yaml").write_text(POLICY, "utf-8")
    path = tmp_path / "aftersale.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


# ------------------------------------------------------------------ what is printed
def test_the_schema_is_the_committed_one() -> None:
    ran = run("schema")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (ROOT / "schema" / "schema.graphql").read_text("utf-8")


def test_the_sandboxs_policy_has_no_mistakes() -> None:
    ran = here("policy", "check", "--sandbox")
    assert (ran.code, ran.out.startswith("ok: acme-abroad, acme, ")) == (0, True)


def test_the_sandboxs_policy_comes_out_as_its_cases_say() -> None:
    ran = here("policy", "test", "--sandbox")
    cases, _, of = ran.out.partition(" of ")
    assert (ran.code, ran.err) == (0, "")
    assert int(cases) >= 10
    assert of == f"{cases} cases came out as expected\n"


def test_the_facts_are_told_with_who_never_knows_them() -> None:
    ran = run("policy", "facts", "--sandbox")
    assert ran.code == 0
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ran.out.splitlines() if line.startswith("│")]
    rows = {name: rest for name, *rest in cells if name}
    assert set(rows) == set(FACTS)
    stores = [plan.key for plan in PLANS]
    said = dict(zip(stores, rows["subscription.status"][-len(stores) :], strict=True))
    assert said == {store: "yes" if store in ("eu", "subs", "de") else "never" for store in stores}
    assert rows["request.reason"][1].endswith("(a claim)")
    assert {word for rest in rows.values() for word in rest[-len(stores) :] if word} <= {"yes", "never"}


def test_a_decision_is_explained_with_its_arithmetic() -> None:
    ran = run("policy", "explain", "Order:us:450789003", "RETURN_ORDER", "--sandbox")
    assert (ran.code, ran.err) == (0, "")
    first, *rest = ran.out.splitlines()
    assert first == "DENY: return order, order 1003, store us"
    said = [line.strip() for line in rest]
    assert "asked: 1 x Canvas Tote" in said
    assert "days_since = 31" in said
    assert "window = 30 days" in said
    assert "days_late = 1" in said
    assert any(line.startswith("line.delivered_at = ") and line.endswith("(DELIVERED)") for line in said)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Order:xx:1", "RETURN_ORDER"], "ID: there is no store 'xx'; the stores are us, eu, subs"),
        (["Product:us:1", "RETURN_ORDER"], "ID: RETURN_ORDER is asked of an id like Order:us:1001"),
        (["Order:us:1", "NOTHING"], "ACTION: 'NOTHING' is none of CANCEL_ORDER, RETURN_ORDER,"),
    ],
)
def test_what_cannot_be_explained_says_why(words: list[str], says: str) -> None:
    ran = here("policy", "explain", *words, "--sandbox")
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


# ------------------------------------------------------------------ what is refused
def test_a_good_configuration_is_checked_without_a_call(config: Path) -> None:
    ran = here("check", "--offline", "--config", config)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "configuration  ok: 1 stores"
    assert ran.out.splitlines()[1].startswith("policy         ok: small (")


def test_every_mistake_of_a_configuration_is_named_with_its_place_and_cure(config: Path) -> None:
    config.write_text(CONFIG.replace("platform: shopify", "platform: shopfy") + "databse: x\n", "utf-8")
    ran = run("check", "--config", config, secrets=SECRETS | {"BOT_KEY": ""})
    assert (ran.code, ran.out) == (1, "")
    lines = ran.err.splitlines()
    assert f'{config}:3:15: there is no platform "shopfy" (did you mean "shopify"?)' in lines
    assert f'{config}:9:1: unknown key "databse" (did you mean "database"?)' in lines
    assert any(line.startswith(f"{config}:8:") and "BOT_KEY" in line for line in lines)


def test_a_misspelt_policy_is_refused_by_check_and_by_serve_alike(config: Path) -> None:
    path = config.parent / "policies" / "small.yaml"
    path.write_text(POLICY.replace("minutes: 30", "minuts: 30"), "utf-8")
    for words in (["check", "--offline"], ["serve"]):
        ran = here(*words, "--config", config)
        assert (ran.code, ran.out) == (1, "")
        assert f"{path}:6:14: " in ran.err
        assert "did you mean minutes?" in ran.err


def test_a_gateway_without_an_api_key_does_not_start(config: Path) -> None:
    config.write_text(CONFIG.replace('api_keys: [{name: bot, key: "${BOT_KEY}"}]\n', ""), "utf-8")
    ran = here("serve", "--config", config)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"{config}:")
    assert "no API key is configured" in ran.err
    assert "api_keys:" in ran.err


# ------------------------------------------------------------------ what runs until it is told to end
class Running:
    """A command that serves. What it says is collected while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        for stream, kept in ((process.stdout, self.out), (process.stderr, self.err)):
            threading.Thread(target=lambda s=stream, k=kept: k.extend(iter(s.readline, "")), daemon=True).start()

    def says(self, words: str) -> None:
        """Waits until it has."""
        until = time.monotonic() + PATIENCE
        while not any(words in line for line in (*self.out, *self.err)):
            assert time.monotonic() < until, (self.out, self.err)
            assert self.process.poll() is None, (self.out, self.err)
            time.sleep(0.02)

    def interrupted(self) -> int:
        """Its exit status after a Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE)


@contextmanager
def running(*words: str | Path) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *map(str, words)],
        cwd=ROOT,
        env=environment(SECRETS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield Running(process)
    finally:
        for child in (*psutil.Process(process.pid).children(recursive=True),) if process.poll() is None else ():
            child.kill()
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def asked(port: int, query: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query}).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_demo_answers_and_a_ctrl_c_ends_every_process_of_it() -> None:
    port = free_port()
    with running("demo", "--port", str(port)) as demo:
        demo.says("Ctrl-C ends everything.")
        said = "".join(demo.out)
        assert f"http://127.0.0.1:{port}/graphiql" in said
        for id in ("Order:us:450789001", "Order:eu:2004", "SubscriptionContract:subs:9003"):
            assert id in said
        status, answer = asked(port, '{ order(id: "Order:us:450789001") { number customer { email } } }')
        assert (status, answer["data"]) == (
            200,
            {"order": {"number": "1001", "customer": {"email": "ada@example.com"}}},
        )

        second = run("demo", "--port", str(port))
        assert (second.code, second.out) == (1, "")
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use; set PORT or HOST" in second.err

        children = psutil.Process(demo.process.pid).children(recursive=True)
        assert len(children) == 1  # the simulated stores
        assert demo.interrupted() == 0
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []
        assert not any("Traceback" in line for line in demo.err)


def test_a_served_gateway_lets_nobody_in_without_a_key_and_ends_on_ctrl_c(config: Path) -> None:
    port = free_port()
    with running("serve", "--config", config, "--port", str(port)) as served:
        served.says(f"aftersale serves http://127.0.0.1:{port}/graphql")
        status, answer = asked(port, "{ stores { id } }")
        assert (status, answer["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")  # type: ignore[index]
        assert served.interrupted() == 0
        assert not any(secret in line for line in (*served.out, *served.err) for secret in SECRETS.values())
