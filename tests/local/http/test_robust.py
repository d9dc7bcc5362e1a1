"""No input makes a 500, a dropped connection or a poisoned state: requests of every sort, over all interfaces.

The examples are the same in each run; `hypothesis` prints the smallest one that fails.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service.api_model import AMPLIFY, CLOUDFORMATION, SERVICE_NAME, service_model
from airflow_provider_amplifybackend.local.service.neighbours import cloudformation
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.testing.fault_kinds import KINDS
from tests.local import raw
from tests.samples import APP

DEEP = 5_000
# Those that name an operation by its path, and the one that names it in a form.
OPERATIONS = [
    model.operation_model(name)
    for model in (service_model(SERVICE_NAME), service_model(AMPLIFY))
    for name in model.operation_names
]
ACTIONS = [
    service_model(CLOUDFORMATION).operation_model(name) for name in service_model(CLOUDFORMATION).operation_names
]
few = settings(max_examples=120, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", params=raw.PARSERS)
def running(request: pytest.FixtureRequest) -> Iterator[LocalAmplifyBackend]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        raw.use_parser(monkeypatch, request.param)
        with LocalAmplifyBackend(job_seconds=0.01) as service:
            yield service


# What goes in. Known names come often, so that what is behind the first check is met as well.

odd_texts = st.sampled_from(
    [
        "",
        " ",
        ".",
        "..",
        "\x00",
        "\ud800",
        "a\udfffb",
        "\ud83d\ude00",
        "\U0001f41f",
        "\r\nX: y",
        "*",
        "%",
        "a/b",
        "x" * 5_000,
    ]
)
texts = st.one_of(odd_texts, st.text(st.characters(exclude_categories=()), max_size=12))
known_texts = st.sampled_from(
    [
        APP,
        "staging",
        "main",
        "graph",
        "DeleteBackend",
        "GetBackend",
        "FAILED",
        "before",
        "s1",
        "amplify",
        "1",
        "RELEASE",
    ]
)
numbers = st.one_of(
    st.integers(-3, 400),
    st.sampled_from([10**400, -(10**400), 2**63, 1e300, -1e300, 5e-324, float("nan"), float("inf"), -float("inf")]),
    st.floats(),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, known_texts, texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | known_texts, inner, max_size=3),
    max_leaves=8,
)
odd_bodies = st.sampled_from(
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"1",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"\xed\xa0\x80": 1}',
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"[" * 100_000,
        b'{"seconds": 1e400}',
        b"{}" * 2,
        b'{"seconds": ' + b"1" * 5_000 + b"}",
        b'{"seconds": NaN}',
        b'{"skew_seconds": Infinity}',
        b'{"a": 1, "a": 2}',
        b"\x00" * 10,
    ]
)


def as_body(value: Any) -> bytes:
    """As a careless client writes it: NaN as it is, and half a surrogate pair as an escape."""
    return json.dumps(value).encode()


def objects(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these members, each as it should be or as anything."""
    return st.fixed_dictionaries({}, optional={name: one | values for name, one in members.items()})


environments = st.lists(
    texts
    | objects(
        name=texts | known_texts,
        meta=values,
        auth=values,
        api=values,
        storage=values,
        age_seconds=numbers,
        locked=st.booleans(),
        stack_policy=st.just({"Statement": []}) | values,
        termination_protection=st.booleans(),
        retain=st.lists(st.sampled_from(["auth", "tables"]) | texts, max_size=2),
    ),
    max_size=2,
)
maps = st.dictionaries(
    st.sampled_from(["k", "aws:x", "GEN2_MIGRATION_ENVIRONMENT_NAME"]) | texts, texts | st.none(), max_size=3
)
branches = st.lists(
    texts | objects(name=known_texts, tags=maps, jobs=st.lists(objects(status=texts, seconds=numbers), max_size=2)),
    max_size=2,
)
seeded_stacks = st.lists(
    texts
    | objects(
        name=known_texts | texts,
        status=st.sampled_from(["DELETE_COMPLETE", "REVIEW_IN_PROGRESS"]) | texts,
        age_seconds=numbers,
        stack_policy=values,
        termination_protection=st.booleans(),
        tags=maps,
        outputs=maps,
    ),
    max_size=2,
)
seeded_jobs = st.lists(
    objects(
        environment=texts,
        operation=known_texts,
        status=texts,
        seconds=numbers,
        age_seconds=numbers,
        error=texts,
        job_id=texts,
        row=objects(Operation=texts, Error=texts, CreateTime=texts),
    ),
    max_size=2,
)
seeds = objects(
    account=texts,
    region=texts,
    buckets=st.lists(texts, max_size=2),
    stacks=seeded_stacks,
    apps=st.lists(
        texts
        | objects(
            app_id=texts | known_texts,
            app_name=texts,
            config=values,
            environments=environments,
            jobs=seeded_jobs,
            variables=maps,
            tags=maps,
            age_seconds=numbers,
            branches=branches,
        ),
        max_size=2,
    ),
)
OPTIONS = sorted({option for options in KINDS.values() for option in options})
faults = st.builds(
    lambda kind, rest: {"kind": kind, **rest},
    st.sampled_from(sorted(KINDS)),
    objects(
        service=st.sampled_from(["*", "amplifybackend", "amplify", "cloudformation"]) | texts,
        operation=st.sampled_from(["*", "DeleteBackend", "GetBackend", "GetApp", "ListStacks"]),
        times=numbers,
        probability=numbers,
        seed=numbers,
        app_id=texts,
        environment=texts,
        **dict.fromkeys(OPTIONS, values),
    ),
)
switches = objects(**dict.fromkeys(Settings().as_dict(), values | st.dictionaries(known_texts, values, max_size=2)))
control_bodies = st.one_of(
    seeds,
    faults,
    switches,
    values,
    objects(seconds=numbers, skew_seconds=numbers, frozen=st.booleans()),
    objects(status=known_texts, error=texts),
    st.dictionaries(texts, values, max_size=2),
).map(as_body)
CONTROL = [
    "health",
    "reset",
    "seed",
    "faults",
    "journal",
    "settings",
    "clock",
    "clock/advance",
    "jobs",
    "jobs/x/end",
    "state",
]
control_paths = st.one_of(
    st.sampled_from([f"/{path}" for path in CONTROL]),
    st.sampled_from(
        [
            "",
            "/",
            "//",
            "/nonsense",
            "/faults/1",
            "/faults/" + "9" * 5_000,
            "/faults/-1",
            "/faults/%ff",
            "/jobs/%ff/end",
            "/jobs/%ed%a0%80/end",
            "/health/",
            "/../health",
            "/%00",
            "/journal?after=-1",
            "/journal?after=" + "9" * 5_000,
            "/journal?after=\u00b2",
            "/journal?effective=maybe",
            "/journal?a=b&a=c",
            "/journal?operation=%ff",
            "/journal?%",
            "/journal?environment=%ed%a0%80",
            "/journal?service=amplify",
            "/journal?service=%ff",
            "/journal?app_id=%00&after=0",
            "/" + "x" * 20_000,
        ]
    ),
)
methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"])
MATCHING = [
    ("POST", "/seed", seeds), ("POST", "/faults", faults), ("PATCH", "/settings", switches),
    ("PATCH", "/clock", objects(skew_seconds=numbers, frozen=st.booleans())),
    ("POST", "/clock/advance", objects(seconds=numbers)),
]  # fmt: skip
matching = st.one_of([st.tuples(st.just(method), st.just(path), body.map(as_body)) for method, path, body in MATCHING])
control_requests = st.one_of(
    matching, st.tuples(methods, control_paths, control_bodies), st.tuples(methods, control_paths, odd_bodies)
)


def assert_sound(service: LocalAmplifyBackend) -> None:
    """Whatever can be read can be read, and the service does what it is there for."""
    for path in ("/health", "/state", "/jobs", "/faults", "/journal", "/settings", "/clock"):
        answer = raw.control(service, "GET", path)
        assert answer.status == 200, (path, answer.body)
        assert isinstance(answer.content, dict)
    assert raw.control(service, "DELETE", "/faults").status == 200
    answer = raw.ask(service, "POST", f"/backend/{APP}/details", b'{"backendEnvironmentName": "staging"}')
    assert answer.status in (200, 404, 400), answer.body
    assert isinstance(answer.content, dict)
    for path in ("/apps", f"/apps/{APP}/backendenvironments", f"/apps/{APP}/branches"):
        answer = raw.ask(service, "GET", path)
        assert answer.status in (200, 404), answer.body
        assert isinstance(answer.content, dict)
    for action in ("ListStacks", "DescribeStacks"):
        answer = ask_by_form(service, f"Action={action}".encode())
        assert answer.status == 200, answer.body
        assert ET.fromstring(answer.body).tag.endswith(f"}}{action}Response")


def ask_by_form(service: LocalAmplifyBackend, form: bytes, target: str = "/") -> raw.Answer:
    headers = [
        ("Authorization", signature(service=CLOUDFORMATION)),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    return raw.ask(service, "POST", target, form, headers)


def start_anew(service: LocalAmplifyBackend) -> None:
    service.control.reset()
    service.control.seed_app(
        APP, {"name": "staging", "auth": {"main": None}, "api": {"graph": None}}, branches=["main"]
    )
    service.control.seed(stacks=["s1"])


@few
@given(control_requests)
@example(("PATCH", "/clock", b'{"skew_seconds": 1e400}'))
@example(("PATCH", "/clock", b'{"skew_seconds": 1e15, "frozen": true}'))
@example(("POST", "/clock/advance", b'{"seconds": 1e300}'))
@example(("POST", "/seed", b'{"apps": ["\\ud800"], "buckets": ["\\ud800"]}'))
def test_the_control_interface_takes_anything(running: LocalAmplifyBackend, request: tuple[str, str, bytes]) -> None:
    start_anew(running)
    method, path, body = request
    answer = raw.control(running, method, path.encode().decode("latin-1"), body)
    assert 200 <= answer.status < 500, answer.body
    assert_sound(running)


@few
@given(st.lists(matching, min_size=2, max_size=6))
def test_what_is_refused_has_changed_nothing(
    running: LocalAmplifyBackend, requests: list[tuple[str, str, bytes]]
) -> None:
    start_anew(running)
    running.control.set_clock(frozen=True)
    for method, path, body in requests:
        before = everything(running)
        answer = raw.control(running, method, path, body)
        assert 200 <= answer.status < 500, answer.body
        if answer.status >= 400:
            assert everything(running) == before
    assert_sound(running)


def everything(service: LocalAmplifyBackend) -> list[bytes]:
    paths = ["/state", "/jobs", "/faults", "/settings"]
    clock = raw.control(service, "GET", "/clock").content
    # A clock that a request has let run shows another time each time.
    shown = clock if clock["frozen"] else {name: value for name, value in clock.items() if name != "time"}
    return [*(raw.control(service, "GET", path).body for path in paths), json.dumps(shown).encode()]


def like(shape: Shape) -> st.SearchStrategy[Any]:
    """Values of about a shape's form, with the names that they have on the wire."""
    if isinstance(shape, StructureShape):
        members = {sub.serialization.get("name", name): like(sub) for name, sub in shape.members.items()}
        return objects(**members)
    if isinstance(shape, ListShape):
        return st.lists(like(shape.member), max_size=2)
    if isinstance(shape, MapShape):
        return st.dictionaries(known_texts | texts, like(shape.value), max_size=2)
    if "enum" in shape.metadata:
        return st.sampled_from(shape.metadata["enum"]) | texts
    return {"boolean": st.booleans(), "string": known_texts | texts}.get(shape.type_name, numbers)


@st.composite
def service_requests(draw: st.DrawFn) -> tuple[str, str, bytes]:
    model = draw(st.sampled_from(OPERATIONS))
    names = known_texts | texts
    path = "/".join(
        quote(draw(names), safe="", errors="surrogatepass") if segment.startswith("{") else segment
        for segment in model.http["requestUri"].split("/")
    )
    assert model.input_shape is not None
    body = draw(st.one_of(like(model.input_shape).map(as_body), values.map(as_body), odd_bodies))
    method = draw(st.one_of(st.just(model.http["method"]), methods))
    odd = st.sampled_from(["", "", "?", "?a", "?X-Amz-Credential=", "?x=X-Amz-Credential", "?%ff=%00"])
    return method, path + draw(odd | queries(model)), body


def queries(model: OperationModel) -> st.SearchStrategy[str]:
    """Queries with the members that an operation has there, as they should be or as anything."""
    assert model.input_shape is not None
    members = {
        sub.serialization["name"]: st.integers(-2, 120).map(str) | texts | known_texts
        for sub in model.input_shape.members.values()
        if sub.serialization.get("location") == "querystring"
    }
    return objects(**members).map(lambda given: "?" + urlencode(given, errors="surrogatepass", encoding="utf-8"))


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """Forms for CloudFormation, the operations that are built more often than the others."""
    model = draw(
        st.sampled_from(ACTIONS) | st.sampled_from([one for one in ACTIONS if one.name in cloudformation.HANDLERS])
    )
    members = sorted(model.input_shape.members) if model.input_shape else []
    fields = {"Action": model.name}
    for member in draw(st.lists(st.sampled_from(members) | texts, max_size=4)) if members else []:
        suffix = draw(st.sampled_from(["", "", ".member.1", ".member.x", ".entry.1.key", ".A.B", "."]))
        fields[member + suffix] = str(
            draw(known_texts | texts | numbers | st.sampled_from(["true", "CREATE_COMPLETE"]))
        )
    return urlencode(fields, errors="surrogatepass", encoding="utf-8").encode()


def signature(access_key: str = "A", region: str = "us-east-1", service: str = "amplifybackend") -> str:
    return f"AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host"


odd_headers = st.sampled_from(
    [
        [],
        [("Authorization", "")],
        [("Authorization", "\xff\xfe")],
        [("Authorization", "Credential=/////")],
        [("Authorization", signature())],
        [("Authorization", signature("\xb2" * 12))],
        [("Authorization", signature("123456789012"))],
        [("Authorization", signature(region="\xe4\xf6<&>"))],
        [("Authorization", signature(region="r" * 5_000))],
        [("Authorization", signature(service="<s3>"))],
        [("Authorization", signature()), ("Authorization", "x")],
        [("Content-Type", "\xff")],
        [("Content-Type", "text/plain; charset=utf-7")],
        [("Accept-Encoding", "nonsense")],
        [("X-Amz-Target", "y" * 20_000)],
        [("Expect", "100-continue")],
        [("Cookie", "a=b"), ("Cookie", "c")],
        [("Connection", "close")],
    ]
)


@few
@given(service_requests(), odd_headers)
@example(("POST", "/backend", as_body({"appId": "d", "appName": "\ud800", "backendEnvironmentName": "\ud800"})), [])
@example(("POST", f"/backend/{APP}/details?X-Amz-Credential=", b""), [])
@example(("POST", f"/backend/{APP}/details?X-Amz-Credential=%ff/%00", b""), [])
@example(("POST", "/" + "x" * 40_000, b""), [])
def test_the_service_takes_anything(
    running: LocalAmplifyBackend, request: tuple[str, str, bytes], headers: list[tuple[str, str]]
) -> None:
    start_anew(running)
    method, target, body = request
    answer = raw.ask(running, method, target, body, headers)
    # 501 is what other services answer without moto.
    assert 200 <= answer.status < 500 or answer.status == 501, answer.body
    running.control.advance(60)  # what a job does at its end is done by the next request
    assert_sound(running)


@few
@given(forms() | odd_bodies, st.sampled_from(["/", "/?Action=ListStacks", "/?%ff", "/x", "/?StackName=staging"]))
@example(b"Action=ListStacks&StackStatusFilter.member.99999999999=x", "/")
@example(b"Action=DescribeStacks&StackName=" + b"%00" * 100, "/")
def test_cloudformation_takes_any_form(running: LocalAmplifyBackend, form: bytes, target: str) -> None:
    start_anew(running)
    answer = ask_by_form(running, form, target)
    assert 200 <= answer.status < 500 or answer.status == 501, answer.body
    assert ET.fromstring(answer.body).tag.endswith("Response")
    assert_sound(running)


@few
@given(st.lists(service_requests(), min_size=2, max_size=5))
def test_requests_upon_requests_poison_nothing(
    running: LocalAmplifyBackend, requests: list[tuple[str, str, bytes]]
) -> None:
    start_anew(running)
    for method, target, body in requests:
        assert raw.ask(running, method, target, body).status in range(200, 502)
        running.control.advance(60)
    assert_sound(running)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /backend\x00/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /backend HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /backend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /backend HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /backend HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\n: empty\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_hardly_http_gets_an_answer(running: LocalAmplifyBackend, request_bytes: bytes) -> None:
    start_anew(running)
    assert raw.exchange(running, request_bytes).status in (400, 404, 501)
    assert_sound(running)


def test_a_caller_who_leaves_early_harms_nobody(running: LocalAmplifyBackend) -> None:
    import socket

    start_anew(running)
    for path in (f"/backend/{APP}/details", "/_amplifybackend/seed", "/elsewhere"):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        )
        with socket.create_connection(raw.address(running)) as connection:
            connection.sendall(head.encode() + b'{"a"')
    assert_sound(running)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"reset_before", "reset_after", "truncate", "delay"}))
@few
@given(st.data())
def test_every_fault_that_is_accepted_can_strike(running: LocalAmplifyBackend, kind: str, data: st.DataObject) -> None:
    start_anew(running)
    # Of the right type mostly, so that many are accepted.
    strategies: dict[type, st.SearchStrategy[Any]] = {str: texts, dict: st.dictionaries(texts, values, max_size=2)}
    options = {name: data.draw(strategies.get(type(default), values), name) for name, default in KINDS[kind].items()}
    if kind == "error":
        options |= data.draw(
            st.fixed_dictionaries({}, optional={"status": st.integers(390, 610), "code": st.just("X")})
        )
    if kind == "job_row":
        options = {"members": data.draw(objects(Operation=texts, Error=texts, Status=texts, JobId=texts))}
    answer = raw.control(running, "POST", "/faults", as_body({"kind": kind, "operation": "DeleteBackend", **options}))
    assert answer.status in (201, 400), answer.body
    struck = raw.ask(running, "POST", f"/backend/{APP}/environments/staging/remove", b"")
    assert struck.status >= 200
    if struck.body:
        assert isinstance(struck.content, dict)
    running.control.advance(60)
    listed = raw.ask(running, "POST", f"/backend/{APP}/job/staging", b"{}")
    assert listed.status == 200, listed.body
    assert_sound(running)
