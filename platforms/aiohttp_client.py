"""How aiohttp carries a call: the client that a configuration may choose, and that ours is measured against."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from platforms.addresses import is_public
from platforms.connections import system_names
from platforms.exchange import Answer, Cause, Fault, Limits, Names, Origin, Progress, Request


class AiohttpClient:
    """A `Client`, tuned: one session, prepared addresses, one time limit, bodies read as they come."""

    def __init__(self, origin: Origin, limits: Limits, names: Names | None = None) -> None:
        self._base = f"{'https' if origin.secure else 'http'}://{origin.authority}"
        self._limits = limits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.connections,
                keepalive_timeout=limits.keepalive,
                resolver=_Resolver(names or system_names, origin.allow_private),
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=limits.connect, sock_read=limits.read),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_watch()],
            middlewares=(_once,),
            trust_env=False,
        )

    async def exchange(self, request: Request, until: float, progress: Progress) -> Answer:
        headers = CIMultiDict(request.headers.values())
        try:
            async with (
                asyncio.timeout_at(until),
                self._session.request(
                    request.method,
                    URL(self._base + request.target, encoded=True),
                    data=request.body,
                    headers=headers,
                    allow_redirects=False,
                    trace_request_ctx=progress,
                ) as response,
            ):
                progress.status = response.status
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > self._limits.max_body:
                        response.close()
                        raise Fault(Cause.ODD, f"the answer is larger than {self._limits.max_body} bytes")
                return Answer(response.status, _headers(response), bytes(body))
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, _NotPublic):
                raise Fault(Cause.UNTRUSTED, "resolves to an address that is not public") from None
            raise Fault(Cause.UNREACHED, "its name could not be resolved") from None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            if isinstance(error, ssl.CertificateError):
                raise Fault(Cause.UNTRUSTED, "does not prove who it is (certificate)") from None
            raise Fault(Cause.UNREACHED, "no secure connection came about") from None
        except aiohttp.ConnectionTimeoutError:
            raise Fault(Cause.UNREACHED, "connecting took too long") from None
        except aiohttp.ClientConnectorError:
            raise Fault(Cause.UNREACHED, "it does not accept connections") from None
        except TimeoutError:
            raise Fault(Cause.SILENT if progress.connected else Cause.LATE) from None
        except (aiohttp.ClientResponseError, aiohttp.http_exceptions.HttpProcessingError):
            raise Fault(Cause.ODD, "the answer is not HTTP") from None
        except (_Dropped, aiohttp.ClientError, ConnectionError) as error:
            if isinstance(error.__cause__, aiohttp.http_exceptions.ContentEncodingError):
                raise Fault(Cause.ODD, "the answer is not compressed as it says") from None
            if not progress.connected:
                raise Fault(Cause.UNREACHED, "the connection failed") from None
            raise Fault(Cause.BROKEN) from None

    async def close(self) -> None:
        await self._session.close()


def _watch() -> aiohttp.TraceConfig:
    def flag(name: str, value: bool = True) -> Callable[[Any, SimpleNamespace, Any], Awaitable[None]]:
        async def told(session: Any, context: SimpleNamespace, params: Any) -> None:
            setattr(context.trace_request_ctx, name, value)

        return told

    config = aiohttp.TraceConfig()
    config.on_request_start.append(flag("started"))
    config.on_connection_queued_start.append(flag("queued"))
    config.on_connection_queued_end.append(flag("queued", False))
    config.on_connection_create_end.append(flag("connected"))
    config.on_connection_reuseconn.append(flag("connected"))
    return config


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Dropped from error


class _Dropped(Exception):
    pass


class _NotPublic(OSError):
    pass


class _Resolver(AbstractResolver):
    def __init__(self, names: Names, allow_private: bool) -> None:
        self._names = names
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._names(host, port)
        if not self._allow_private and not all(is_public(info[4][0]) for info in found):
            raise _NotPublic("not a public address")
        return [
            ResolveResult(hostname=host, host=info[4][0], port=port, family=info[0], proto=0, flags=0) for info in found
        ]

    async def close(self) -> None:
        pass


def _headers(response: aiohttp.ClientResponse) -> MappingProxyType[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return MappingProxyType(headers)
