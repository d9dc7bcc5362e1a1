"""The page at `/` and what it shows, over HTTP: for a browser, in bounded size, and without a secret."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.http import overview as shown
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local import raw
from tests.samples import APP

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Site": "none"}
SECRETS = [
    "gs-client-secret",
    "apple-private-key",
    "apple-key-id",
    "variable-secret",
    "scripted-secret",
    "query-secret",
]


def overview(service: LocalAmplifyBackend, query: str = "") -> dict[str, Any]:
    answer = raw.ask(service, "GET", f"/_amplifybackend/overview{query}")
    assert answer.status == 200
    return answer.content


def test_a_browser_gets_a_page_that_its_policy_confines(backend: LocalAmplifyBackend) -> None:
    page = raw.ask(backend, "GET", "/", headers=BROWSER)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    for directive in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert directive in policy
    assert "unsafe" not in policy
    text = page.body.decode()
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert not re.search(
        r"https?://|//[a-z]+\.|\son[a-z]+=|\sstyle=", re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL)
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_the_page_is_for_get_alone(backend: LocalAmplifyBackend, method: str) -> None:
    answer = raw.ask(backend, method, "/", b"", headers=BROWSER)
    assert answer.status == 501
    assert "Content-Security-Policy" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Referer": "https://evil.example/links"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_another_page_can_neither_link_to_it_nor_read_it(
    backend: LocalAmplifyBackend, headers: dict[str, str], status: int
) -> None:
    for path in ("/", "/_amplifybackend/overview"):
        assert raw.ask(backend, "GET", path, headers={**BROWSER, **headers}).status == status


def test_a_name_that_was_rebound_does_not_lead_to_it(backend: LocalAmplifyBackend) -> None:
    for path in ("/", "/_amplifybackend/overview"):
        assert raw.ask(backend, "GET", path, headers=BROWSER, host="evil.example").status == 403


@pytest.mark.parametrize("signature", [None, UNSIGNED])
def test_aws_clients_that_ask_for_the_root_are_answered_as_before(backend: LocalAmplifyBackend, signature: Any) -> None:
    s3 = backend.client("s3", config=Config(signature_version=signature, retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError) as refusal:
        s3.list_buckets()
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    stacks = backend.client("cloudformation").describe_stacks()["Stacks"]
    assert stacks[0]["StackName"].startswith("amplify-shop-staging-")


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/", {"Accept": "*/*"}),
        ("/", {}),
        ("/", {**BROWSER, "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, Si"}),
        ("/?X-Amz-Credential=x%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", BROWSER),
        ("/?list-type=2", BROWSER),
        ("//", BROWSER),
        ("/bucket/", BROWSER),
    ],
)
def test_only_a_browsers_own_request_for_the_root_is_for_the_page(
    backend: LocalAmplifyBackend, target: str, headers: dict[str, str]
) -> None:
    assert raw.ask(backend, "GET", target, headers=headers).status == 501


def test_with_moto_s3_lists_its_buckets_at_the_root() -> None:
    pytest.importorskip("moto.moto_server.werkzeug_app")
    with LocalAmplifyBackend(with_moto=True) as service:
        service.client("s3").create_bucket(Bucket="listed-at-the-root")
        assert "listed-at-the-root" in [bucket["Name"] for bucket in service.client("s3").list_buckets()["Buckets"]]
        assert b"<title>Local AmplifyBackend</title>" in raw.ask(service, "GET", "/", headers=BROWSER).body


def test_it_shows_environments_jobs_and_requests(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.lock(APP, "staging")
    backend.control.seed_app(APP, tags={"team": "web"})
    backend.control.set(job_seconds=10)
    job = client.clone_backend(AppId=APP, BackendEnvironmentName="staging", TargetEnvironmentName="copy")
    backend.control.add_fault("GetBackend", kind="throttle", times=1)
    with pytest.raises(ClientError):
        client.get_backend(AppId=APP)
    backend.control.advance(4)

    found = overview(backend)
    (app,) = found["apps"]
    assert (app["app_id"], app["name"], app["tags"]) == (APP, "shop", {"team": "web"})
    staging, copy = app["environments"]
    assert (staging["auth"], staging["api"], staging["storage"]) == (["main"], ["graph"], ["files"])
    assert staging["signs"] == ["locked by a migration", "has a pending job"]
    assert copy["name"] == "copy"
    (row,) = found["jobs"]["shown"]
    assert (row["job_id"], row["operation"], row["status"]) == (job["JobId"], "CloneBackend", "RUNNING")
    assert row["ends"] - row["created"] == pytest.approx(10)
    assert found["time"] - row["created"] == pytest.approx(4)
    assert [(entry["operation"], entry["status_code"]) for entry in found["journal"]["entries"]] == [
        ("CloneBackend", 200),
        ("GetBackend", 429),
    ]
    assert found["journal"]["entries"][0]["environments"] == ["staging", "copy"]
    assert [(fault["kind"], fault["used"]) for fault in found["faults"]] == [("throttle", 1)]


def test_a_reader_gets_what_is_new_and_after_a_reset_all_anew(backend: LocalAmplifyBackend, client: Any) -> None:
    client.get_backend(AppId=APP)
    first = overview(backend)
    query = f"?run={first['run']}&after={first['journal']['last']}"
    assert overview(backend, query)["journal"]["entries"] == []
    client.get_backend(AppId=APP)
    assert [entry["seq"] for entry in overview(backend, query)["journal"]["entries"]] == [first["journal"]["last"] + 1]
    backend.control.clear_journal()
    client.get_backend(AppId=APP)
    again = overview(backend, query)
    assert again["run"] != first["run"]
    assert len(again["journal"]["entries"]) == 1


def test_no_secret_that_the_service_holds_is_in_it(
    backend: LocalAmplifyBackend, client: Any, auth_config: dict[str, Any]
) -> None:
    """The control for this test is the control interface itself, which shows all of them."""
    providers = auth_config["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]
    providers["Google"]["ClientSecret"] = SECRETS[0]
    providers["SignInWithApple"] |= {"PrivateKey": SECRETS[1], "KeyId": SECRETS[2]}
    backend.control.set(native_client_secret=True)
    backend.control.seed_app(APP, variables={"TOKEN": SECRETS[3]})
    backend.control.add_fault("CreateBackendAuth", kind="job_fails", times=1, error=f"refused: {SECRETS[4]}")
    names = {"AppId": APP, "BackendEnvironmentName": "staging"}
    for name in ("first", "second"):
        client.create_backend_auth(**names, ResourceName=name, ResourceConfig=auth_config)
        backend.control.advance(60)
    token = client.create_token(AppId=APP)
    raw.ask(backend, "GET", f"/backend/{APP}?secret={SECRETS[5]}")

    held = json.dumps([backend.control.state(), backend.control.jobs(), backend.control.journal()])
    outputs = re.findall(r'"(?:AppClientSecret|GraphQLAPIKeyOutput)": "([^"]+)"', held)
    secrets = [*SECRETS[:5], *outputs, token["SessionId"]]
    assert len(outputs) >= 2
    assert all(secret in held for secret in secrets)
    page = json.dumps(overview(backend))
    assert [secret for secret in (*secrets, token["ChallengeCode"], SECRETS[5]) if secret in page] == []
    assert "the text is not shown" in page


def test_the_services_own_text_of_a_failed_auth_job_is_shown(
    backend: LocalAmplifyBackend, client: Any, auth_config: dict[str, Any]
) -> None:
    auth_config["UserPoolConfigs"]["ForgotPassword"] = {
        "DeliveryMethod": "EMAIL",
        "EmailSettings": {"EmailMessage": "no place for a code", "EmailSubject": "hello"},
    }
    client.create_backend_auth(
        AppId=APP, BackendEnvironmentName="staging", ResourceName="second", ResourceConfig=auth_config
    )
    backend.control.advance(60)
    (job,) = overview(backend)["jobs"]["shown"]
    assert job["error"].startswith("Resource handler returned message")


def test_what_it_shows_is_bounded(backend: LocalAmplifyBackend, client: Any) -> None:
    many = 300
    jobs = [{"environment": "e0", "status": status} for status in ("COMPLETED", "RUNNING") for _ in range(many)]
    backend.control.seed_app("dbig", *[f"e{number}" for number in range(many)], app_name="n" * 5000, jobs=jobs)
    backend.control.seed(apps=[f"d{number}" for number in range(many)])
    for _ in range(many):
        client.get_backend(AppId="dbig")
    found = overview(backend)
    assert len(found["apps"]) == shown.MOST_APPS
    assert found["more_apps"] == many + 2 - shown.MOST_APPS
    big = next(app for app in found["apps"] if app["app_id"] == "dbig")
    assert len(big["environments"]) == shown.MOST_ENVIRONMENTS
    assert big["more_environments"] == many - shown.MOST_ENVIRONMENTS
    assert len(big["name"]) == shown.LONGEST_TEXT + len("...")
    assert len(found["jobs"]["shown"]) == shown.MOST_RUNNING + shown.MOST_ENDED
    assert (found["jobs"]["running"], found["jobs"]["total"]) == (many, 2 * many)
    assert len(found["journal"]["entries"]) == shown.MOST_ENTRIES
    assert found["journal"]["entries"][-1]["seq"] == found["journal"]["last"]


def test_requests_that_are_not_well_formed_break_nothing(backend: LocalAmplifyBackend) -> None:
    raw.ask(backend, "POST", "/backend", b'{"appId": {"a": [1]}, "backendEnvironmentName": 7}')
    raw.ask(backend, "POST", "/backend/%ff/job/%00/%ff", b"[")
    entries = overview(backend)["journal"]["entries"]
    assert [entry["app_id"] for entry in entries] == ["", "\udcff"]
    assert raw.ask(backend, "GET", "/_amplifybackend/overview?after=x").status == 200
    assert raw.ask(backend, "GET", f"/_amplifybackend/overview?run={overview(backend)['run']}&after=x").status == 400
