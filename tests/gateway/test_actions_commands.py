"""`aftersale actions` as a person types it: what it shows, what it hides, and what it says to a mistake."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import func, select
from typer.testing import CliRunner

from actions.ledger import Ledger, Record, new_id
from actions.privacy import Privacy
from actions.shaping import seal_actor
from gateway.cli import app
from gateway.credentials import Credentials, ended_sessions, proofs
from gateway.keys import Keys
from schema.actions import Actor
from schema.emails import canonical_email
from schema.vocabulary import ActionKind, ActionState, ActorKind, AssuranceLevel
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = """\
stores:
  us: {platform: shopify, shop: acme-us, time_zone: America/New_York, credentials: {token: "${SHOP_TOKEN}"}}
policies: policy.yaml
api_keys: []
"""
POLICY = """\
policy: small
stores: [us]
rules:
  - {id: cancel, action: CANCEL_ORDER, window: {minutes: 30, from: ORDERED}, then: ALLOW}
"""
ADA, CLEO = canonical_email("ada@example.com"), canonical_email("cleo@example.com")
PRIVACY = Privacy(SECRET)
NOW = datetime.now(UTC)

Run = Callable[..., Result]


def config(folder: Path, more: str = "") -> Path:
    (folder / "policy.yaml").write_text(POLICY)
    path = folder / "aftersale.yaml"
    path.write_text(CONFIG + more)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFTERSALE_SECRET", SECRET)
    monkeypatch.setenv("SHOP_TOKEN", "shpat_of-nobody")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration on each kind of database."""
    if request.param == "sqlite":
        yield config(folder)
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.copy("template0") as address:
            monkeypatch.setenv("LEDGER", address)
            yield config(folder, 'database: "${LEDGER}"\n')


@pytest.fixture
def run(settings: Path) -> Run:
    def made(*words: str) -> Result:
        return CliRunner().invoke(app, ["actions", *words, "--config", str(settings)])

    return made


def row(number: int, days: int, state: ActionState, email: str = ADA, **more: Any) -> Record:
    actor = Actor(kind=ActorKind.BOT, name="chatbot", on_behalf_of=email)
    made = Record(
        id=new_id(),
        kind=ActionKind.CANCEL_ORDER,
        state=state,
        store="us",
        target=f"Order:us:{number}",
        client="chatbot",
        key_hash=f"k{number}",
        input_hash="i",
        request={"note": f"call me, {email}", "restock": True},
        facts={"order.total": "40.00"},
        summary=f"Cancel order {number}",
        actor=seal_actor(actor, PRIVACY),
        requested_at=NOW - timedelta(days=days),
        finished_at=NOW - timedelta(days=days),
        owner_hash=PRIVACY.hash("customer", email),
        amount="40.00",
        currency="USD",
    )
    return replace(made, **more)


def with_database(settings: Path, work: Callable[[Ledger], Any]) -> Any:
    from gateway.settings import load

    async def done() -> Any:
        ledger = Ledger(load(settings).ledger)
        await ledger.open()
        try:
            return await work(ledger)
        finally:
            await ledger.close()

    return asyncio.run(done())


def fill(settings: Path, *records: Record) -> None:
    async def work(ledger: Ledger) -> None:
        for new in records:
            await ledger.record(
                target=new.target,
                key_hash=new.key_hash,
                owner_hash=new.owner_hash,
                seen=0,
                now=new.requested_at,
                by=new.actor,
                decide=lambda history, new=new: new,
            )

    with_database(settings, work)


DENIED, RUNNING = ActionState.DENIED, ActionState.RUNNING


@pytest.fixture
def three(settings: Path) -> list[Record]:
    """Ada's of two years and of a day ago, and Cleo's that runs."""
    records = [
        row(1001, 730, DENIED),
        row(1002, 1, DENIED, kind=ActionKind.REFUND_ORDER),
        row(1003, 0, RUNNING, CLEO, finished_at=None),
    ]
    fill(settings, *records)
    return records


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ([], [1003, 1002, 1001]),
        (["--limit", "1"], [1003]),
        (["--store", "us"], [1003, 1002, 1001]),
        (["--customer", " ADA@Example.com "], [1002, 1001]),
        (["--state", "running"], [1003]),
        (["--state", "RUNNING,DENIED", "--kind", "CANCEL_ORDER"], [1003, 1001]),
        (["--kind", "CANCEL_ORDER", "--kind", "REFUND_ORDER"], [1003, 1002, 1001]),
        (["--since", "30d"], [1003, 1002]),
        (["--since", "30d", "--until", "2h"], [1002]),
        (["--until", (NOW - timedelta(days=30)).date().isoformat()], [1001]),
        (["--until", (NOW - timedelta(days=30)).isoformat()], [1001]),
        (["--state", "FAILED"], []),
    ],
)
def test_a_list_shows_the_newest_that_were_asked_for(
    run: Run, three: list[Record], words: list[str], numbers: list[int]
) -> None:
    ran = run("list", *words)
    assert ran.exit_code == 0, ran.output
    shown = [line for line in ran.output.splitlines() if "Order:us:" in line]
    assert len(shown) == len(numbers)
    assert all(f"Cancel order {number}" in line for number, line in zip(numbers, shown, strict=True))
    assert "@" not in ran.output


def test_one_action_is_shown_with_all_that_became_of_it(run: Run, three: list[Record]) -> None:
    found = json.loads(run("show", f"Action:{three[0].id}").stdout)
    assert (found["state"], found["requested_by"]) == (
        "DENIED",
        {"kind": "BOT", "name": "chatbot", "on_behalf_of": "***"},
    )
    assert "note" not in found["request"]
    named = json.loads(run("show", three[0].id, "--with-people").stdout)
    assert named["requested_by"]["on_behalf_of"] == ADA
    assert named["request"]["note"] == f"call me, {ADA}"
    missing = run("show", new_id())
    assert (missing.exit_code, "there is no action" in missing.output) == (1, True)


def test_an_export_has_an_action_a_line_and_nobodys_address(run: Run, three: list[Record], tmp_path: Path) -> None:
    ran = run("export")
    assert ran.exit_code == 0, ran.output
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["target"] for line in lines] == ["Order:us:1003", "Order:us:1002", "Order:us:1001"]
    assert lines[2]["facts"] == {"order.total": "40.00"}
    assert [(step["state"], step["by"]["name"]) for step in lines[2]["transitions"]] == [("DENIED", "chatbot")]
    assert "@" not in ran.stdout
    assert "3 actions written" in ran.stderr
    file = tmp_path / "out.jsonl"
    ran = run("export", "--to", str(file), "--with-people", "--customer", ADA)
    assert ran.exit_code == 0, ran.output
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["request"]["note"] for line in kept] == [f"call me, {ADA}"] * 2
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_an_export_goes_on_page_by_page(run: Run, settings: Path) -> None:
    fill(settings, *(row(number, 5, DENIED) for number in range(205)))
    lines = [json.loads(line) for line in run("export").stdout.splitlines()]
    assert sorted(line["target"] for line in lines) == sorted(f"Order:us:{number}" for number in range(205))


def test_a_person_is_forgotten_and_what_is_unfinished_is_told(run: Run, three: list[Record], settings: Path) -> None:
    async def codes(ledger: Ledger) -> None:
        credentials = Credentials(ledger)
        await credentials.open()
        await credentials.keep_code("old", "h", NOW - timedelta(hours=1))
        await credentials.keep_code("new", "h", NOW + timedelta(hours=1))
        await credentials.end_session("over", NOW - timedelta(hours=1))

    with_database(settings, codes)
    ran = run("forget", "Ada@example.com")
    assert (ran.exit_code, ran.stdout) == (0, "forgotten in 2 actions, and as the one who acted in 2 more rows\n")
    assert 'on_behalf_of": "ada' not in run("export", "--with-people").stdout
    assert run("list", "--customer", ADA).output == "0 actions\n"
    left = run("forget", CLEO)
    assert left.exit_code == 3
    assert "1 of their actions are unfinished" in left.stderr

    async def kept(ledger: Ledger) -> list[Any]:
        async with ledger.reading() as connection:
            sessions = (await connection.execute(select(func.count()).select_from(ended_sessions))).scalar()
            return [*(await connection.execute(select(proofs.c.session))).scalars(), sessions]

    assert with_database(settings, kept) == ["new", 0]


def test_a_key_behind_which_a_person_stands_is_told_of_until_it_is_revoked(run: Run, settings: Path) -> None:
    async def made(ledger: Ledger) -> Keys:
        keys = Keys(Credentials(ledger), SECRET)
        await keys.credentials.open()
        return keys

    async def key(ledger: Ledger) -> None:
        keys = await made(ledger)
        for name, person in (("sams bot", "sam@example.com"), ("another", "kim@example.com"), ("nobodys", None)):
            await keys.create(name, ["orders:read"], AssuranceLevel.CLAIMED, person=person)

    async def revoke(ledger: Ledger) -> None:
        await (await made(ledger)).revoke("sams bot")

    with_database(settings, key)
    ran = run("forget", "Sam@example.com")
    assert ran.exit_code == 3
    assert "the API key sams bot names them" in ran.stderr
    assert "aftersale key revoke 'sams bot'" in ran.stderr
    assert "another" not in ran.stderr
    with_database(settings, revoke)
    ran = run("forget", "Sam@example.com")
    assert (ran.exit_code, ran.stderr) == (0, "")


def test_what_is_old_becomes_a_tombstone(run: Run, three: list[Record], settings: Path) -> None:
    ran = run("retain")
    assert ran.exit_code == 2
    assert "'--days'" in ran.output
    assert run("retain", "--days", "365").stdout == "1 actions finished more than 365 days ago are tombstones now\n"
    settings.write_text(settings.read_text() + "retention_days: 365\n")
    assert run("retain").stdout == "0 actions finished more than 365 days ago are tombstones now\n"
    found = json.loads(run("show", three[0].id, "--with-people").stdout)
    assert (found["state"], found["summary"], found["request"]) == ("DENIED", "", {"restock": True})
    assert found["forgotten_at"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list", "--store", "eu"], "'--store': there is no store 'eu'; the stores are us"),
        (["list", "--customer", "ada"], "'--customer'"),
        (["list", "--state", "DONE"], "'--state': 'DONE' is none of DENIED"),
        (["list", "--kind", "CANCEL"], "'--kind': 'CANCEL' is none of CANCEL_ORDER"),
        (["list", "--since", "yesterday"], "'--since': 'yesterday' is no moment: write 30d"),
        (["list", "--since", "2026-05-04T10:00:00"], "'--since'"),
        (["list", "--until", "99999999d"], "'--until'"),
        (["export", "--since", "1d", "--until", "2d"], "'--until': it lies before --since"),
        (["list", "--limit", "0"], "'--limit'"),
        (["show", "Order:us:1"], "'ID': an action's id is written"),
        (["export", "--to", "nowhere/at/all.jsonl"], "'--to': nowhere/at/all.jsonl cannot be written: No such file"),
        (["export", "--to", "policy.yaml/x"], "'--to'"),
        (["forget", "ada at example.com"], "'EMAIL'"),
        (["retain", "--days", "0"], "'--days'"),
    ],
)
def test_a_mistake_names_its_option_and_the_cure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TERM", "dumb")
    config(folder)
    ran = CliRunner().invoke(app, ["actions", *words])
    said = " ".join(ran.output.replace("│", " ").split())
    assert ran.exit_code == 2, ran.output
    assert says in said
    assert "Traceback" not in ran.output


def test_a_configuration_that_cannot_be_read_ends_with_two(folder: Path) -> None:
    ran = CliRunner().invoke(app, ["actions", "list", "--config", str(folder / "none.yaml")])
    assert (ran.exit_code, "the file does not exist" in ran.output) == (2, True)


def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB", "hunter2")
    path = config(folder, "database: postgresql://ledger:${DB}@127.0.0.1:9/ledger\n")
    for command in (["actions", "list"], ["key", "list"], ["serve", "--port", "0"]):
        ran = CliRunner().invoke(app, [*command, "--config", str(path)])
        assert ran.exit_code == 1
        assert ran.output.startswith("database: the database ledger at 127.0.0.1:9 cannot be reached: ")
        assert "hunter2" not in ran.output


def test_a_ledger_that_cannot_be_opened_keeps_the_gateway_from_starting(folder: Path) -> None:
    path = config(folder, "database: sqlite:///policy.yaml\n")
    ran = CliRunner().invoke(app, ["serve", "--port", "0", "--config", str(path)])
    assert (ran.exit_code, ran.output) == (
        1,
        "database: it cannot be used: (sqlite3.DatabaseError) file is not a database\n",
    )


def test_an_export_that_nobody_reads_to_its_end_ends_quietly(folder: Path) -> None:
    path = config(folder)
    fill(path, *(row(number, 5, DENIED, request={"note": "x" * 50_000}) for number in range(30)))
    program = f"import sys; sys.argv = ['aftersale', 'actions', 'export', '--with-people', '-c', {str(path)!r}]; "
    program += "from gateway.cli import main; main()"
    command = f'"{sys.executable}" -c "{program}" | head -c 10'
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    assert (len(done.stdout), done.stderr) == (10, "")
