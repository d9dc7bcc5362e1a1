"""The page at `/`: what the service holds and is asked, live, for whoever writes a DAG.

It is one document that loads nothing but the overview, once a second. Its policy lets a browser run the one script
and apply the one style that are in it, and no other page may frame it. AWS clients ask for `/`, too (S3 lists buckets
there, the query protocol posts there): the page is only for a GET that a browser sends to be shown.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files

from airflow_provider_amplifybackend.local.http.asgi import Receive, Scope, Send, read_body, send_whole

_PACKAGE = "airflow_provider_amplifybackend.local.http"


def is_asked(scope: Scope) -> bool:
    """Return true for a browser's own request for the page: no AWS client names HTML as what it takes."""
    if scope["method"] != "GET" or scope["path"] != "/" or scope["query_string"]:
        return False
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    signed = any(name == b"authorization" for name, _ in scope["headers"])
    return not signed and b"text/html" in accepted.lower()


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(receive, limit=0)
    document, policy = _page()
    headers = [
        (b"content-security-policy", policy),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        # The same path has another answer for AWS clients.
        (b"vary", b"Accept, Authorization"),
    ]
    await send_whole(send, 200, b"text/html; charset=utf-8", document, headers)


@lru_cache(maxsize=1)
def _page() -> tuple[bytes, bytes]:
    """Return the document and its policy, which knows its style and its script by their digests."""
    style, script = _own("live_page.css"), _own("live_page.js")
    document = _own("live_page.html").replace("@style@", style).replace("@script@", script)
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return document.encode(), policy.encode()


def _own(name: str) -> str:
    return (files(_PACKAGE) / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
