"""Secrets and addresses that are planted everywhere appear in no log line, span, metric label or error."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.operations import document, names
from gateway.settings import ApiKey, Rates
from gateway.telemetry import configure_logging
from platforms.secrets import SecretText
from sandbox.people import BOT_SCOPES, SandboxProvider, session_of
from sandbox.world import PLANS, SECRET
from schema.emails import Email
from tests.running import running_gateway

PEOPLE = SandboxProvider()
KEY = "planted-key-of-a-bot-4711"
PLANTED = "planted.person@secret-mail.example"
EMAILS = ("ada@example.com", "cleo@example.com", "ann@example.com", "bob@example.com", PLANTED)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, at every level, as the command writes it."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, structlog.get_config())
    stream = io.StringIO()
    configure_logging(stream, level=logging.DEBUG)
    yield stream
    root.handlers[:], root.level = before[0], before[1]
    structlog.configure(**before[2])


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """All spans of this process from now on: its tracers hand over to the first provider that is set."""
    exporter = InMemorySpanExporter()
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


#: What some documented operations ask about.
INPUTS: dict[str, dict[str, Any]] = {
    "MayIPauseIt": {"id": "SubscriptionContract:subs:9001"},
    "PauseIt": {"input": {"subscriptionId": "SubscriptionContract:subs:9001", "until": "2031-01-01"}},
    "ReturnIt": {
        "input": {
            "orderId": "Order:us:450789002",
            "lines": [
                {
                    "lineId": "OrderLine:us:450789002:4507890021",
                    "quantity": 1,
                    "reason": "OTHER",
                    "note": "the seam is open",
                }
            ],
        }
    },
}


def credentials() -> list[str]:
    """What the gateway is given to reach each store with."""
    found = []
    for plan in PLANS:
        config = plan.config("http://127.0.0.1:1")
        for value in vars(config.credentials).values():  # type: ignore[attr-defined]
            if isinstance(value, SecretText):
                found.append(value.reveal())
    return found


def kept(folder: Path) -> bytes:
    """All that the gateway wrote to its disk."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_nothing_planted_is_told_to_anybody(
    tmp_path: Path, logged: io.StringIO, spans: InMemorySpanExporter
) -> None:
    codes: list[str] = []

    async def lost(email: Email, code: str, locale: str) -> None:
        codes.append(code)
        raise OSError(f"no mail server takes {email} with code {code}")

    key = ApiKey(name="sandbox-bot", key=SecretText(KEY), scopes=BOT_SCOPES, assurance="VERIFIED")
    rates = Rates(failed_lookups_per_proof=2)
    errors: list[dict[str, Any]] = []
    secrets = [KEY, SECRET, *credentials()]
    async with running_gateway(
        tmp_path, people=PEOPLE, post=lost, api_keys=(key,), rates=rates, generous=True
    ) as gateway:
        _, made = await gateway.runtime.identity.keys.create("planted", BOT_SCOPES, key.assurance)
        tokens = [KEY, made.reveal(), session_of("ada@example.com", SECRET), PEOPLE.staff(), PEOPLE.approver()]
        tokens.append(PEOPLE.token(email=PLANTED, email_verified=True))
        secrets += tokens
        variables = {
            "email": "cleo@example.com",
            "number": "1001",
            "id": "Order:us:450789001",
            "input": {"orderId": "Order:us:450789002", "note": "it is too late"},
            "key": f"key of {PLANTED}",
            "assuming": {"reason": "UNWANTED"},
        }
        for token in (*tokens, f"{KEY}x", PEOPLE.staff()[:-5], made.reveal()[:-1] + "?"):
            for faults in ({}, {"X_Sandbox_Fault": "us=500,eu=garbage,subs=drop"}):
                for name in names():
                    given = variables | INPUTS.get(name, {})
                    _, body, _ = await gateway.send(document(name), given, token=token, **faults)
                    errors += body.get("errors", [])
            for query, given in (
                ("query($e: String!) { customer(by: {email: $e}) { id } }", {"e": PLANTED}),
                ("query($e: String!) { customer(by: {email: $e}) { id } }", {"e": f"{PLANTED}, {PLANTED}"}),
                ('{ customer(by: {email: "' + PLANTED + '"}) { nothing } }', {}),
                ("query($e: Int!) { node(id: $e) { id } }", {"e": PLANTED}),
                ('query { orders(customerEmail: "' + PLANTED + '", first: 0) { complete } }', {}),
                ("mutation($e: String!) { requestProof(email: $e) { tries } }", {"e": PLANTED}),
                ("mutation($e: String!) { createCustomerSession(input: {email: $e}) { id } }", {"e": f"@{PLANTED}"}),
            ):
                _, body, _ = await gateway.send(query, given, token=token)
                errors += body.get("errors", [])
        ada = session_of("ada@example.com", SECRET)
        await gateway.send('mutation { requestProof(email: "ada@example.com") { tries } }', token=ada)
        await gateway.runtime.proofs.finish()  # type: ignore[union-attr]
        async with gateway.session.get(f"{gateway.url}/metrics") as response:
            metrics = await response.text()
    database = kept(tmp_path)
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert len(lines) > 60
    assert {"code_not_sent", "upstream call"} <= {line["event"] for line in lines}
    finished = spans.get_finished_spans()
    assert len(finished) > 60
    assert codes
    assert len(errors) > 50
    told = {
        "a log line": logged.getvalue(),
        "a span": "\n".join(span.to_json() for span in finished),
        "a metric": metrics,
        "an error": json.dumps(errors).replace("expected one like ada@example.com", ""),
    }
    for where, text in told.items():
        for secret in (*secrets, *EMAILS, "secret-mail", "with code"):
            assert secret not in text, (where, secret[:12], _around(text, secret))
    for secret in (*secrets, *EMAILS):
        if secret != SECRET:
            assert secret.encode() not in database, secret[:12]


def _around(text: str, found: str) -> str:
    place = text.find(found)
    return text[max(0, place - 150) : place + 150]
