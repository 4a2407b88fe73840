"""How lists are paged: Relay's shape, with `nodes` beside `edges`, and honest partial results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.provenance import SourceIssue

if TYPE_CHECKING:
    from schema.actions import Action
    from schema.order import Order
    from schema.returns import Return
    from schema.subscription import Subscription

#: The most that one page of a list holds.
MAX_PAGE = 100


class PageSizeOutOfRange(ValueError):
    """`first` is not between 1 and the list's most."""


def page_size(first: int, most: int = MAX_PAGE) -> int:
    """`first`, checked.

    Raises:
        PageSizeOutOfRange: it is below 1 or above `most`.
    """
    if not 1 <= first <= most:
        raise PageSizeOutOfRange(f"first must be between 1 and {most}, not {first}")
    return first


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None = strawberry.field(default=None, description="Give it as `after` to go on from here.")


@strawberry.type
class OrderEdge:
    cursor: str
    node: Annotated[Order, strawberry.lazy("schema.order")]


@strawberry.type(description="Orders of one or more stores, newest first.")
class OrderConnection:
    edges: list[OrderEdge]
    nodes: list[Annotated[Order, strawberry.lazy("schema.order")]]
    page_info: PageInfo
    complete: bool = strawberry.field(description="False where a store could not answer; `issues` names it.")
    issues: list[SourceIssue]


@strawberry.type
class SubscriptionEdge:
    cursor: str
    node: Annotated[Subscription, strawberry.lazy("schema.subscription")]


@strawberry.type(description="Subscriptions of one or more stores, newest first.")
class SubscriptionConnection:
    edges: list[SubscriptionEdge]
    nodes: list[Annotated[Subscription, strawberry.lazy("schema.subscription")]]
    page_info: PageInfo
    complete: bool = strawberry.field(description="False where a store could not answer; `issues` names it.")
    issues: list[SourceIssue]


@strawberry.type
class ReturnEdge:
    cursor: str
    node: Annotated[Return, strawberry.lazy("schema.returns")]


@strawberry.type(description="Returns of one or more stores, in the order of their orders, newest first.")
class ReturnConnection:
    edges: list[ReturnEdge]
    nodes: list[Annotated[Return, strawberry.lazy("schema.returns")]]
    page_info: PageInfo
    complete: bool = strawberry.field(description="False where a store could not answer; `issues` names it.")
    issues: list[SourceIssue]


@strawberry.type
class ActionEdge:
    cursor: str
    node: Annotated[Action, strawberry.lazy("schema.actions")]


@strawberry.type(description="Actions, newest first.")
class ActionConnection:
    edges: list[ActionEdge]
    nodes: list[Annotated[Action, strawberry.lazy("schema.actions")]]
    page_info: PageInfo


@strawberry.type(description="What a shopper's order number leads to; more than one where stores share numbers.")
class OrderLookup:
    orders: list[Annotated[Order, strawberry.lazy("schema.order")]]
    complete: bool = strawberry.field(description="False where a store could not answer; `issues` names it.")
    issues: list[SourceIssue]
