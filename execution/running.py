"""One run of a compiled operation: what it waits for, the errors it met, and the places that they made null."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from graphql import ExecutionResult, GraphQLError, located_error
from graphql.execution.values import VariableValues
from graphql.pyutils import gather_with_cancel
from graphql.type import GraphQLResolveInfoHelpers

from execution.kinds import is_awaitable
from execution.places import Complete, Later, Path, Place, ResolveInfo, keys_of
from execution.resolving import Gate, Level


class _Wait:
    """A place that waits for its value."""

    __slots__ = ("awaitable", "complete", "container", "given_up", "key", "path", "place", "started")

    def __init__(
        self, awaitable: Any, complete: Complete, place: Place, path: Path, container: Any, key: str | int
    ) -> None:
        self.awaitable = awaitable
        self.complete = complete
        self.place = place
        self.path = path
        self.container = container
        self.key = key
        self.started = False
        #: A place above became null, or the run ended: nobody wants the value any more.
        self.given_up = False

    def arrived(self, run: Run, value: Any) -> None:
        run.arrived(self, value)

    def failed(self, run: Run, error: Exception) -> None:
        run.failed(self, error)

    def is_wanted(self, run: Run) -> bool:
        return not run.is_nulled(self.path)


#: One spot of a level: an object whose field is read together with those of others, its path, and where the value goes.
_Spot: TypeAlias = tuple[Any, Path, dict[str, Any], str]


class _Shared:
    """Spots of a level that one future brings the values of, each under a key of its own."""

    __slots__ = ("place", "spots")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.spots: list[tuple[_Spot, Any]] = []

    def arrived(self, run: Run, value: Any) -> None:
        for spot, pick in self.spots:
            run.fill(self.place, spot, value.get(pick))

    def failed(self, run: Run, error: Exception) -> None:
        for spot, _ in self.spots:
            run.miss(self.place, spot[1], error)

    def is_wanted(self, run: Run) -> bool:
        """Whether any of its spots is; the others are forgotten."""
        self.spots = [one for one in self.spots if not run.is_nulled(one[0][1])]
        return bool(self.spots)


class Run:
    """The state of one run.

    A place that waits holds None until its value is there. An error that reaches further up than its own place is
    written into the response at the end, since whatever else is below that place no longer counts.
    """

    __slots__ = (
        "_context",
        "_ending",
        "_fatal",
        "_futures",
        "_idle",
        "_levels",
        "_nulled",
        "_sweeping",
        "_tasks",
        "arguments",
        "errors",
        "gates",
        "tail",
        "variables",
    )

    def __init__(
        self,
        schema: Any,
        fragments: Mapping[str, Any],
        operation: Any,
        variables: VariableValues,
        root: Any,
        context: Any,
        extensions: Any,
    ) -> None:
        helpers = GraphQLResolveInfoHelpers(gather=lambda values: gather_with_cancel(*values), track=self.track)
        #: The part of `ResolveInfo` after the path, alike for every field.
        self.tail: tuple[Any, ...] = (
            schema, fragments, root, operation, variables.coerced, context, is_awaitable, None, helpers, extensions
        )  # fmt: skip
        self.variables = variables
        self._context = context
        self.errors: list[GraphQLError] = []
        #: Whether each gate of the operation lets its fields be read without it.
        self.gates: Sequence[bool] = ()
        self._nulled: set[tuple[str | int, ...]] = set()
        self._futures: dict[asyncio.Future[Any], list[_Wait | _Shared]] = {}
        self._tasks: dict[asyncio.Task[None], _Wait] = {}
        #: What is read together, until the tick that met the first of it is over.
        self._levels: dict[Place, tuple[Level, list[_Spot]]] = {}
        self._ending: set[asyncio.Future[Any]] = set()
        self._idle: asyncio.Future[None] | None = None
        self._fatal: BaseException | None = None
        self._sweeping = False
        #: Of each field that has some, worked out once in a run; empty: to be made anew each time.
        self.arguments: dict[int, dict[str, Any]] = {}

    def ask_gates(self, gates: Sequence[Sequence[Gate]]) -> None:
        """Before anything is read. A gate that cannot tell is shut: the fields themselves will."""
        self.gates = [_let_pass(together, self._context) for together in gates]

    # ------------------------------------------------------------------ what compiled code asks for
    def info(self, place: Place, path: Path) -> ResolveInfo:
        """What a resolver of the field is told; `path` is the place's, which may be an item of the field's list."""
        for _ in range(place.depth):
            assert path is not None
            path = path[0]
        return tuple.__new__(ResolveInfo, (*place.head, path, *self.tail))

    def fail(self, error: Exception, place: Place, path: Path) -> None:
        """Note an error and leave the place null, or raise it where the place must not be."""
        located = located_error(error, list(place.nodes), keys_of(path))
        if place.up:
            raise located
        self._note(located, path)

    def fail_item(self, error: Exception, place: Place, path: Path, rest: Iterable[Any]) -> None:
        """The same for an item of a list; where it ends the list, the rest of the items is let go."""
        try:
            self.fail(error, place, path)
        except GraphQLError:
            with suppress(Exception):  # the list itself cannot be read to its end: the first error counts
                self.track([item for item in rest if is_awaitable(item)])
            raise

    def wait(
        self, awaitable: Any, complete: Complete, place: Place, path: Path, container: Any, key: str | int
    ) -> None:
        """Fill a place when its value is there: one callback for each future, however many places want it."""
        wait = _Wait(awaitable, complete, place, path, container, key)
        if asyncio.isfuture(awaitable):
            self._wait_for(awaitable, wait)
        else:
            task = asyncio.get_running_loop().create_task(self._drive(wait))
            self._tasks[task] = wait

    def _wait_for(self, future: asyncio.Future[Any], wait: _Wait | _Shared) -> None:
        waiting = self._futures.get(future)
        if waiting is None:
            self._futures[future] = [wait]
            future.add_done_callback(self._settled)
        else:
            waiting.append(wait)

    def gather(self, level: Level, place: Place, source: Any, path: Path, container: dict[str, Any], key: str) -> None:
        """Fill a place when its level was read: one question and one callback for all that this tick meets of it."""
        found = self._levels.get(place)
        if found is None:
            found = self._levels[place] = (level, [])
            asyncio.get_running_loop().call_soon(self._ask_together, place)
        found[1].append((source, path, container, key))

    def track(self, values: Sequence[Any]) -> None:
        """Let go of awaitables that nobody wants: never started, or heard to their end."""
        for value in values:
            if asyncio.iscoroutine(value):
                value.close()
            elif asyncio.isfuture(value):
                value.add_done_callback(_heard)

    # ------------------------------------------------------------------ waiting
    @property
    def waits(self) -> bool:
        return bool(self._tasks or self._futures or self._levels)

    @property
    def over(self) -> bool:
        """Whether the whole response became null."""
        return () in self._nulled

    async def settle(self) -> None:
        """Wait until every place is filled. Cancelled, it cancels what runs and waits for that to end."""
        try:
            while self.waits and self._fatal is None:
                self._idle = asyncio.get_running_loop().create_future()
                await self._idle
        except asyncio.CancelledError:
            await self.give_up()
            raise
        if self._fatal is not None:
            await self.give_up()
            raise self._fatal

    async def give_up(self) -> None:
        """End all that still runs for this run."""
        self._levels.clear()
        futures, self._futures = self._futures, {}
        for future in futures:  # as awaiting them would have done
            future.cancel()
        for task, wait in list(self._tasks.items()):
            self._stop(task, wait)
        await self.ended()

    async def ended(self) -> None:
        """Wait for what was stopped to have ended."""
        while self._ending:
            await asyncio.wait(self._ending)

    async def _drive(self, wait: _Wait) -> None:
        wait.started = True
        try:
            try:
                value = await wait.awaitable
            except Exception as error:
                self.failed(wait, error)
            else:
                self.arrived(wait, value)
        except BaseException as error:
            if not wait.given_up:  # such as a cancellation from within: as graphql-core, the whole run ends so
                self._end_with(error)
            if not isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if not wait.given_up:
                del self._tasks[asyncio.current_task()]  # type: ignore[arg-type]
            self._check()

    def _ask_together(self, place: Place) -> None:
        level, spots = self._levels.pop(place, _NO_LEVEL)
        if self._nulled:
            spots = [spot for spot in spots if not self.is_nulled(spot[1])]
        try:
            brought: dict[asyncio.Future[Any], _Shared] = {}
            asked = level.together([spot[0] for spot in spots], self._context) if spots else ()
            for spot, found in zip(spots, asked, strict=True):
                if found is None:
                    self.fill(place, spot, None)
                    continue
                future, pick = found
                shared = brought.get(future)
                if shared is None:
                    shared = brought[future] = _Shared(place)
                shared.spots.append((spot, pick))
            for future, shared in brought.items():
                self._wait_for(future, shared)
        except BaseException as fatal:
            self._end_with(fatal)
            raise
        self._check()

    def fill(self, place: Place, spot: _Spot, value: Any) -> None:
        _, path, container, key = spot
        if self._nulled and self.is_nulled(path):
            return
        try:
            found = place.complete(value, path, self)
        except Exception as error:
            self.miss(place, path, error)
            return
        if found.__class__ is Later:
            self.wait(found.awaitable, found.complete, place, path, container, key)
        else:
            container[key] = found

    def _settled(self, future: asyncio.Future[Any]) -> None:
        waiting = self._futures.pop(future, ())
        if future.cancelled():
            if waiting:
                self._end_with(asyncio.CancelledError())
            return
        error = future.exception()
        try:
            if error is None:
                value = future.result()
                for wait in waiting:
                    wait.arrived(self, value)
            elif isinstance(error, Exception):
                for wait in waiting:
                    wait.failed(self, error)
            elif waiting:
                self._end_with(error)
        except BaseException as fatal:
            self._end_with(fatal)
            raise
        self._check()

    def arrived(self, wait: _Wait, value: Any) -> None:
        if wait.given_up or (self._nulled and self.is_nulled(wait.path)):
            return
        try:
            found = wait.complete(value, wait.path, self)
        except Exception as error:
            self.failed(wait, error)
            return
        if found.__class__ is Later:
            self.wait(found.awaitable, found.complete, wait.place, wait.path, wait.container, wait.key)
        else:
            wait.container[wait.key] = found

    def failed(self, wait: _Wait, error: Exception) -> None:
        if not wait.given_up:
            self.miss(wait.place, wait.path, error)

    def miss(self, place: Place, path: Path, error: Exception) -> None:
        """A value that was waited for is an error: it reaches as far up as places must not be null."""
        located = located_error(error, list(place.nodes), keys_of(path))
        for _ in range(place.up):
            assert path is not None
            path = path[0]
        self._note(located, path)

    def _end_with(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
        self._wake()

    def _check(self) -> None:
        if not self.waits:
            self._wake()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    # ------------------------------------------------------------------ errors and the places they make null
    def _note(self, error: GraphQLError, path: Path) -> None:
        if self.is_nulled(path):
            return
        self._nulled.add(tuple(keys_of(path)))
        self.errors.append(error)
        if self.waits and not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_soon(self._sweep)

    def note_whole(self, error: GraphQLError) -> None:
        """The error that leaves no response at all."""
        self._note(error, None)

    def is_nulled(self, path: Path) -> bool:
        keys = tuple(keys_of(path))
        return any(keys[:length] in self._nulled for length in range(len(keys) + 1))

    def _sweep(self) -> None:
        """Stop what is waited for below places that became null; what others gave us goes on, but unheard."""
        self._sweeping = False
        for future, waiting in list(self._futures.items()):
            waiting[:] = [wait for wait in waiting if wait.is_wanted(self)]
            if not waiting:
                del self._futures[future]
        for task, wait in list(self._tasks.items()):
            if self.is_nulled(wait.path):
                self._stop(task, wait)
        self._check()

    def _stop(self, task: asyncio.Task[None], wait: _Wait) -> None:
        wait.given_up = True
        del self._tasks[task]
        if not wait.started and asyncio.iscoroutine(wait.awaitable):
            wait.awaitable.close()
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def result(self, data: dict[str, Any]) -> ExecutionResult:
        """The response, the places of its errors made null."""
        if self.over:
            return ExecutionResult(None, self.errors)
        for keys in sorted(self._nulled, key=len):
            here: Any = data
            for key in keys[:-1]:
                here = here[key]
                if here is None:
                    break
            else:
                here[keys[-1]] = None
        return ExecutionResult(data, self.errors or None)


_NO_LEVEL: Final[Any] = (None, ())


def _let_pass(gates: Sequence[Gate], context: Any) -> bool:
    try:
        return all(gate.lets_pass(context) for gate in gates)
    except Exception:
        return False


def _heard(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
