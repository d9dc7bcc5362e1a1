"""The file that keeps the state: one process at a time, whole at any moment, and only for its owner's eyes.

Its first line says what it is and has the digest of the second, which is the state. A new one is written beside it and
renamed over it, so that a process that is killed leaves the one or the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

from airflow_provider_amplifybackend import __version__

FORMAT = "amplifybackend-local state"
VERSION = 1
_MODE = 0o600
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class StateFileError(Exception):
    """The state file cannot be used: the message names it and says what to do. The file is as it was."""


class StateFile:
    """A state file that this process alone uses, from `open` to `close`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # A link stays one: what it leads to is replaced.
        self.path = Path(os.path.realpath(path))
        self._lock: int | None = None

    def open(self) -> Any | None:
        """Take the file for this process, and return the state in it; None where there is no file yet.

        :raises StateFileError: Another process uses it, or it is no state file of this version.
        """
        try:
            self._take()
            return self._read()
        except OSError as failure:
            self.close()
            raise StateFileError(f"cannot use the state file {self.path}: {failure.strerror}") from None
        except StateFileError:
            self.close()
            raise

    def write(self, state: str, *, durable: bool = False) -> None:
        """Replace the file; `durable`: wait until it is on the disk, and not only with the operating system."""
        body = state.encode()
        head = {
            "format": FORMAT,
            "version": VERSION,
            "written_by": __version__,
            "written_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        beside = self._beside(".tmp")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)  # of a process that was killed while it wrote
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + body + b"\n")
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(beside, self.path)

    def close(self) -> None:
        if self._lock is None:
            return
        import fcntl

        with contextlib.suppress(OSError):
            os.unlink(self._beside(".lock"))
        # A child process that was forked meanwhile has the lock, too, until it is given up.
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)
        self._lock = None

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _take(self) -> None:
        """Lock a file beside it, since it is itself replaced. The lock ends with this process, however it ends."""
        try:
            import fcntl
        except ImportError:
            raise StateFileError("a state file needs a POSIX system: Linux, macOS, or WSL on Windows") from None
        self._refuse_other_kinds()
        beside = self._beside(".lock")
        while self._lock is None:
            lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _MODE)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
                os.close(lock)
                raise StateFileError(
                    f"the state file {self.path} is in use by another amplifybackend-local (process {holder}): "
                    "stop that one, or give another file"
                ) from None
            # Whoever held it before may have removed the file that we have locked.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(beside)):
                    self._lock = lock
            if self._lock is None:
                os.close(lock)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _refuse_other_kinds(self) -> None:
        """Refuse what is there and no file: to read from a pipe or a device can take for ever, and all the memory."""
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(self.path).st_mode
            if not stat.S_ISREG(mode):
                kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
                raise StateFileError(f"the state file {self.path} is {kind}: give the name of a file")

    def _read(self) -> Any | None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        first, _, rest = content.partition(b"\n")
        head = _object(first)
        if head is None or head.get("format") != FORMAT:
            raise StateFileError(
                f"{self.path} is no state file of amplifybackend-local, or its beginning is damaged: "
                "give the name of another file, or move this one away to begin with nothing. It was left as it is"
            )
        version = head.get("version")
        if version != VERSION:
            raise StateFileError(
                f"the state file {self.path} has format {version!r}, written by version {head.get('written_by')}; this "
                f"is version {__version__}, which reads format {VERSION}: update the package, or give another file. "
                "It was left as it is"
            )
        body = rest.removesuffix(b"\n")
        if hashlib.sha256(body).hexdigest() != head.get("sha256"):
            raise self.damaged("its content is not what was written")
        state = _object(body)
        if state is None:
            raise self.damaged("its content is no JSON object")
        return state

    def damaged(self, what: str) -> StateFileError:
        return StateFileError(
            f"the state file {self.path} is damaged: {what}. Restore a copy of it, or move it away to begin with "
            "nothing. It was left as it is"
        )


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
