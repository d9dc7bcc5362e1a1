"""The stand-in for a cluster does what Kubernetes' documentation says of selectors, watches and environments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.kube_node import NotStartedError, Objects
from tests.system.kube_pods import PodStore, RefusedError, selector

SPACE = "airflow"


def pod(name: str = "one", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "base", "image": "i"}]}}


def with_container(**members: Any) -> dict[str, Any]:
    return {**pod(), "spec": {"containers": [{"name": "base", "image": "i", **members}], "serviceAccountName": "me"}}


@pytest.mark.parametrize(
    ("labels", "matching"),
    [
        ("", ["a", "b", "c"]),
        ("worker=1", ["a", "b"]),
        ("worker==1", ["a", "b"]),
        # A label that is not there is unequal to everything.
        ("worker!=1", ["c"]),
        ("worker=1,done!=True", ["a"]),
        ("worker in (1, 2)", ["a", "b"]),
        ("worker notin (1,2),done!=True", ["c"]),
        ("done", ["b"]),
        ("!done,worker", ["a"]),
    ],
)
def test_a_label_selector_selects(labels: str, matching: list[str]) -> None:
    pods = [pod("a", worker="1"), pod("b", worker="1", done="True"), pod("c")]
    assert [each["metadata"]["name"] for each in pods if selector(labels, "")(each)] == matching


def test_a_field_selector_selects_by_phase() -> None:
    store = PodStore()
    for name in ("one", "two"):
        store.create(SPACE, pod(name))
    store.set_status(SPACE, "two", phase="Succeeded")
    for fields, name in (("status.phase=Succeeded", "two"), ("status.phase!=Succeeded", "one")):
        assert [each["metadata"]["name"] for each in store.select(SPACE, selector("", fields))[1]] == [name]


def test_a_pod_that_is_taken_over_is_deleted_to_one_watch_and_new_to_the_other() -> None:
    store = PodStore()
    store.create(SPACE, pod(worker="1"))
    store.patch(SPACE, "one", {"metadata": {"labels": {"worker": "2"}}})
    created, taken = store.changes
    mine, others = selector("worker=1", ""), selector("worker=2", "")
    assert (created.event(mine), created.event(others)) == (("ADDED", created.after), None)
    kind, seen = taken.event(mine) or ("", {})
    # It is the pod as it was, with the version of the change, and nobody has asked for its deletion.
    assert (kind, seen["metadata"]["labels"], seen["metadata"]["resourceVersion"]) == ("DELETED", {"worker": "1"}, "2")
    assert "deletionTimestamp" not in seen["metadata"]
    assert taken.event(others) == ("ADDED", taken.after)


def test_a_deletion_is_noted_first_and_carried_out_later() -> None:
    store = PodStore()
    store.create(SPACE, pod())
    asked = store.ask_deletion(SPACE, "one", None)["metadata"]
    assert asked["deletionGracePeriodSeconds"] == 30
    assert store.ask_deletion(SPACE, "one", 2)["metadata"]["deletionTimestamp"] == asked["deletionTimestamp"]
    store.remove(SPACE, "one")
    kind, seen = store.changes[-1].event(selector("", "")) or ("", {})
    assert (kind, "deletionTimestamp" in seen["metadata"]) == ("DELETED", True)
    with pytest.raises(RefusedError, match="not found"):
        store.get(SPACE, "one")


def test_a_patch_merges_labels_and_refuses_what_it_cannot() -> None:
    store = PodStore()
    store.create(SPACE, pod(a="1", b="2"))
    labels = store.patch(SPACE, "one", {"metadata": {"labels": {"a": None, "c": "3"}}})["metadata"]["labels"]
    assert labels == {"b": "2", "c": "3"}
    with pytest.raises(RefusedError, match="only"):
        store.patch(SPACE, "one", {"spec": {"containers": []}})


def test_the_environment_of_a_container_is_that_of_its_image_and_its_manifest() -> None:
    objects = Objects(
        images={"i": {"PATH": "/bin", "LEVEL": "image"}},
        secrets={"login": {"password": "p"}},
        config_maps={"settings": {"LEVEL": "map", "PLACE": "map"}},
    )
    container = {
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "env": [
            {"name": "PLACE", "value": "manifest"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
            {"name": "ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
        ],
    }
    given = objects.environment(with_container(**container))
    own = {"PATH": "/bin", "LEVEL": "map", "PLACE": "manifest", "PASSWORD": "p", "ACCOUNT": "me", "HOSTNAME": "one"}
    assert own.items() <= given.items()
    assert {name for name in given if not name.startswith("KUBERNETES_SERVICE_")} == own.keys()


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"image": "another"}, "ErrImagePull"),
        ({"envFrom": [{"secretRef": {"name": "none"}}]}, "CreateContainerConfigError"),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none"}}}]},
            "CreateContainerConfigError",
        ),
    ],
)
def test_a_container_that_lacks_something_waits_and_says_why(container: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotStartedError) as waiting:
        Objects(images={"i": {}}, secrets={"s": {}}).environment(with_container(**container))
    assert waiting.value.reason == reason
