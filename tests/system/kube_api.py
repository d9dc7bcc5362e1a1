"""The part of the Kubernetes API that KubernetesExecutor needs, over plain HTTP: pods, watches of them, their logs.

Written by hand: kmock, the one library for it, knows no label selectors and no resource versions, by which this
executor tells its pods from others' and takes them over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.system.kube_pods import Manifest, Matches, PodStore, RefusedError, selector

_PODS = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods(?:/(?P<name>[^/]+)(?P<log>/log)?)?")
_DISCOVERY: dict[str, Manifest] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "pods",
                "singularName": "pod",
                "namespaced": True,
                "kind": "Pod",
                "verbs": ["create", "delete", "get", "list", "patch", "watch"],
            }
        ],
    },
}
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
# A watch looks this often whether the cluster still is.
_TURN = 1.0


class KubernetesApi:
    """Answers one user with a token, who may do what `rules` say: verbs by resource."""

    def __init__(
        self,
        store: PodStore,
        *,
        token: str,
        rules: Mapping[str, set[str]],
        admit: Callable[[Manifest], None],
        log_of: Callable[[str], Path],
    ) -> None:
        self._store = store
        self._token = token
        self._rules = rules
        self._admit = admit
        self._log_of = log_of
        self.used: set[tuple[str, str]] = set()
        """Each verb that was asked for, with its resource."""
        self.refused: list[str] = []
        """What was asked for and is not there, or not allowed."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(url.query).items()}
                body = json.loads(content) if content else {}
                try:
                    if self.headers.get("Authorization") != f"Bearer {api._token}":
                        raise RefusedError(401, "Unauthorized", "Unauthorized")
                    answer = api._answer(self.command, url.path, query, body, self.headers.get("Accept", ""))
                except RefusedError as error:
                    self._send(error.code, json.dumps(_status(error)).encode())
                    return
                if isinstance(answer, Iterator):
                    self._stream(answer)
                else:
                    created = self.command == "POST"
                    self._send(201 if created else 200, answer if isinstance(answer, bytes) else _json(answer))

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

            def _send(self, code: int, content: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _stream(self, events: Iterator[Manifest]) -> None:
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Type", "application/json;stream=watch")
                # In chunks: of any other body the client reads so many bytes at a time, and waits for them.
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for event in events:
                        line = _json(event) + b"\n"
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    pass  # whoever watched is gone

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _answer(
        self, method: str, path: str, query: Mapping[str, str], body: Manifest, accept: str
    ) -> Manifest | bytes | Iterator[Manifest]:
        if method == "GET" and path in _DISCOVERY:
            return _DISCOVERY[path]
        if not (found := _PODS.fullmatch(path)):
            self.refused.append(f"{method} {path}")
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        namespace, name = found["namespace"], found["name"]
        verb = _VERBS[method]
        if verb == "get" and not name:
            verb = "watch" if query.get("watch") in ("true", "True", "1") else "list"
        self._authorize(verb, "pods/log" if found["log"] else "pods")
        if found["log"]:
            return self._log(namespace, name, query)
        if verb == "create":
            self._admit(body)
            return self._store.create(namespace, body)
        if verb == "patch":
            return self._store.patch(namespace, name, body)
        if verb == "delete":
            grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
            return self._store.ask_deletion(namespace, name, None if grace is None else int(grace))
        if name:
            return self._store.get(namespace, name)
        matches = selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if verb == "watch":
            return self._watch(namespace, matches, query.get("resourceVersion", ""))
        return _pod_list(*self._store.select(namespace, matches), only_metadata="PartialObjectMetadataList" in accept)

    def _authorize(self, verb: str, resource: str) -> None:
        self.used.add((verb, resource))
        if verb not in self._rules.get(resource, set()):
            self.refused.append(f"{verb} {resource}")
            raise RefusedError(403, "Forbidden", f'User "airflow" cannot {verb} resource "{resource}"')

    def _log(self, namespace: str, name: str, query: Mapping[str, str]) -> bytes:
        self._store.get(namespace, name)
        file = self._log_of(name)
        lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        return b"".join(lines[-int(query.get("tailLines", len(lines))) :] if lines else [])

    def _watch(self, namespace: str, matches: Matches, since: str) -> Iterator[Manifest]:
        version = int(since or 0)
        if not version:  # "any": all there is, and then what changes
            version, pods = self._store.select(namespace, matches)
            yield from ({"type": "ADDED", "object": pod} for pod in pods)
        while not self._store.is_closed:
            for change in self._store.after(version, _TURN):
                version = change.version
                pod = change.after or change.before or {}
                if pod["metadata"]["namespace"] == namespace and (event := change.event(matches)):
                    yield {"type": event[0], "object": event[1]}


def _pod_list(version: int, pods: list[Manifest], *, only_metadata: bool) -> Manifest:
    metadata = {"resourceVersion": str(version)}
    if only_metadata:
        kind = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        items = [{**kind, "metadata": pod["metadata"]} for pod in pods]
        return {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata} | {
            "items": items
        }
    return {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods}


def _status(error: RefusedError) -> Manifest:
    status = {"status": "Failure", "code": error.code, "reason": error.reason, "message": str(error)}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}} | status


def _json(document: Manifest) -> bytes:
    return json.dumps(document).encode()
