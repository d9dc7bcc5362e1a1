"""What botocore's exceptions mean."""

from __future__ import annotations

from typing import Any

import botocore.exceptions as boto
import pytest
from botocore.parsers import ResponseParserError

from airflow_provider_amplifybackend.core.requests import FaultKind
from airflow_provider_amplifybackend.core.service_text import ServiceTexts
from airflow_provider_amplifybackend.hooks._botocore_errors import UnreadableAnswerError, check_answer, service_error

URL = {"endpoint_url": "https://x"}


def answered(status: int, code: str | None = None) -> boto.ClientError:
    error = {"Code": code, "Message": "words"} if code else {}
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {"date": "today"}}
    return boto.ClientError({"Error": error, "ResponseMetadata": metadata}, "CloneBackend")  # type: ignore[typeddict-item]


MEANINGS: list[tuple[Exception, FaultKind]] = [
    (answered(429, "TooManyRequestsException"), FaultKind.THROTTLED),
    (answered(429), FaultKind.THROTTLED),
    (answered(400, "ThrottlingException"), FaultKind.THROTTLED),
    (answered(404, "NotFoundException"), FaultKind.NOT_FOUND),
    (answered(404), FaultKind.REFUSED),
    (answered(404, "UnknownOperationException"), FaultKind.REFUSED),
    (answered(400, "BadRequestException"), FaultKind.REFUSED),
    (answered(400, "ValidationException"), FaultKind.REFUSED),
    (answered(403, "AccessDeniedException"), FaultKind.SETUP),
    (answered(403, "ExpiredTokenException"), FaultKind.EXPIRED),
    (answered(504, "GatewayTimeoutException"), FaultKind.UNCLEAR),
    (answered(500), FaultKind.UNCLEAR),
    (answered(503, "ServiceUnavailable"), FaultKind.UNCLEAR),
    (boto.EndpointConnectionError(**URL), FaultKind.UNSENT),
    (boto.ConnectTimeoutError(**URL), FaultKind.UNSENT),
    (boto.ReadTimeoutError(**URL), FaultKind.UNCLEAR),
    (boto.ConnectionClosedError(**URL), FaultKind.UNCLEAR),
    # Both can come after the request was sent.
    (boto.SSLError(error=Exception("bad record"), **URL), FaultKind.UNCLEAR),
    (boto.ProxyConnectionError(error="reset", proxy_url="http://p"), FaultKind.UNCLEAR),
    (boto.HTTPClientError(error="?"), FaultKind.UNCLEAR),
    (ResponseParserError("half a document"), FaultKind.UNCLEAR),
    (boto.NoCredentialsError(), FaultKind.CREDENTIALS),
    (boto.CredentialRetrievalError(provider="x", error_msg="busy"), FaultKind.CREDENTIALS),
    (answered(403, "InvalidSignatureException"), FaultKind.CREDENTIALS),
    (answered(403, "UnrecognizedClientException"), FaultKind.CREDENTIALS),
    (answered(400, "LimitExceededException"), FaultKind.REFUSED),
    (answered(429, "LimitExceededException"), FaultKind.REFUSED),
    (boto.NoRegionError(), FaultKind.SETUP),
    (boto.ParamValidationError(report="x"), FaultKind.SETUP),
    (ValueError("something else"), FaultKind.UNCLEAR),
]


@pytest.mark.parametrize(("error", "kind"), MEANINGS, ids=lambda value: str(value)[:60])
def test_an_exception_means(error: Exception, kind: FaultKind) -> None:
    assert service_error("CloneBackend", error, ServiceTexts()).kind is kind


@pytest.mark.parametrize("kind", FaultKind)
def test_what_can_pass_is_transient(kind: FaultKind) -> None:
    lasting = {FaultKind.NOT_FOUND, FaultKind.REFUSED, FaultKind.SETUP, FaultKind.CREDENTIALS}
    error = service_error("GetBackend", next(e for e, k in MEANINGS if k is kind), ServiceTexts())
    assert error.is_transient is (kind not in lasting)


def test_an_answer_keeps_its_code_its_words_and_its_time() -> None:
    error = service_error("CloneBackend", answered(400, "BadRequestException"), ServiceTexts())
    assert (error.code, error.message, error.headers["date"]) == ("BadRequestException", "words", "today")
    assert str(error) == "CloneBackend: BadRequestException: words"


def test_an_error_without_a_body_is_named_by_its_status() -> None:
    assert service_error("CloneBackend", answered(503), None).code == "503"


def response(length: int, **members: Any) -> dict[str, Any]:
    return {**members, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-length": str(length)}}}


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("GetBackend", response(0)),
        ("GetBackend", response(2)),
        ("GetBackendJob", response(0)),
        ("CloneBackend", response(0)),
        ("ListBackendJobs", response(0)),
        ("GetBackendAPIModels", response(0)),
    ],
)
def test_an_answer_without_members_was_lost(operation: str, answer: dict[str, Any]) -> None:
    with pytest.raises(UnreadableAnswerError) as raised:
        check_answer(operation, answer)
    assert raised.value.is_transient


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("GetBackend", response(20, AppId="d1")),
        ("ListBackendJobs", response(11, Jobs=[])),
        ("ListBackendJobs", response(2)),
        ("RemoveBackendConfig", response(0)),
        ("RemoveBackendConfig", response(2)),
    ],
)
def test_an_answer_that_has_little_to_say_is_one(operation: str, answer: dict[str, Any]) -> None:
    check_answer(operation, answer)
