"""The command of `amplifybackend-local -- COMMAND`: it runs beside the service, and hears each signal once."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType

_POLL_SECONDS = 0.05
# A process that a signal ends is gone at once; this is for a machine that is busy.
_WITNESS_SECONDS = 2.0
# Ends with this process, however that ends: then nobody holds the other end of its input.
_WITNESS = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); sys.stdin.read()"

Signals = queue.SimpleQueue[int]


def run(command: Sequence[str], variables: Mapping[str, str], signals: Signals) -> int:
    """Run a command with these variables beside those of this process, and return its exit status.

    The first SIGINT is the command's own to handle: it may have fixtures to tear down. SIGTERM and a second SIGINT
    terminate it.

    :raises SystemExit: It cannot be run.
    """
    with _Witness() as witness:
        if not signals.empty():  # Ctrl-C while the service started
            return 128 + signals.get()
        try:
            process = subprocess.Popen([*command], env={**os.environ, **variables})  # noqa: S603  # the caller's own
        except OSError as refusal:
            raise SystemExit(f"cannot run {command[0]}: {refusal.strerror}") from None
        is_interrupted = False
        while process.poll() is None:
            try:
                number = signals.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if number != signal.SIGINT or is_interrupted:
                process.terminate()
                continue
            is_interrupted = True
            # A second one is a hard stop to many programs, pytest among them.
            if _is_in_our_group(process) and witness.was_interrupted():
                continue
            process.send_signal(signal.SIGINT)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _is_in_our_group(process: subprocess.Popen[bytes]) -> bool:
    try:
        return os.getpgid(process.pid) == os.getpgrp()
    except ProcessLookupError:  # it has ended meanwhile
        return True


class _Witness:
    """A process that does nothing, in the process group that the command starts in.

    A terminal sends Ctrl-C to the whole group, `kill` to one process alone, and no handler of Python's sees which it
    was. Whether the witness lives shows it.
    """

    def __enter__(self) -> _Witness:
        self._process = subprocess.Popen(  # noqa: S603  # nothing of a caller's
            [sys.executable, "-I", "-S", "-c", _WITNESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def was_interrupted(self) -> bool:
        try:
            self._process.wait(_WITNESS_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
