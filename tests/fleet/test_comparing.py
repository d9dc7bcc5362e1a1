"""Snapshots and their differences, as pure functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.requests import drive
from airflow_provider_amplifybackend.fleet.comparing import MOST_RESULT_BYTES, Change, Difference, compare, result, text
from airflow_provider_amplifybackend.fleet.normal import _CONFIGURED, _IDENTIFYING
from airflow_provider_amplifybackend.fleet.snapshot import (
    Key,
    SnapshotError,
    Subject,
    as_bytes,
    checked,
    document,
    facts,
    parsed,
    read_snapshot,
)
from airflow_provider_amplifybackend.guard.inventory import MOST_RESOURCES, Gap, Inventory
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError
from airflow_provider_amplifybackend.parameters.service_model import service_model
from tests.botocore_model import all_members_of

NOW = datetime(2026, 11, 29, tzinfo=UTC)
KEY = Key("a key", b"a key of enough letters")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
CONTENTS = st.dictionaries(
    st.sampled_from(["auth", "api", "storage", "models"]), st.dictionaries(TEXTS, ANYTHING, max_size=3)
)


def snapshot(
    content: dict[str, Any], *, environment: str = "dev", key: Key | None = KEY, gaps: tuple[Gap, ...] = ()
) -> Any:
    made = document(Subject("d1app", environment, "us-east-1"), NOW, content, Inventory(gaps=list(gaps)), key)
    return parsed(as_bytes(made))


def of_auth(environment: str = "dev", *, key: Key | None = KEY, **config: Any) -> Any:
    meta = {
        "providers": {"awscloudformation": {"StackName": f"amplify-shop-{environment}-123", "Region": "us-east-1"}},
        "auth": {
            "people": {
                "service": "Cognito",
                "lastPushTimeStamp": environment,
                "output": {"UserPoolId": f"pool of {environment}", "AppClientIDWeb": environment},
            }
        },
    }
    content = {
        "environment": {"AppId": "d1app", "BackendEnvironmentName": environment, "AmplifyMetaConfig": meta},
        "auth": {"people": {"ResourceName": "people", "ResourceConfig": config}},
    }
    return snapshot(content, environment=environment, key=key)


def changes(left: Any, right: Any, *ignore: str) -> dict[str, str]:
    return {one.path: str(one.change) for one in compare(left, right, ignore)}


# Snapshots


@settings(deadline=None)
@given(
    content=CONTENTS,
    secret=st.text("abcdefghijkmnopqrstuvwxyz", min_size=9, max_size=30).map(lambda word: f"hush-{word}"),
    name=st.sampled_from(
        ["ClientSecret", "PrivateKey", "GraphQLAPIKeyOutput", "AppClientSecret", "googleAppSecretUserPool"]
    ),
    resource=st.sampled_from(["people", "models", "emailMessage", "passwordless", "AmplifyMetaConfig", "a.b", ""]),
)
def test_no_secret_is_in_a_snapshot_wherever_it_stands(
    content: dict[str, Any], secret: str, name: str, resource: str
) -> None:
    config = {"deep": [{"Google": {name: secret}}], "text": json.dumps({name: secret}), "Mode": "x"}
    planted = {
        **content,
        "environment": {"AmplifyMetaConfig": {"auth": {resource: {"output": {name: secret}}}}},
        "auth": {resource: {"ResourceConfig": config}},
    }
    made = snapshot(planted)
    assert secret not in as_bytes(made).decode(errors="replace")
    secrets = [entry for entry in made["manifest"]["secrets"] if entry["name"] == name]
    assert len({entry["hmac"] for entry in secrets}) == 1  # the same secret under the same name, three times
    above = f"auth.{resource}.ResourceConfig"
    assert {f"{above}.deep[0].Google.{name}", f"{above}.text.{name}"} <= {entry["path"] for entry in secrets}
    # Whatever the resource is called.
    assert made["content"]["auth"][resource]["ResourceConfig"]["Mode"] == "x"


@settings(deadline=None)
@given(content=CONTENTS)
def test_a_snapshot_is_read_as_it_was_written(content: dict[str, Any]) -> None:
    made = snapshot(content)
    altered = {**made, "content": {**made["content"], "more": 1}}
    with pytest.raises(SnapshotError, match="not as it was written"):
        parsed(as_bytes(altered))


@pytest.mark.parametrize(
    "altered", [{"secrets": []}, {"app_id": "another"}, {"key": None}, {"unreadable": []}, {"more": 1}], ids=str
)
def test_a_manifest_that_was_altered_is_refused(altered: dict[str, Any]) -> None:
    made = snapshot({"auth": {"people": {"ClientSecret": "hush"}}}, gaps=(Gap("api shop of environment dev", "why"),))
    with pytest.raises(SnapshotError, match="not as it was written: its manifest"):
        checked({**made, "manifest": {**made["manifest"], **altered}})


def test_a_snapshot_of_an_earlier_version_of_the_package_is_read() -> None:
    made = snapshot({"auth": {"people": {"ClientSecret": "hush"}}})
    del made["manifest"]["manifest_sha256"]
    assert checked(made) == made


@pytest.mark.parametrize("name", ["app_id", "secrets", "taken_at"])
def test_a_manifest_that_lacks_a_member_is_refused(name: str) -> None:
    made = snapshot({})
    del made["manifest"]["manifest_sha256"], made["manifest"][name]
    with pytest.raises(SnapshotError, match=f"its manifest lacks {name}"):
        checked(made)


def test_a_digest_depends_on_key_and_name() -> None:
    other = Key("a key", b"another key of enough letters")
    digests = {KEY.digest("ClientSecret", "s"), KEY.digest("PrivateKey", "s"), other.digest("ClientSecret", "s")}
    assert len(digests) == 3
    assert KEY.check != other.check


@pytest.mark.parametrize("name", ["dev", "my_env", "my-env", "v1.2_x"])
def test_a_name_that_a_file_can_have_is_the_files(name: str) -> None:
    assert Subject("d1", name, "").file_name == f"d1_{name}.snapshot.json"
    assert Subject("d_1", "x", "").file_name != Subject("d", "1_x", "").file_name


def test_two_environments_never_share_a_file() -> None:
    names = {Subject("d1", name, "").file_name for name in ("dev", "Dev", "a/b", "a-b", "a b", "a" * 80, "a" * 81)}
    assert len(names) == 7
    assert all("/" not in name and len(name) < 200 for name in names)


# Comparisons


@settings(deadline=None)
@given(content=CONTENTS, other=CONTENTS)
def test_equal_is_equal_and_a_difference_is_one_from_both_sides(content: dict[str, Any], other: dict[str, Any]) -> None:
    assert compare(snapshot(content), snapshot(content)) == []
    there = compare(snapshot(content), snapshot(other))
    back = compare(snapshot(other), snapshot(content))
    turned = {Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED}
    assert sorted((one.path, turned.get(one.change, one.change)) for one in there) == sorted(
        (one.path, one.change) for one in back
    )


def test_ids_count_within_an_environment_and_not_between_two() -> None:
    before, after = of_auth("dev"), of_auth("dev")
    meta = after["content"]["environment"]["AmplifyMetaConfig"]
    meta["auth"]["people"]["output"]["UserPoolId"] = "another pool"
    assert changes(before, after) == {"environment.AmplifyMetaConfig.auth.people.output.UserPoolId": "changed"}
    assert changes(of_auth("dev"), of_auth("other")) == {}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"UserPoolName": "people-dev"}, {"UserPoolName": "people-other"}),
        ({"Function": "fn-dev"}, {"Function": "fn-other"}),
        (
            {"Text": "arn:aws:lambda:us-east-1:1:function:x-dev"},
            {"Text": "arn:aws:lambda:us-east-1:1:function:y-other"},
        ),
        ({"Scopes": ["a", "b"]}, {"Scopes": ["b", "a"]}),
        ({"Schema": "type A {\n  id: ID!\n}"}, {"Schema": "type A { id: ID! }\r\n"}),
        ({"Empty": None, "Off": False}, {}),
    ],
)
def test_what_always_differs_is_no_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert changes(of_auth("dev", **ours), of_auth("other", **theirs)) == {}


@pytest.mark.parametrize(
    ("ours", "theirs", "path", "change"),
    [
        ({"Mode": "ON"}, {"Mode": "OFF"}, "Mode", "changed"),
        ({"Scopes": ["a"]}, {"Scopes": ["a", "b"]}, "Scopes[]", "added"),
        ({"Deep": {"x": 1}}, {}, "Deep", "removed"),
        (
            {"RedirectSignInURIs": ["https://dev.example.com/"]},
            {"RedirectSignInURIs": []},
            "RedirectSignInURIs[]",
            "removed",
        ),
        ({"ClientId": "one"}, {"ClientId": "two"}, "ClientId", "changed"),
        ({"OpenIDIssueURL": "https://a"}, {"OpenIDIssueURL": "https://b"}, "OpenIDIssueURL", "changed"),
        (
            {"TransformSchema": "# owners\n@auth"},
            {"TransformSchema": "# owners @auth"},
            "TransformSchema",
            "changed",
        ),
        # The environment's name counts as the same only where it ends another name.
        ({"Word": "developer"}, {"Word": "otherloper"}, "Word", "changed"),
    ],
)
def test_what_somebody_decided_is_a_difference(ours: Any, theirs: Any, path: str, change: str) -> None:
    found = changes(of_auth("dev", **ours), of_auth("other", **theirs))
    assert found == {f"auth.people.ResourceConfig.{path}": change}


def test_what_counts_as_configuration_between_two_environments_is_in_the_service_model() -> None:
    """All members whose names identify a thing AWS made, and which a configuration sets all the same."""
    shapes = [service_model().operation_model(f"CreateBackend{each}").input_shape for each in ("Auth", "API")]
    set_by_people = {name for shape in shapes for name in all_members_of(shape)}
    # Names of pools that Amplify makes up, names of the request itself, and the pool that an API refers to.
    made = {"UserPoolName", "IdentityPoolName", "AppId", "CognitoUserPoolId"}
    identifying = {name for name in set_by_people if _IDENTIFYING.search(name)}
    assert identifying - made <= _CONFIGURED
    assert _CONFIGURED - {"issuerUrl"} <= set_by_people  # which AmplifyMetaConfig has


def test_a_secret_is_compared_by_its_digest_or_not_at_all() -> None:
    one, same, other = (of_auth("dev", ClientSecret=secret) for secret in ("hush-hush", "hush-hush", "hush-hash"))
    path = "auth.people.ResourceConfig.ClientSecret (secret)"
    assert changes(one, same) == {}
    assert changes(one, other) == {path: "changed"}
    unkeyed = of_auth("dev", key=None, ClientSecret="hush-hush")
    assert changes(one, unkeyed) == changes(unkeyed, unkeyed) == {path: "not comparable"}
    foreign = of_auth("dev", key=Key("other", b"another key of enough letters"), ClientSecret="hush-hush")
    assert changes(one, foreign) == {path: "not comparable"}


def test_a_part_that_was_not_read_is_not_comparable_and_no_difference() -> None:
    content = {"auth": {"people": {"ResourceConfig": {"ClientSecret": "hush-hush"}}}, "storage": {"files": {"x": 1}}}
    half = snapshot(
        {"auth": {}, "storage": {"files": {"x": 2}}}, gaps=(Gap("auth people of environment dev", "AccessDenied"),)
    )
    assert changes(snapshot(content), half) == {"auth.people": "not comparable", "storage.files.x": "changed"}
    nothing = snapshot({}, gaps=(Gap("GetBackend", "AccessDenied"),))
    assert changes(snapshot(content), nothing) == {"": "not comparable"}


def with_buckets(number: int) -> Any:
    """The snapshot of an environment with that many buckets, between as many tables."""
    entries = {f"{kind}{place}": {"service": kind} for place in range(number) for kind in ("DynamoDB", "S3")}

    def reply(ask: Ask) -> dict[str, Any]:
        if ask.operation == "GetBackend":
            return {"AmplifyMetaConfig": json.dumps({"storage": entries})}
        return {"ResourceConfig": {"BucketName": ask.request["ResourceName"]}}

    return drive(read_snapshot(Subject("d1app", "dev", ""), NOW, KEY), reply, thrown_in=(UnreadableError,))


def test_resources_beyond_the_bound_make_their_category_incomparable_and_none_below_it() -> None:
    full, more = with_buckets(MOST_RESOURCES), with_buckets(MOST_RESOURCES + 1)
    assert (facts(full)["resources"], facts(full)["unreadable"]) == (MOST_RESOURCES, [])
    (gap,) = facts(more)["unreadable"]
    assert (gap["path"], gap["why"], gap["hides"]) == ("storage", f"there are more than {MOST_RESOURCES}", True)
    assert changes(full, full) == {}
    assert changes(more, more, "environment.*") == {"storage": "not comparable"}


def with_api(*, is_readable: bool) -> Any:
    """The snapshot of an environment with an API, which may be denied."""

    def reply(ask: Ask) -> dict[str, Any]:
        if ask.operation == "GetBackend":
            return {"AmplifyMetaConfig": json.dumps({"api": {"shop": {"service": "AppSync"}}})}
        if not is_readable:
            raise UnreadableError(ask, "AccessDenied", is_missing=False)
        return {"ResourceName": "shop", "Status": "STALE"}

    return drive(read_snapshot(Subject("d1app", "dev", ""), NOW, KEY), reply, thrown_in=(UnreadableError,))


def test_the_models_of_an_api_that_was_not_read_are_no_difference_either() -> None:
    one, other = with_api(is_readable=True), with_api(is_readable=False)
    assert changes(one, other) == {"api.shop": "not comparable", "models.shop": "not comparable"}


def test_patterns_leave_out_what_does_not_matter() -> None:
    left, right = of_auth("dev", a={"b": 1}, c=1), of_auth("dev", a={"b": 2}, c=2)
    assert list(changes(left, right, "auth.*.a.*")) == ["auth.people.ResourceConfig.c"]


def test_a_long_text_is_shown_by_its_lines() -> None:
    schema = "\n".join(f"type T{number} {{ id: ID! }}" for number in range(50))
    (found,) = compare(of_auth("dev", S=schema), of_auth("dev", S=schema.replace("T7 ", "Seven ")))
    assert found.right == "@@ -8 +8 @@\n-type T7 { id: ID! }\n+type Seven { id: ID! }"


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_a_result_is_bounded_and_says_how_much_it_leaves_out(number: int, length: int) -> None:
    found = [Difference(f"a.{index}", Change.CHANGED, "x" * length, "y") for index in range(number)]
    shown = result(found, {})
    assert len(json.dumps(shown).encode()) <= MOST_RESULT_BYTES
    assert len(shown["differences"]) + shown["more"] == shown["different"] == number
    assert shown["equal"] == (number == 0)


def test_a_log_has_a_line_for_each_difference() -> None:
    found = [Difference("a", Change.CHANGED, "1", "2"), Difference("b", Change.UNKNOWN, why="no key")]
    assert text(found, "one", "two") == "one and two: 2 differences\n~ a: 1 -> 2\n? b: not comparable: no key"
    assert text([], "one", "two") == "one and two: no difference"
