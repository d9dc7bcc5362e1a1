"""Files in any storage that Airflow has a filesystem for: records of deletions, inventories, snapshots."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from functools import cached_property
from typing import Any

from airflow_provider_amplifybackend._compat import object_storage_path, open_filesystem
from airflow_provider_amplifybackend.core.encodable import as_text

INSTALL = 'pip install "airflow-provider-amplifybackend[records]"'
_S3 = frozenset({"s3", "s3a", "s3n"})


class StorageError(Exception):
    """A file that cannot be read or written; the text says why, and what to do."""


class StoredFile:
    """One file.

    :param folder: Its folder: an address such as ``s3://bucket/prefix``, or an ``ObjectStoragePath``.
    :param name: Its name in there.
    :param aws_conn_id: The connection for S3, unless the address names one: ``s3://connection@bucket/prefix``.
    """

    def __init__(self, folder: Any, name: str, *, aws_conn_id: str | None = None) -> None:
        self._folder = folder
        self._name = name
        self._aws_conn_id = aws_conn_id

    @classmethod
    def at(cls, path: Any, *, aws_conn_id: str | None = None) -> StoredFile:
        """Return the file at a path, which is an address or an ``ObjectStoragePath``."""
        if isinstance(path, str):
            folder, _, name = path.rpartition("/")
            return cls(folder or ".", name, aws_conn_id=aws_conn_id)
        return cls(path.parent, path.name, aws_conn_id=aws_conn_id)

    def __str__(self) -> str:
        return f"{str(self._folder).rstrip('/')}/{self._name}"

    def read_bytes(self, most: int | None = None) -> bytes | None:
        """Return its content; None if there is no such file.

        :param most: Only so many bytes. Default: all of it.
        :raises StorageError: It cannot be read.
        """
        try:
            if most is not None and not self._storage.size(self._path):
                return b""  # of which S3 has no first bytes: it answers InvalidRange
            content: bytes = self._storage.cat_file(self._path, start=None, end=most)
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _storage_error(error) from error
        return content

    def modified_at(self) -> datetime | None:
        """Return when it was written; None where the storage does not tell."""
        try:
            time = self._storage.modified(self._path)
        except Exception:  # noqa: BLE001  # many storages have no such thing
            return None
        return time if isinstance(time, datetime) and time.tzinfo else None

    def write_bytes(self, content: bytes) -> None:
        """Write it as a whole: whoever reads it sees all of it, or what was there before.

        :raises StorageError: It cannot be written.
        """
        try:
            self._replace(content)
        except Exception as error:
            raise _storage_error(error) from error

    def _replace(self, content: bytes) -> None:
        if not self._is_local:  # an object appears once all of it has arrived
            self._storage.pipe_file(self._path, content)
            return
        self._storage.makedirs(self._path.rpartition("/")[0], exist_ok=True)
        beside = f"{self._path}.{uuid.uuid4().hex}.part"
        try:
            self._storage.pipe_file(beside, content)
            self._storage.mv(beside, self._path)
        except BaseException:
            if self._storage.exists(beside):
                self._storage.rm_file(beside)
            raise

    @cached_property
    def _storage(self) -> Any:
        if self._conn_id is None:
            return self._place.fs
        # A path's own `fs` is what the connection said when this process first used it.
        return open_filesystem(self._place.protocol, self._conn_id)

    @cached_property
    def _path(self) -> str:
        return f"{str(self._place.path).rstrip('/')}/{self._name}"

    @cached_property
    def _place(self) -> Any:
        if not isinstance(self._folder, str):
            return self._folder
        own = {"conn_id": self._conn_id} if self._conn_id else {}
        return object_storage_path()(self._folder, **own)

    @property
    def _conn_id(self) -> str | None:
        """The connection of an address; None where it needs none, and for a path, which has its own."""
        if not isinstance(self._folder, str):
            return None
        scheme, _, rest = self._folder.partition("://")
        named, at, _ = rest.partition("/")[0].rpartition("@")
        if at:
            return named or None
        return self._aws_conn_id if scheme in _S3 else None

    @property
    def _is_local(self) -> bool:
        protocol = self._storage.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)


class RecordFile(StoredFile):
    """One record: a JSON document."""

    def read(self) -> Any:
        """Return its content; None if there is no such file.

        :raises StorageError: It cannot be read, or is no JSON.
        """
        content = self.read_bytes()
        try:
            return None if content is None else json.loads(content)
        except ValueError as error:
            raise _storage_error(error) from error

    def write(self, document: Any) -> None:
        """Write it as a whole.

        :raises StorageError: It cannot be written.
        """
        try:
            content = json.dumps(document, indent=2, ensure_ascii=False).encode()
        except Exception as error:
            raise _storage_error(error) from error
        self.write_bytes(content)


def _storage_error(error: Exception) -> StorageError:
    if isinstance(error, ImportError) and "s3fs" in str(error):  # Airflow's own text names an extra of another package
        return StorageError(f"S3 needs s3fs: {INSTALL}")
    return StorageError(f"{type(error).__name__}: {as_text(str(error))}".rstrip(": "))
