"""Records and proofs: names of files, entries of tries, secrets; links and commands of what is left behind."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.requests import drive
from airflow_provider_amplifybackend.core.secrets import redact_secrets
from airflow_provider_amplifybackend.guard import inventory
from airflow_provider_amplifybackend.guard.inventory import RETAIN, UNKNOWN, Thing
from airflow_provider_amplifybackend.guard.proof import LOOKS, Proof, delete_command, look_for
from airflow_provider_amplifybackend.guard.record import (
    State,
    TaskFacts,
    file_name,
    new_document,
    read_configuration,
    with_entry,
)
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError
from airflow_provider_amplifybackend.hooks._records import RecordFile, StorageError
from tests.botocore_model import members_of

TEXTS = st.text(min_size=1, max_size=12)


def task(**given: Any) -> TaskFacts:
    known: dict[str, Any] = {"dag_id": "nightly", "run_id": "r1", "task_id": "delete", "map_index": -1, "try_number": 1}
    return TaskFacts(**(known | given), by={})


# The record


@given(st.tuples(TEXTS, TEXTS, TEXTS), st.tuples(TEXTS, TEXTS, TEXTS), st.integers(-1, 2), st.integers(-1, 2))
def test_each_task_of_each_run_has_a_file_of_its_own(one: Any, other: Any, first: int, second: int) -> None:
    names = [
        file_name("d1", environment, task(run_id=run, task_id=name, map_index=index))
        for (environment, run, name), index in ((one, first), (other, second))
    ]
    assert (names[0] == names[1]) == ((one, first) == (other, second))
    assert all(name.isascii() and "/" not in name for name in names)


def test_a_name_of_any_length_fits_into_a_file_system() -> None:
    long = "a" * 250
    assert len(file_name(long, long, task(dag_id=long, run_id=long, task_id=long, map_index=1023))) <= 255


def test_a_record_of_all_environments_says_so() -> None:
    assert file_name("d1", None, task()).startswith("d1_all_nightly_r1_delete_")


def test_an_entry_continues_that_of_its_own_try_and_no_other() -> None:
    document = new_document("DeleteBackend", {"AppId": "d1"}, task())
    document = with_entry(document, {"try_number": 1, "state": State.REQUESTING, "before": 1})
    document = with_entry(document, {"try_number": 1, "state": State.FAILED})
    document = with_entry(document, {"try_number": 2, "state": State.REQUESTING})
    document = with_entry(document, {"try_number": 3, "state": State.COMPLETED})
    assert [(entry["try_number"], entry["state"]) for entry in document["tries"]] == [
        (1, "failed"),
        (2, "requesting"),
        (3, "completed"),
    ]
    assert document["tries"][0]["before"] == 1


@pytest.mark.parametrize(
    "written",
    [
        {"GraphQLAPIKeyOutput": "da2-hush"},
        {"googleAppSecretUserPool": {"value": "da2-hush"}},
        {"hostedUIProviderCreds": '[{"ProviderName":"Google","client_secret":"da2-hush"}]'},
        {"Messages": ["{'api_key': 'da2-hush'}"]},
        {"private-key": ["da2-hush"]},
    ],
)
def test_a_record_has_no_secret_however_it_is_spelled(written: dict[str, Any]) -> None:
    text = json.dumps(redact_secrets(written))
    assert "da2-hush" not in text
    assert "***" in text


def test_what_only_speaks_of_secrets_stays_as_it_is() -> None:
    schema = "type Todo @model @auth(rules: [{allow: public, provider: apiKey}]) { id: ID! }"
    assert redact_secrets({"TransformSchema": schema, "Days": 7}) == {"TransformSchema": schema, "Days": 7}


def test_a_record_is_written_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RecordFile(f"file://{tmp_path}/deep/er", "r.json")
    assert file.read() is None
    file.write({"n": 1})

    class Unwritable:
        pass

    with pytest.raises(StorageError, match="TypeError"):
        file.write({"n": Unwritable()})
    assert file.read() == {"n": 1}
    file.write({"n": 2})
    assert file.read() == {"n": 2}
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["r.json"]


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("half a recor")
    with pytest.raises(StorageError, match="JSONDecodeError"):
        RecordFile(str(tmp_path), "r.json").read()


def test_a_storage_path_of_airflow_is_a_folder_too(tmp_path: Path) -> None:
    from airflow_provider_amplifybackend._compat import object_storage_path

    file = RecordFile(object_storage_path()(f"file://{tmp_path}/records"), "r.json")
    file.write({"n": 1})
    assert json.loads((tmp_path / "records" / "r.json").read_text()) == {"n": 1}


# The proof


def prove(*things: Thing, **states: Any) -> Proof:
    """Look for things where the services answer so, by operation; None is "not found", text another error."""

    def reply(ask: Ask) -> Mapping[str, Any]:
        found = states.get(ask.operation)
        if found is None or isinstance(found, str):
            raise UnreadableError(ask, found or "NotFound", is_missing=found is None)
        answer: Mapping[str, Any] = found
        return answer

    proof = Proof("d1", "eu-west-1")
    drive(look_for(proof, things), reply, thrown_in=(UnreadableError,))
    return proof


STACK = Thing("dev", inventory.STACK, "arn:aws:cloudformation:eu-west-1:1:stack/amplify-shop/u1")
TABLE = Thing("dev", inventory.TABLE, "Todo-abc-dev")


def test_what_is_not_found_is_gone() -> None:
    assert prove(STACK, TABLE).gone == [STACK, TABLE]


@pytest.mark.parametrize(
    ("thing", "states"),
    [
        (STACK, {"DescribeStacks": {"Stacks": [{"StackStatus": "DELETE_COMPLETE"}]}}),
        (TABLE, {"DescribeTable": {"Table": {"TableStatus": "DELETING"}}}),
        (Thing("dev", inventory.PARAMETER, "/amplify/d1/dev/x"), {"DescribeParameters": {"Parameters": []}}),
    ],
)
def test_what_is_going_or_known_as_deleted_is_gone(thing: Thing, states: dict[str, Any]) -> None:
    assert prove(thing, **states).gone == [thing]


def test_a_stack_whose_deletion_failed_is_left_behind_with_its_state() -> None:
    (left,) = prove(STACK, DescribeStacks={"Stacks": [{"StackStatus": "DELETE_FAILED"}]}).leftovers
    assert left["state"] == "DELETE_FAILED"


def test_what_cannot_be_read_is_neither_gone_nor_left_behind() -> None:
    proof = prove(TABLE, DescribeTable="AccessDenied")
    assert (proof.gone, proof.left) == ([], [])
    assert [gap.why for gap in proof.unknown] == ["dynamodb:DescribeTable (AccessDenied)"]


def test_only_what_was_seen_to_be_gone_is_proven() -> None:
    assert prove(STACK, TABLE).is_complete
    assert not prove(TABLE, DescribeTable="AccessDenied").is_complete
    assert not prove(TABLE, DescribeTable={"Table": {"TableStatus": "ACTIVE"}}).is_complete
    assert not prove(Thing("dev", inventory.ROLE, "r", stays=UNKNOWN), GetRole={"Role": {}}).is_complete


def test_what_may_have_been_retained_is_not_called_left_behind() -> None:
    proof = prove(Thing("dev", inventory.ROLE, "r", stays=UNKNOWN), GetRole={"Role": {}})
    assert (proof.left, len(proof.unknown)) == ([], 1)


def test_what_was_to_stay_and_is_gone_is_missing_but_for_the_deployment_bucket() -> None:
    bucket = Thing("dev", inventory.BUCKET, "b", logical_id="DeploymentBucket", stays=RETAIN)
    table = Thing("dev", inventory.TABLE, "t", stays=RETAIN)
    proof = prove(bucket, table)
    assert (proof.gone, proof.missing) == ([bucket], [table])


def test_what_goes_with_its_stack_is_not_looked_for() -> None:
    assert prove(Thing("dev", "AWS::Lambda::Function", "f")).to_dict()["gone"] == 0


@pytest.mark.parametrize("type_", LOOKS)
@given(name=st.text(min_size=1, max_size=20))
def test_a_command_names_what_it_deletes_as_one_word(type_: str, name: str) -> None:
    words = shlex.split(delete_command("eu-west-1", "d1", Thing("dev", type_, name)))
    wanted = name.rpartition("/")[2] if type_ == inventory.API else name
    assert words[0] == "aws"
    assert wanted in words or f"s3://{wanted}" in words


@pytest.mark.parametrize("type_", LOOKS)
def test_every_read_of_a_proof_is_one_of_the_services(type_: str) -> None:
    import botocore.session

    look = LOOKS[type_]
    model = botocore.session.get_session().get_service_model(look.service)
    assert look.operation in model.operation_names
    request = look.request("d1", Thing("dev", type_, "x"))
    assert set(request) <= set(members_of(model.operation_model(look.operation).input_shape))


@pytest.mark.parametrize("name", ["people", "passwordless", "credentials", "models"])
def test_a_record_has_the_configuration_of_a_resource_whatever_it_is_called(name: str) -> None:
    config = {"Mode": "x", "Google": {"ClientId": "c", "ClientSecret": "hush"}}
    answers: dict[str, Any] = {
        "GetBackend": {"AmplifyMetaConfig": json.dumps({"auth": {name: {"service": "Cognito"}}})},
        "GetBackendAuth": {"ResourceConfig": config},
    }
    read = drive(read_configuration("d1", ["dev"]), lambda ask: answers[ask.operation], thrown_in=(UnreadableError,))
    kept = {"Mode": "x", "Google": {"ClientId": "c", "ClientSecret": "***"}}
    assert read["dev"]["resources"] == {f"auth/{name}": kept}
