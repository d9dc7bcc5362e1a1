"""Our signature of a read is botocore's, byte for byte."""

from __future__ import annotations

import time
from calendar import timegm

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.hooks._lean_reader import job_path
from airflow_provider_amplifybackend.hooks._signature import Signer

HOSTS = ("amplifybackend.eu-west-1.amazonaws.com", "127.0.0.1:4566", "[::1]:4566", "proxy.example:8443")
MIDNIGHT = timegm((2026, 11, 30, 0, 0, 0))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(names.can_name)
KEYS = st.text("ABCxyz0189+/=", min_size=1, max_size=40)
TIMES = st.integers(0, 2**32) | st.integers(MIDNIGHT - 3, MIDNIGHT + 3)


def botocores(credentials: ReadOnlyCredentials, host: str, path: str, second: int) -> str:
    """The Authorization header as botocore makes it at a time."""
    auth = SigV4Auth(credentials, "amplifybackend", "eu-west-1")
    request = AWSRequest("GET", f"https://{host}{path}")
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
    request.context["timestamp"] = date
    request.headers["X-Amz-Date"] = date
    if credentials.token:
        request.headers["X-Amz-Security-Token"] = credentials.token
    headers = auth.headers_to_sign(request)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={auth.signed_headers(headers)}, "
        f"Signature={signature}"
    )


@given(
    key=st.from_regex(r"[A-Z0-9]{16,20}", fullmatch=True),
    secret=KEYS,
    token=st.none() | KEYS,
    host=st.sampled_from(HOSTS),
    prefix=st.sampled_from(["", "/stage", "/a~b/c_d"]),
    jobs=st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=3),
    times=st.lists(TIMES, min_size=1, max_size=3),
)
def test_a_signature_is_botocores_with_any_name_and_over_midnight(
    key: str,
    secret: str,
    token: str | None,
    host: str,
    prefix: str,
    jobs: list[tuple[str, str, str]],
    times: list[int],
) -> None:
    credentials = ReadOnlyCredentials(key, secret, token)
    signer = Signer(credentials, region="eu-west-1", service="amplifybackend", host=host)
    for second in times:
        for app_id, environment, job_id in jobs:
            path = job_path({"AppId": app_id, "BackendEnvironmentName": environment, "JobId": job_id})
            assert path is not None
            headers = signer.headers(prefix + path, second + 0.4)
            assert headers["Authorization"] == botocores(credentials, host, prefix + path, second)
            assert headers.get("X-Amz-Security-Token") == token
            assert headers["X-Amz-Date"] == time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def test_what_is_no_name_has_no_path() -> None:
    for bad in ("", "..", "a/b", "a?b", "{{ x }}", " a", None):
        assert job_path({"AppId": "d1", "BackendEnvironmentName": bad, "JobId": "j"}) is None
