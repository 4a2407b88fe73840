"""How a shop is asked for an access token with client credentials, and how it refuses."""

from __future__ import annotations

from urllib.parse import urlencode

from platforms.errors import BadCredentials
from platforms.oauth import ClientCredentials
from platforms.secrets import SecretText
from platforms.shopify import wire
from platforms.transport import Call, Reply, Transport


def client_credentials(client_id: str, client_secret: SecretText, transport: Transport) -> ClientCredentials:
    """The client credentials grant of the shop's own organisation: tokens of 24 hours.

    https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant
    """

    def ask() -> Call:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret.reveal(),
        }
        return Call(
            "oauth.token",
            "POST",
            "admin/oauth/access_token",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            body=urlencode(form).encode(),
            cost=0.0,
        )

    return ClientCredentials(transport, ask, _judge)


def _judge(reply: Reply) -> Reply:
    if reply.status in (400, 401, 403):
        raise BadCredentials("Shopify does not take the client credentials of this store")
    wire.refuse_status(reply)
    return reply
