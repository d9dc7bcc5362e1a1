"""An STS that lets everybody assume any role, with a web identity too, and remembers what it was asked with.

Or one that lets nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.front import serving

_ANSWER = """\
<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>
<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>{key}</SecretAccessKey>
<SessionToken>{session}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</{action}Result></{action}Response>"""
_REFUSAL = """\
<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>
<Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"""


@dataclass
class Sts:
    """A server with the credentials of each role: secret key and session token by the role's name."""

    roles: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    # The code and the message that everybody is refused with.
    refuses: tuple[str, str] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    endpoint_url: str = ""

    @contextmanager
    def running(self) -> Iterator[Sts]:
        with serving(self._handler()) as self.endpoint_url:
            yield self

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = dict(parse_qsl(body.decode()))
                sts.asked.append(asked)
                if sts.refuses:
                    code, message = map(escape, sts.refuses)
                    self._answer(403, _REFUSAL.format(code=code, message=message))
                    return
                key, session = sts.roles[asked["RoleArn"].rpartition("/")[2]]
                self._answer(
                    200, _ANSWER.format(action=escape(asked["Action"]), key=escape(key), session=escape(session))
                )

            def _answer(self, status: int, text: str) -> None:
                content = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
