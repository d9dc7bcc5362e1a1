"""A node's part in the life of a pod: its first container as a process, with the environment that its manifest says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.engine_processes import ManagedProcess
from tests.system.kube_pods import Manifest, PodStore, now

_TURN = 0.05
_SERVICE = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
Data = Mapping[str, str]


class NotStartedError(Exception):
    """Why a container waits instead of running."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Objects:
    """What manifests name: Secrets, ConfigMaps, and images, of which only their environment counts here."""

    images: dict[str, Data] = field(default_factory=dict)
    secrets: dict[str, Data] = field(default_factory=dict)
    config_maps: dict[str, Data] = field(default_factory=dict)

    def environment(self, pod: Manifest) -> dict[str, str]:
        """Return the environment of a pod's container: that of its image, and what its manifest adds."""
        container = pod["spec"]["containers"][0]
        if container["image"] not in self.images:
            raise NotStartedError("ErrImagePull", f"no image {container['image']}")
        found = {**self.images[container["image"]], "HOSTNAME": pod["metadata"]["name"], **_SERVICE}
        for source in container.get("envFrom", ()):
            for kind, reference in source.items():
                found |= self._data(kind.removesuffix("Ref"), reference["name"])
        return found | dict(self._variables(pod, container.get("env", ())))

    def _variables(self, pod: Manifest, variables: Any) -> Iterator[tuple[str, str]]:
        for variable in variables:
            source = variable.get("valueFrom")
            yield variable["name"], variable.get("value", "") if source is None else self._value(pod, source)

    def _value(self, pod: Manifest, source: Manifest) -> str:
        ((kind, reference),) = source.items()
        if kind == "fieldRef":
            found: Any = pod
            for member in reference["fieldPath"].split("."):
                found = found[member]
            return str(found)
        data = self._data(kind.removesuffix("KeyRef"), reference["name"])
        if reference["key"] not in data:
            raise NotStartedError("CreateContainerConfigError", f"no key {reference['key']} in {reference['name']}")
        return data[reference["key"]]

    def _data(self, kind: str, name: str) -> Data:
        found = {"secret": self.secrets, "configMap": self.config_maps}[kind]
        if name not in found:
            raise NotStartedError("CreateContainerConfigError", f'{kind.lower()} "{name}" not found')
        return found[name]


class PodLife:
    """One pod on the node, from its creation to its end; `run` returns when nothing more can happen to it."""

    def __init__(
        self,
        store: PodStore,
        pod: Manifest,
        environment: Callable[[Manifest], dict[str, str]],
        folder: Path,
        on_start: Callable[[int], None],
    ) -> None:
        self._store = store
        self._place = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._pod = pod
        self._find_environment = environment
        self._on_start = on_start
        self.folder = folder
        self.log_file = folder / "log"
        self.environment: dict[str, str] = {}
        """What its process was started with."""
        self.process: ManagedProcess | None = None
        self._end: dict[str, str] = {}

    def start(self) -> None:
        """Start its process, or say why it waits."""
        self.folder.mkdir(parents=True)
        container = self._pod["spec"]["containers"][0]
        try:
            self.environment = self._find_environment(self._pod)
        except NotStartedError as error:
            self._set(phase="Pending", state={"waiting": {"reason": error.reason, "message": str(error)}})
            return
        argv = [*container.get("command", ()), *container["args"]]
        self.process = ManagedProcess(
            self._place[1], argv, self.environment, self.folder, self.log_file, self._on_start
        )
        self.process.start()
        self._set(phase="Running", startTime=now(), state={"running": {"startedAt": now()}})

    def run(self) -> None:
        """Wait for its end, and for its deletion."""
        if self.process:
            code = self._supervise(self.process)
            # Where the first process of a container ends, all others do.
            self.process.kill(tree=True)
            if not self._store.is_closed:
                self._set_ended(code)
        while self._deletion_grace() is None:
            if self._store.is_closed:
                return
            time.sleep(_TURN)
        self._store.remove(*self._place)

    def kill(self, reason: str) -> None:
        """End every process at once, as the kernel does when memory runs out."""
        self._end = {"reason": reason}
        assert self.process
        self.process.kill(tree=True)

    def evict(self) -> None:
        """End it as the kubelet does when its node runs out of something."""
        message = "The node was low on resource: memory."
        self._end = {"reason": "Error", "pod_reason": "Evicted", "message": message}
        assert self.process
        self.process.kill(tree=True)

    def _supervise(self, process: ManagedProcess) -> int:
        """Return the exit code of the process, in the end."""
        while process.running and not self._store.is_closed:
            if (grace := self._deletion_grace()) is not None:
                process.terminate(grace)
            time.sleep(_TURN)
        code = process.exit_code
        return 137 if code is None else 128 - code if code < 0 else code

    def _set_ended(self, code: int) -> None:
        reason = self._end.get("reason", "Error" if code else "Completed")
        terminated = {"exitCode": code, "reason": reason, "finishedAt": now()}
        why = {"reason": self._end["pod_reason"], "message": self._end["message"]} if "pod_reason" in self._end else {}
        self._set(phase="Failed" if code else "Succeeded", state={"terminated": terminated}, **why)

    def _deletion_grace(self) -> int | None:
        metadata = self._store.get(*self._place)["metadata"]
        return metadata["deletionGracePeriodSeconds"] if "deletionTimestamp" in metadata else None

    def _set(self, *, state: Manifest, **members: Any) -> None:
        container = self._pod["spec"]["containers"][0]
        status = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        statuses = [{**status, "ready": "running" in state, "state": state}]
        self._store.set_status(*self._place, containerStatuses=statuses, **members)
