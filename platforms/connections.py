"""How connections to a store come about, how many there are, and how long each may be silent or kept."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache

import aiohappyeyeballs

from platforms.addresses import is_public
from platforms.exchange import AddressInfo, Answer, Cause, Fault, Limits, Names, Origin, Progress, Request
from platforms.http1 import Connection, written

#: How long what a name server said is used, in seconds.
_NAMES_KEPT = 10.0
#: Between two addresses of one name (RFC 8305).
_NEXT_ADDRESS = 0.25

#: Nothing has arrived that the loop has not told yet: neither the end nor bytes that nobody asked for.
_Silent = Callable[[], bool]


async def system_names(host: str, port: int) -> Sequence[AddressInfo]:
    """As the operating system knows them."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


class Connections:
    """Carries requests to one store over a bounded number of connections, kept for the next; the `Client` that is used.

    One timer serves them all: it is set for what is due first, and looks again when it fires.
    """

    def __init__(self, origin: Origin, limits: Limits, names: Names | None = None) -> None:
        self._origin = origin
        self._authority = origin.authority
        self._limits = limits
        self._names = names or system_names
        self._loop = asyncio.get_running_loop()
        self._found: tuple[float, Sequence[AddressInfo]] = (-math.inf, ())
        #: The last is the one used last.
        self._idle: list[tuple[Connection, _Silent]] = []
        self._busy: dict[Connection, _Silent] = {}
        #: Calls that have or make a connection.
        self._leased = 0
        self._queue: deque[_Turn] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    async def exchange(self, request: Request, until: float, progress: Progress) -> Answer:
        text = written(request, self._authority)
        progress.started = True
        if self._leased >= self._limits.connections:
            await self._turn(until, progress)
        else:
            self._leased += 1
        connection = None
        try:
            connection, silent = self._kept() or await self._dial(until)
            self._busy[connection] = silent
            progress.connected = True
            answer = connection.ask(text, until, progress)
            if connection.due < self._timer_at:
                self._set_timer(connection.due)
            return await answer
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        finally:
            self._give_back(connection)

    async def close(self) -> None:
        for turn in self._queue:
            if not turn.granted.done():
                turn.granted.set_exception(Fault(Cause.UNREACHED, "the connection failed"))
        for connection in (*self._busy, *(connection for connection, _ in self._idle)):
            connection.fail(Fault(Cause.BROKEN))
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next rounds
        await asyncio.sleep(0)

    # --------------------------------------------------------------------------------------------------- taking turns

    async def _turn(self, until: float, progress: Progress) -> None:
        """Wait for one of the connections, first come first served."""
        turn = _Turn(self._loop.create_future(), until)
        self._queue.append(turn)
        if until < self._timer_at:
            self._set_timer(until)
        progress.queued = True
        try:
            await turn.granted
        except BaseException:
            if turn in self._queue:
                self._queue.remove(turn)
            elif turn.granted.done() and not turn.granted.cancelled() and turn.granted.exception() is None:
                self._next()  # granted and given up in the same moment
            raise
        progress.queued = False

    def _give_back(self, connection: Connection | None) -> None:
        if connection is not None:
            silent = self._busy.pop(connection, None)
            if silent is not None and not connection.closed:
                self._idle.append((connection, silent))
                ends = connection.idle_since + self._limits.keepalive
                if ends < self._timer_at:
                    self._set_timer(ends)
        self._next()

    def _next(self) -> None:
        """One lease is over: it goes to who waits longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.granted.done():
                turn.granted.set_result(None)
                return
        self._leased -= 1

    # ------------------------------------------------------------------------------------------------ kept connections

    def _kept(self) -> tuple[Connection, _Silent] | None:
        """One that was used and may be used again."""
        oldest = self._loop.time() - self._limits.keepalive
        while self._idle:
            connection, silent = kept = self._idle.pop()
            if connection.closed:
                continue
            if connection.idle_since > oldest and silent():
                return kept
            connection.close()
        return None

    def _ended(self, connection: Connection) -> None:
        self._idle = [kept for kept in self._idle if kept[0] is not connection]

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        """End what is over its time; set the timer for what is due next."""
        self._timer, self._timer_at = None, math.inf
        now = self._loop.time() + 0.001  # a timer may fire a clock tick early
        due = math.inf
        for connection in tuple(self._busy):
            if connection.due <= now:
                connection.fail(Fault(Cause.SILENT))
            else:
                due = min(due, connection.due)
        for turn in self._queue:
            if turn.until <= now:
                if not turn.granted.done():
                    turn.granted.set_exception(Fault(Cause.LATE))
            else:
                due = min(due, turn.until)
        for connection, _ in tuple(self._idle):
            ends = connection.idle_since + self._limits.keepalive
            if ends <= now:
                connection.close()
            else:
                due = min(due, ends)
        if due < math.inf:
            self._set_timer(due)

    # ------------------------------------------------------------------------------------------------- new connections

    async def _dial(self, until: float) -> tuple[Connection, _Silent]:
        origin, loop = self._origin, self._loop
        line: socket.socket | None = None
        made = False
        try:
            async with asyncio.timeout_at(until):
                addresses = await self._addresses()
                try:
                    async with asyncio.timeout(self._limits.connect):
                        line = await aiohappyeyeballs.start_connection(
                            addresses,
                            happy_eyeballs_delay=_NEXT_ADDRESS,
                            interleave=1,
                            loop=loop,
                            socket_factory=_socket,
                        )
                        _, connection = await loop.create_connection(
                            lambda: Connection(loop, self._limits, self._ended),
                            sock=line,
                            ssl=trusted() if origin.secure else None,
                            server_hostname=origin.host if origin.secure else None,
                        )
                        made = True
                        return connection, _silence(line)
                except TimeoutError:
                    raise Fault(Cause.UNREACHED, "connecting took too long") from None
        except TimeoutError:
            raise Fault(Cause.LATE) from None
        except ssl.SSLCertVerificationError:
            raise Fault(Cause.UNTRUSTED, "does not prove who it is (certificate)") from None
        except ssl.SSLError:
            raise Fault(Cause.UNREACHED, "no secure connection came about") from None
        except OSError:
            raise Fault(Cause.UNREACHED, "it does not accept connections") from None
        finally:
            if not made:
                self._found = (-math.inf, ())  # next time it may be elsewhere
                if line is not None:
                    line.close()

    async def _addresses(self) -> Sequence[AddressInfo]:
        """Where the store is. All of its addresses must be public, and the connection goes to the ones checked here:
        a name that changes its mind between check and use gains nothing."""
        at, found = self._found
        if self._loop.time() - at < _NAMES_KEPT:
            return found
        host, port = self._origin.host, self._origin.port
        try:
            if _is_literal(host):
                found = await self._loop.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
                )
            else:
                found = await self._names(host, port)
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise Fault(Cause.UNREACHED, "its name could not be resolved")
        if not self._origin.allow_private and not all(is_public(info[4][0]) for info in found):
            raise Fault(Cause.UNTRUSTED, "resolves to an address that is not public")
        self._found = (self._loop.time(), found)
        return found


class _Turn:
    """A call that waits for a connection."""

    __slots__ = ("granted", "until")

    def __init__(self, granted: asyncio.Future[None], until: float) -> None:
        self.granted = granted
        self.until = until


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """The authorities of the system; made when it is first needed, since reading them takes a while."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _socket(info: AddressInfo) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


def _silence(line: socket.socket) -> _Silent:
    if not hasattr(select, "poll"):
        return lambda: not _has_arrived(line)
    poll = select.poll()
    poll.register(line, select.POLLIN)
    return lambda: not poll.poll(0)


def _has_arrived(line: socket.socket) -> bool:
    try:
        line.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
