"""Policy files: every mistake named at its place, and a good set that a bad file never replaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policies.check import check, facts_table
from policies.document import RULE_WORDS
from policies.errors import PolicyError
from policies.facts import FACTS, Audience
from policies.messages import OWN_NAMES
from policies.processor import PolicyProcessor
from policies.rules import SCOPE_WORDS
from tests.policies.nouns import STORES, load, store

HEAD = "policy: p\nstores: [us, eu]\nrules:\n"
RETURN = "action: RETURN_ORDER"


def _issues(text: str, folder: Path) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(text, folder)
    prefix = str(folder / "policy.yaml") + ":"
    return [str(issue).removeprefix(prefix) for issue in caught.value.issues]


@pytest.mark.parametrize(
    ("rule", "issue"),
    [
        (f"{{id: a, {RETURN}, than: ALLOW}}", "4:35: a rule has no word than (did you mean then?)"),
        (
            "{id: a, action: RETRUN_ORDER, then: ALLOW}",
            "4:21: an action cannot be RETRUN_ORDER (did you mean RETURN_ORDER?)",
        ),
        (f"{{id: a, {RETURN}, then: ALOW}}", "4:41: then cannot be ALOW (did you mean ALLOW?)"),
        (f"{{id: a, {RETURN}}}", "4:5: the rule says nothing (it needs then, window, limit, min_cycles or max_pause)"),
        (f"{{id: A b, {RETURN}, then: ALLOW}}", "4:10: a rule's id has small letters, digits, - and _"),
        (
            f"{{id: a, {RETURN}, when: line.titel == 'x', then: ALLOW}}",
            "4:41: when: there is no fact or word line.titel (did you mean line.title?)",
        ),
        (
            f'{{id: a, {RETURN}, when: "line.quantity == UNWANTED", then: ALLOW}}',
            "4:56: when: these types do not go together: (int, ReturnReason)",
        ),
        (
            f"{{id: a, {RETURN}, when: subscription.is_prepaid, then: ALLOW}}",
            "4:41: subscription.is_prepaid is not known for RETURN_ORDER",
        ),
        (
            f"{{id: a, {RETURN}, when: line.days_late > 1, then: ALLOW}}",
            "4:41: line.days_late is known only in the offer of a rule with a window",
        ),
        (
            f"{{id: a, {RETURN}, when: order.total > 100.0, then: ALLOW}}",
            "4:41: order.total is compared with a bare amount, but the rule's stores have several currencies: EUR, USD "
            "(use limit, or write one rule for the stores of each currency)",
        ),
        (
            f"{{id: a, {RETURN}, limit: {{request: 100}}, over: REVIEW}}",
            "4:52: request is a bare amount, but the rule's stores have several currencies: EUR, USD "
            "(write {EUR: 100, USD: 100})",
        ),
        (
            f"{{id: a, {RETURN}, limit: {{request: {{USD: 100}}}}, over: REVIEW}}",
            "4:52: request has no amount in EUR, the currency of the store eu",
        ),
        (
            f"{{id: a, {RETURN}, limit: {{request: {{USD: 1, EUR: 1, EURO: 1}}}}, over: REVIEW}}",
            "4:69: EURO is no currency (did you mean EUR?)",
        ),
        (
            f"{{id: a, {RETURN}, limit: {{request: {{USD: 1, EUR: -1}}}}, over: REVIEW}}",
            "4:66: request is an amount, not below 0",
        ),
        (
            f"{{id: a, {RETURN}, limit: {{request: {{USD: 1, EUR: x}}}}, over: REVIEW}}",
            "4:66: request is an amount, such as 4.95",
        ),
        (
            f"{{id: a, {RETURN}, limit: {{returns_90d: 3}}}}",
            "4:5: a limit needs the word over (over: REVIEW or over: DENY)",
        ),
        (
            f"{{id: a, {RETURN}, window: {{days: 30}}}}",
            "4:43: a window has either from or before (from: DELIVERED or before: NEXT_BILLING)",
        ),
        (
            f"{{id: a, {RETURN}, window: {{days: 30, from: DELIVRED}}}}",
            "4:60: from cannot be DELIVRED (did you mean DELIVERED?)",
        ),
        (f"{{id: a, {RETURN}, window: {{days: 3.5, from: DELIVERED}}}}", "4:50: days is a whole number, at least 1"),
        (
            f"{{id: a, {RETURN}, window: {{hours: 2, days: 1, from: DELIVERED}}}}",
            "4:43: window has one of minutes, hours, days, months",
        ),
        (
            f"{{id: a, {RETURN}, window: {{days: 30, before: NEXT_BILLING}}}}",
            "4:43: only subscriptions have a next billing",
        ),
        (
            f"{{id: a, {RETURN}, window: {{days: 9, from: ORDERED, else: [{{from: ORDERED}}]}}}}",
            "4:75: ORDERED stands earlier in the chain, so this is never reached",
        ),
        (
            f"{{id: a, {RETURN}, window: {{days: 9, from: ORDERED}}, overrides: "
            "[{for: {tags: [a, b]}, days: 1}, {for: {tags: [a], types: [x]}, days: 2}]}",
            "4:113: this override is never reached: an earlier one matches first (put it first)",
        ),
        (
            f"{{id: a, {RETURN}, window: {{days: 9, from: ORDERED}}, "
            "seasons: [{ordered: 2026-11-01, until: 2027-01-01}]}",
            "4:89: ordered is two days, such as 2026-11-01..2026-12-24",
        ),
        (
            f"{{id: a, {RETURN}, window: {{days: 9, from: ORDERED}}, then: {{fee: RESTOCKING_FEE, percent: 1}}}}",
            "4:75: one rule has either window or then (write two rules)",
        ),
        (f"{{id: a, {RETURN}, then: {{fee: RESTOCKING_FEE, percent: 110}}}}", "4:72: percent is at most 100"),
        (f"{{id: a, {RETURN}, then: ALLOW, over: DENY}}", "4:54: over belongs to a limit"),
        (
            f"{{id: a, {RETURN}, then: ALLOW, on_unknown: ALLOW}}",
            "4:60: this verdict cannot be ALLOW (one of DENY, REVIEW)",
        ),
        (
            f"{{id: a, {RETURN}, then: DENY, code: FINAL_SAEL}}",
            "4:53: code cannot be FINAL_SAEL (did you mean FINAL_SALE?)",
        ),
        (
            f"{{id: a, {RETURN}, then: DENY, say: 'No {{line.titel}}'}}",
            "4:52: a message cannot name line.titel (did you mean line.title?)",
        ),
        (f"{{id: a, {RETURN}, then: DENY, say: '{{days}} days'}}", "4:52: this rule does not know {days}"),
        (f"{{id: a, {RETURN}, then: DENY, say: 'a }} b'}}", "4:52: a loose }: write }} for a brace"),
        (
            f"{{id: a, {RETURN}, then: DENY, say: 'You are {{customer.tags}}'}}",
            "4:52: customer.tags is for staff, and this message is not (audience: staff)",
        ),
        (f"{{id: a, {RETURN}, for: {{tag: [x]}}, then: DENY}}", "4:41: for has no word tag (did you mean tags?)"),
        (f"{{id: a, {RETURN}, for: {{stores: [uk]}}, then: DENY}}", "4:50: the policy has no store uk (us, eu)"),
        (
            f"{{id: a, {RETURN}, for: {{countries: [Germany]}}, then: DENY}}",
            "4:53: Germany is no country (two capital letters of ISO 3166-1, such as DE)",
        ),
        (
            f"{{id: a, {RETURN}, per: request, for: {{tags: [x]}}, then: DENY}}",
            "4:40: a rule per request cannot speak of a line: line.tags (per: line)",
        ),
        (
            "{id: a, action: [CANCEL_ORDER, PAUSE_SUBSCRIPTION], then: DENY}",
            "4:21: one rule speaks either of orders or of subscriptions",
        ),
        ("{id: a, action: CANCEL_SUBSCRIPTION, max_pause: {days: 3}}", "4:53: max_pause belongs to PAUSE_SUBSCRIPTION"),
        (f"{{id: a, id: b, {RETURN}, then: DENY}}", "4:13: id is written twice"),
        (f"{{id: a, {RETURN}, mode: shadwo, then: DENY}}", "4:41: mode cannot be shadwo (did you mean shadow?)"),
        ("[]", "4:5: a rule is a mapping of words to values"),
    ],
)
def test_a_mistake_in_a_rule_is_named_at_its_place(rule: str, issue: str, tmp_path: Path) -> None:
    assert issue in _issues(f"{HEAD}  - {rule}\n", tmp_path)


@pytest.mark.parametrize(
    ("text", "issue"),
    [
        ("", "1:1: the file is empty"),
        ("policy: [", "1:10: not YAML"),
        ("- a", "1:1: a policy is a mapping of words to values"),
        ("policy: p\nstores: [us]\n", "1:1: a policy needs the word rules"),
        ("policy: p\nstores: [us, ue]\nrules: []\n", "2:14: there is no store ue (did you mean eu?)"),
        ("policy: p\nstores: [us]\nrule: []\nrules: []\n", "3:1: a policy has no word rule (did you mean rules?)"),
        (
            "policy: p\nstores: [us]\nrules:\n"
            "- {id: a, action: RETURN_ORDER, then: ALLOW}\n- {id: a, action: RETURN_ORDER, then: DENY}\n",
            "5:3: there are two rules a",
        ),
        (
            "policy: p\nstores: [us]\nrules: []\ncases:\n- {name: n, ask: {action: RETURN_ORDER, reason: UNWNTED}, "
            "expect: {verdict: DENY}}\n",
            "5:49: request.reason is one of SIZE_TOO_SMALL",
        ),
        (
            "policy: p\nstores: [us]\nrules: []\ncases:\n- {name: n, facts: {line.titel: x}, "
            "ask: {action: RETURN_ORDER}, expect: {verdict: DENY}}\n",
            "5:21: there is no fact line.titel (did you mean line.title?)",
        ),
        (
            "policy: p\nstores: [us]\nrules: []\ncases:\n- {name: n, now: 2026-05-01T10:00:00, "
            "ask: {action: RETURN_ORDER}, expect: {verdict: DENY}}\n",
            "5:18: now is an instant with its zone",
        ),
        (
            "policy: p\nstores: [us]\nrules: []\ncases:\n- {name: n, ask: {action: RETURN_ORDER}, "
            "expect: {verdict: DENY, rule: nine}}\n",
            "5:72: there is no rule nine",
        ),
    ],
)
def test_a_mistake_in_a_file_is_named_at_its_place(text: str, issue: str, tmp_path: Path) -> None:
    assert any(each.startswith(issue) for each in _issues(text, tmp_path)), _issues(text, tmp_path)


def test_all_mistakes_are_told_in_one_look(tmp_path: Path) -> None:
    text = f"{HEAD}  - {{id: a, {RETURN}, then: ALOW}}\n  - {{id: b, {RETURN}, thn: ALLOW}}\n"
    assert len(_issues(text, tmp_path)) == 3  # a wrong verdict, a wrong word, and a rule that says nothing


def test_a_condition_in_a_block_is_placed_by_its_own_lines(tmp_path: Path) -> None:
    when = "    when: |\n      line.quantity > 1 &&\n      order.statu == OPEN\n"
    text = f"{HEAD}  - id: a\n    {RETURN}\n    then: DENY\n{when}"
    assert _issues(text, tmp_path)[0].startswith("9:")


def test_the_words_of_yaml_1_1_are_only_words(tmp_path: Path) -> None:
    text = f"{HEAD}  - {{id: 'no', {RETURN}, for: {{tags: [yes, on, off]}}, then: DENY}}\n"
    rule = load(text, tmp_path).policies[0].rules[0]
    assert rule.scope.values("tags") == {"yes", "on", "off"}


def test_two_policies_cannot_speak_for_one_store(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(
            f"policy: {name}\nstores: [eu, us]\nrules: []\n".replace("eu, ", "" if name == "a" else "eu, ")
        )
    report = check(tmp_path, STORES)
    assert [str(each).removeprefix(str(tmp_path)) for each in report.mistakes] == [
        "/b.yaml:2:14: the store us already has a policy, in a.yaml (one policy speaks for a store)"
    ]


def test_a_policy_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no policy here"):
        PolicyProcessor.load(tmp_path, STORES)
    with pytest.raises(PolicyError, match="cannot be read"):
        PolicyProcessor.load(tmp_path / "none.yaml", STORES)


def test_a_bare_amount_is_right_where_all_stores_share_a_currency(tmp_path: Path) -> None:
    text = (
        "policy: p\nstores: [us, subs]\nrules:\n  - {id: a, action: RETURN_ORDER, limit: {request: 9.50}, over: DENY}\n"
    )
    assert load(text, tmp_path).policies[0].rules[0].id == "a"


def test_a_bare_amount_is_refused_while_a_currency_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "policy: p\nstores: [new]\nrules:\n  - {id: a, action: RETURN_ORDER, limit: {request: 9}, over: DENY}\n"
    )
    with pytest.raises(PolicyError, match="bare amount"):
        PolicyProcessor.load(file, {"new": store("new", "UTC", "XXX")})


# ------------------------------------------------------------------ reload


def test_a_changed_file_is_taken_without_a_restart_and_a_bad_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"{HEAD}  - {{id: first, {RETURN}, then: ALLOW}}\n")
    processor = PolicyProcessor.load(tmp_path, STORES)
    first = processor.digest
    assert processor.refresh() is False

    def write(text: str, second: int) -> None:
        file.write_text(text)
        os.utime(file, (second, second))

    write(f"{HEAD}  - {{id: second, {RETURN}, then: DENY}}\n", 1_000_000_000)
    assert processor.refresh() is True
    second = processor.digest
    assert second != first
    write(f"{HEAD}  - {{id: second, {RETURN}, then: NO}}\n", 1_000_000_001)
    assert processor.refresh() is False
    assert processor.digest == second
    assert processor.policies[0].rules[0].id == "second"
    assert processor.problem is not None
    assert "then cannot be NO" in str(processor.problem)
    assert processor.refresh() is False
    assert processor.problem is not None
    write(f"{HEAD}  - {{id: second, {RETURN}, then: DENY}}\n", 1_000_000_002)
    assert processor.refresh() is False  # the very set that is in force
    assert processor.problem is None
    file.unlink()
    assert processor.refresh() is False
    assert processor.problem is not None
    assert processor.policies[0].rules[0].id == "second"


# ------------------------------------------------------------------ facts


def test_the_table_of_facts_says_which_store_never_knows_one() -> None:
    rows = {row.name: row for row in facts_table({"us": (), "eu": ("line.delivered_at",)})}
    assert set(rows) == set(FACTS)
    assert rows["line.delivered_at"].stores == {"us": True, "eu": False}
    assert rows["customer.tags"].staff_only
    assert rows["request.reason"].claim


def test_the_table_of_facts_in_the_readme_is_the_one_in_the_code() -> None:
    readme = (Path(__file__).parents[2] / "policies" / "README.md").read_text()
    rows = []
    for spec in FACTS.values():
        notes = [name for name, yes in (("staff", spec.audience is Audience.STAFF), ("claim", spec.claim)) if yes]
        rows.append(
            f"| `{spec.name}` | {spec.type_name} | {spec.description} | `{spec.example}` | {', '.join(notes)} |"
        )
    assert [row for row in rows if row not in readme] == []
    assert readme.count("\n| `") == len(rows) + readme.partition("<!-- facts -->")[0].count("\n| `")


def test_every_word_of_a_rule_is_documented() -> None:
    readme = (Path(__file__).parents[2] / "policies" / "README.md").read_text()
    words = [*RULE_WORDS, *SCOPE_WORDS, *OWN_NAMES]
    assert [word for word in words if f"`{word}`" not in readme and f"`{{{word}}}`" not in readme] == []
