"""What GraphiQL opens with: the support questions people ask all day, ready to run."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.operations import document

#: One for the life of the process: a button pressed twice in GraphiQL shows that nothing is done twice.
_KEY = secrets.token_hex(4)


def tabs(sandbox: bool) -> list[dict[str, Any]]:
    """GraphiQL's first tabs. In the sandbox their variables name its orders; elsewhere they are left to fill in."""
    pause_until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    chosen: list[tuple[str, str, dict[str, Any]]] = [
        ("Who is this customer?", "WhoIsThis", {"email": "ada@example.com"}),
        ("Where is my order?", "WhereIsMyOrder", {"number": "1001", "email": "ada@example.com"}),
        ("May I return it?", "MayIReturnIt", {"id": "Order:us:450789002", "assuming": {"reason": "UNWANTED"}}),
        ("Cancel it", "CancelIt", {"input": {"orderId": "Order:us:450789004"}, "key": f"cancel-1004-{_KEY}"}),
        (
            "Pause it",
            "PauseIt",
            {
                "input": {"subscriptionId": "SubscriptionContract:subs:9001", "until": pause_until},
                "key": f"pause-{_KEY}",
            },
        ),
    ]
    return [
        {"title": title, "query": document(name), "variables": variables if sandbox else {}, "headers": {}}
        for title, name, variables in chosen
    ]
