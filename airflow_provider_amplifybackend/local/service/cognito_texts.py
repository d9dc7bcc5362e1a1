"""Cognito's demands on the message texts of an auth configuration: a job whose texts it refuses ends FAILED.

The limits are those of botocore's cognito-idp model (a test compares them): there, verification messages must hold
the place of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_LINE_ENDS = frozenset("\n\r\x85\u2028\u2029")


def _sms_has_place(text: str) -> bool:
    r"""Match `.*\{####\}.*`, where `.` ends at a line's end: an SMS is one line."""
    return "{####}" in text and not _LINE_ENDS & set(text)


def _email_has_place(text: str) -> bool:
    """Find `{####}`, or the form with a link: `{##Click here##}`."""
    start = text.find("{##")
    return start >= 0 and text.find("##}", start + 3) >= 0


@dataclass(frozen=True)
class Text:
    """One sort of text of Cognito's API: its member there, its shapes in the model, its limits."""

    member: str
    shapes: tuple[str, ...]
    shortest: int
    longest: int
    has_place: Callable[[str], bool] | None = None


_EMAIL_SHAPES = ("EmailVerificationMessageType", "EmailVerificationMessageByLinkType")
_SMS_SHAPES = ("SmsVerificationMessageType",)
_SUBJECT = Text("emailVerificationSubject", ("EmailVerificationSubjectType",), 1, 140)
_EMAIL = Text("emailVerificationMessage", _EMAIL_SHAPES, 6, 20_000, _email_has_place)
_SMS = Text("smsVerificationMessage", _SMS_SHAPES, 6, 140, _sms_has_place)
_MFA = Text("smsAuthenticationMessage", _SMS_SHAPES, 6, 140, _sms_has_place)

# AmplifyBackend's members below UserPoolConfigs. A forgotten password uses the pool's verification messages.
TEXTS: dict[tuple[str, ...], Text] = {
    ("VerificationMessage", "EmailSettings", "EmailMessage"): _EMAIL,
    ("VerificationMessage", "EmailSettings", "EmailSubject"): _SUBJECT,
    ("VerificationMessage", "SmsSettings", "SmsMessage"): _SMS,
    ("ForgotPassword", "EmailSettings", "EmailMessage"): _EMAIL,
    ("ForgotPassword", "EmailSettings", "EmailSubject"): _SUBJECT,
    ("ForgotPassword", "SmsSettings", "SmsMessage"): _SMS,
    ("Mfa", "Settings", "SmsMessage"): _MFA,
}


def complaint(resource_config: dict[str, Any]) -> str | None:
    """Return Cognito's error for the texts of a ResourceConfig; None for texts that it takes."""
    failures = [failure for path, kind in TEXTS.items() for failure in _failures(_at(resource_config, path), kind)]
    if not failures:
        return None
    plural = "s" if len(failures) > 1 else ""
    return (
        f'Resource handler returned message: "{len(failures)} validation error{plural} detected: '
        f'{"; ".join(failures)} (Service: CognitoIdentityProvider, Status Code: 400)"'
    )


def _at(resource_config: dict[str, Any], path: tuple[str, ...]) -> str | None:
    found: Any = resource_config.get("UserPoolConfigs", {})
    for member in path:
        found = (found or {}).get(member)
    text: str | None = found
    return text


def _failures(text: str | None, kind: Text) -> Iterator[str]:
    if text is None:
        return
    failed = f"Value at '{kind.member}' failed to satisfy constraint: Member must"
    if kind.has_place is not None and not kind.has_place(text):
        yield rf"{failed} satisfy regular expression pattern: .*\{{####\}}.*"
    if len(text) < kind.shortest:
        yield f"{failed} have length greater than or equal to {kind.shortest}"
    if len(text) > kind.longest:
        yield f"{failed} have length less than or equal to {kind.longest}"
