"""A stand-in for a Kubernetes cluster: `kube_api` is its API server, `kube_node` its only node.

It takes pods from the real client of KubernetesExecutor and runs each one's first container as a process of its own, in
a folder of its own, with nothing but the environment that image and manifest give it. What it does not have is listed
in docs/kubernetes.md.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.front import serving
from tests.system.engine_processes import MARK
from tests.system.kube_api import KubernetesApi
from tests.system.kube_node import Objects, PodLife
from tests.system.kube_pods import Manifest, PodStore

_TURN = 1.0
# Where EKS has it in a real pod; a process here has no file system of its own.
_TOKEN_FILE = "web-identity-token"


class Cluster:
    """A cluster with one namespace.

    :param folder: Where pods, logs and the client's configuration go.
    :param rules: What the client may do: verbs by resource.
    :param roles: The AWS roles of service accounts, as EKS gives them to pods (IRSA).
    """

    def __init__(
        self, folder: Path, *, namespace: str, rules: Mapping[str, set[str]], roles: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.namespace = namespace
        self.objects = Objects()
        self.store = PodStore()
        self.lives: dict[str, PodLife] = {}
        """Each pod that there ever was, by its name, in their order."""
        self._roles = roles or {}
        self._token = secrets.token_hex(16)
        self.api = KubernetesApi(
            self.store,
            token=self._token,
            rules=rules,
            admit=self._admit,
            log_of=lambda name: self.lives[name].log_file,
        )
        self._stack = ExitStack()
        self._mark = ""
        self._on_start: Callable[[int], None] = lambda pid: None

    # For the Airflow that it belongs to

    def start(self, mark: str, on_start: Callable[[int], None]) -> None:
        """Start; each process gets the mark, and is told of."""
        self._mark, self._on_start = mark, on_start
        self.folder.mkdir(parents=True)
        address = self._stack.enter_context(serving(self.api.handler()))
        (self.folder / "config").write_text(json.dumps(_client_configuration(address, self.namespace, self._token)))
        node = threading.Thread(target=self._run_pods, name="node", daemon=True)
        node.start()
        self._stack.callback(node.join)

    def close(self) -> None:
        """Start nothing more; whoever has the mark ends what runs."""
        self.store.close()
        self._stack.close()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of [kubernetes_executor] that lead here."""
        return {
            "IN_CLUSTER": False,
            "CONFIG_FILE": self.folder / "config",
            "NAMESPACE": self.namespace,
            "WORKER_PODS_CREATION_BATCH_SIZE": 8,
        }

    # What there was

    def manifests(self, **annotations: str) -> list[Manifest]:
        """Return the pods with these annotations as they were created, in their order."""
        created = [change.after for change in self.store.changes if change.before is None and change.after]
        return [pod for pod in created if annotations.items() <= pod["metadata"]["annotations"].items()]

    def life(self, pod: Manifest) -> PodLife:
        return self.lives[pod["metadata"]["name"]]

    def last_seen(self, pod: Manifest) -> Manifest:
        """Return a pod as it is, or as it was before it was removed."""
        return list(self._seen(pod))[-1]

    def _seen(self, pod: Manifest) -> Iterator[Manifest]:
        for change in self.store.changes:
            if change.after and change.after["metadata"]["uid"] == pod["metadata"]["uid"]:
                yield change.after

    # The node

    def _run_pods(self) -> None:
        version = 0
        while not self.store.is_closed:
            for change in self.store.after(version, _TURN):
                version = change.version
                if change.before is None and change.after:
                    self._run(change.after)

    def _run(self, pod: Manifest) -> None:
        name = pod["metadata"]["name"]
        life = PodLife(self.store, pod, self._environment, self.folder / "pods" / name, self._on_start)
        self.lives[name] = life
        life.start()
        threading.Thread(target=life.run, name=name, daemon=True).start()

    def _environment(self, pod: Manifest) -> dict[str, str]:
        folder = str(self.folder / "pods" / pod["metadata"]["name"])
        own = {"HOME": folder, "TMPDIR": folder, "AIRFLOW_HOME": f"{folder}/airflow"}
        # By the mark its processes are found and ended, whatever happens; a title would overwrite it.
        return {**own, **self.objects.environment(pod), MARK: self._mark, "SPT_NOENV": "1"}

    def _admit(self, pod: Manifest) -> None:
        """Give a pod its service account's role, as the webhook of EKS does."""
        role = self._roles.get(pod["spec"].get("serviceAccountName", ""))
        if role:
            file = self.folder / _TOKEN_FILE
            file.write_text(f"token of {pod['spec']['serviceAccountName']}")
            for container in pod["spec"]["containers"]:
                container.setdefault("env", []).extend(
                    [
                        {"name": "AWS_ROLE_ARN", "value": role},
                        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": str(file)},
                    ]
                )


def _client_configuration(address: str, namespace: str, token: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "users": [{"name": "airflow", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "airflow", "namespace": namespace}}],
    }
