"""When two addresses are one person's, and when they must not be."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schema.emails import MalformedEmail, canonical_email, email_or_none, same_email

LOCALS = st.text(st.sampled_from("abzABZ059._+-!#äßİſK"), min_size=1, max_size=12)
DOMAINS = st.sampled_from(
    ["example.com", "EXAMPLE.Com", "straße.de", "Bücher.example", "xn--bcher-kva.example", "例え.jp"]
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@Example.COM\n", "ada@example.com"),
        ("ada+shop@example.com", "ada+shop@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("STRAßE@example.com", "straße@example.com"),
        ("strasse@example.com", "strasse@example.com"),
        ("ÄDA@example.com", "Äda@example.com"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.de", "ada@xn--strae-oqa.de"),
        ("ada@例え.jp", "ada@xn--r8jz45g.jp"),
    ],
)
def test_only_case_of_ascii_letters_and_the_domains_spelling_are_evened_out(text: str, canonical: str) -> None:
    assert canonical_email(text) == canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße@example.com", "strasse@example.com"),
        ("ada@straße.de", "ada@strasse.de"),
        ("ſam@example.com", "sam@example.com"),  # long s folds to s
        ("\u212aim@example.com", "kim@example.com"),  # the Kelvin sign lowers to k
        ("İlay@example.com", "ilay@example.com"),
        ("Äda@example.com", "äda@example.com"),
        ("a.da@example.com", "ada@example.com"),
        ("ada+1@example.com", "ada@example.com"),
        ("ada@example.com", "joann@example.com"),
        ("ann@example.com", "joann@example.com"),
    ],
)
def test_two_peoples_addresses_are_never_taken_for_one(one: str, other: str) -> None:
    assert canonical_email(one) != canonical_email(other)
    assert not same_email(one, canonical_email(other))
    assert not same_email(other, canonical_email(one))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@example.",
        "ada@.example",
        "ada@example..com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@exa_mple.com",
        "ada@example.com.",
        "ada@bob@example.com",
        "ada bob@example.com",
        "ada@exam ple.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..da@example.com",
        '"ada"@example.com',
        "ada,bob@example.com",
        "Ada <ada@example.com>",
        "ada@example.com, bob@example.com",
        "ada\x00@example.com",
        "ada\u0085@example.com",
        "a\ud800da@example.com",
        "ada@\ud800.com",
        "ada@bücher\u2028.de",
        "ada:secret@example.com",
        "a" * 65 + "@example.com",
        "ada@" + "a" * 64 + ".com",
        "ada@" + "a.1" * 100 + ".com",
        "ada@xn--ü.de",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(MalformedEmail) as refused:
        canonical_email(text)
    local = text.strip().partition("@")[0]
    if len(local) > 3:
        assert local not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert email_or_none(text) is None
    assert not same_email(text, canonical_email("ada@example.com"))


@given(LOCALS, DOMAINS)
@example("Ada", "EXAMPLE.Com")
def test_a_canonical_address_is_its_own_canonical_form(local: str, domain: str) -> None:
    try:
        once = canonical_email(f"{local}@{domain}")
    except MalformedEmail:
        assert local.startswith(".") or local.endswith(".") or ".." in local
        return
    assert canonical_email(once) == once
    assert once.partition("@")[2].isascii()
    assert same_email(f" {local}@{domain}", once)


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_an_address_or_is_refused_and_never_anything_else(text: str) -> None:
    for tried in (text, f"{text}@example.com", f"ada@{text}"):
        try:
            found = canonical_email(tried)
        except MalformedEmail:
            continue
        assert canonical_email(found) == found
        found.encode()


def test_no_address_is_nobodys() -> None:
    ada = canonical_email("ada@example.com")
    assert not same_email(None, ada)
    assert not same_email("", ada)
    assert email_or_none(None) is None
    assert email_or_none("ADA@example.com") == ada
