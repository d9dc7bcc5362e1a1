"""Other AWS services while moto is not mounted: an error that says so, in their own format."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from airflow_provider_amplifybackend.local.http.asgi import Receive, Scope, Send, read_body, send_whole
from airflow_provider_amplifybackend.local.http.signature import credential_of

_CODE = "ServiceNotAvailable"


async def not_available(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(receive, limit=0)
    signed = credential_of(scope["headers"], scope["query_string"])
    service = signed.service if signed else "this path"
    message = (
        f"This is a local AmplifyBackend, and {service} is not part of it. Start it with --with-moto "
        "(LocalAmplifyBackend(with_moto=True)) to have other AWS services on the same endpoint, or set "
        "AWS_ENDPOINT_URL_AMPLIFYBACKEND, AWS_ENDPOINT_URL_AMPLIFY and AWS_ENDPOINT_URL_CLOUDFORMATION instead of "
        "AWS_ENDPOINT_URL to send only these here."
    )
    headers = dict(scope["headers"])
    content_type, body = _body(service, headers, message)
    # 501 is the one 5xx that no AWS SDK repeats.
    await send_whole(send, 501, content_type, body, [(b"x-amzn-errortype", _CODE.encode())])


def _body(service: str, headers: dict[bytes, bytes], message: str) -> tuple[bytes, bytes]:
    error = f"<Code>{_CODE}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        return b"application/xml", f"<Error>{error}</Error>".encode()
    if b"form-urlencoded" in headers.get(b"content-type", b""):
        return b"text/xml", f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    return b"application/json", json.dumps({"__type": _CODE, "message": message}).encode()
