"""A customer's id: always alike, told by nobody but the gateway that made it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.sealing import Seal
from schema.emails import Email, canonical_email
from schema.ids import MalformedId, make_id, parse_id

ADA = canonical_email("ada@example.com")
LOCALS = st.text(st.sampled_from("abcäß019._-").filter(bool), min_size=1, max_size=20).map(lambda s: f"x{s}x")
SEAL = Seal("a secret of the tests")


def email_of(local: str) -> Email:
    return canonical_email(f"{local.replace('..', '.')}@example.com")


@given(LOCALS.filter(lambda text: ".." not in text))
def test_an_id_leads_back_to_the_address_and_is_always_the_same(local: str) -> None:
    email = email_of(local)
    sealed = SEAL.customer_id(email)
    assert SEAL.email(sealed) == email
    assert Seal("a secret of the tests").customer_id(email) == sealed


@given(LOCALS.filter(lambda text: ".." not in text))
def test_an_id_tells_nobody_the_address(local: str) -> None:
    sealed = SEAL.customer_id(email_of(local))
    text = parse_id(sealed).native
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert b"example.com" not in raw
    assert "example.com" not in sealed


def test_another_secret_makes_another_id_and_reads_none_of_ours() -> None:
    other = Seal("another secret of the tests")
    assert other.customer_id(ADA) != SEAL.customer_id(ADA)
    with pytest.raises(MalformedId):
        other.email(SEAL.customer_id(ADA))


@given(st.data())
def test_an_id_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    sealed = parse_id(SEAL.customer_id(ADA)).native
    raw = bytearray(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    forged = make_id("Customer", base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))
    with pytest.raises(MalformedId):
        SEAL.email(forged)


@given(st.text(st.characters(), max_size=60) | st.text("abcXYZ019-_=", max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedId):
        SEAL.email(text)
    with pytest.raises(MalformedId):
        SEAL.email(f"Customer:{text}")


def test_another_way_to_write_the_same_bytes_is_refused() -> None:
    sealed = SEAL.customer_id(ADA)
    for other in (f"{sealed}%3D", f"{sealed}=", f"{sealed}.", sealed.replace("Customer:", "Customer::")):
        with pytest.raises(MalformedId):
            SEAL.email(other)


def test_the_id_of_another_noun_is_refused() -> None:
    with pytest.raises(MalformedId, match="an id of Customer is needed"):
        SEAL.email("Order:us:1")
