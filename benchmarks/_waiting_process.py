"""A process like a triggerer: one event loop on which triggers run. Started by benchmarks/waiting.py, once per number.

It imports everything, says READY, reads one line of JSON with the jobs, waits for them, and writes what that took.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEARTBEAT = 0.005


def main() -> None:
    settings = json.loads(sys.argv[1])
    _import_everything()
    print("READY", flush=True)
    work = json.loads(sys.stdin.readline())
    # As in a triggerer: messages of INFO are formatted and written. Nobody reads the pipe any more.
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, force=True)
    triggers = [_trigger(settings, work, job) for job in work["jobs"]]
    measured: dict[str, Any] = {}
    with _profiling(settings.get("profile")) as profile:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here
        before, cpu = _memory("VmRSS"), _cpu()
        started = time.monotonic()
        job_ids = [job["job_id"] for job in work["jobs"]]
        measured |= asyncio.run(_wait(triggers, job_ids, profile, settings["heartbeat"]))
        measured |= {"seconds": time.monotonic() - started, "cpu": _cpu() - cpu}
    measured |= {"memory_before": before, "memory_growth": _memory("VmHWM") - before}
    Path(settings["result"]).write_text(json.dumps(measured))


def _import_everything() -> None:
    """Both sides' modules in both cases: what imports cost is another benchmark."""
    import aiobotocore.session  # noqa: F401
    import airflow.sdk  # noqa: F401
    import boto3  # noqa: F401

    import benchmarks._peer  # noqa: F401


def _trigger(settings: dict[str, Any], work: dict[str, Any], job: dict[str, str]) -> Any:
    if settings["side"] == "peer":
        from benchmarks._peer import PeerJobTrigger

        return PeerJobTrigger(
            app_id=job["app_id"],
            backend_environment_name=job["environment"],
            job_id=job["job_id"],
            waiter_delay=settings["waiter_delay"],
            waiter_max_attempts=120,
            aws_conn_id="bench",
        )
    from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

    return BackendJobTrigger(
        app_id=job["app_id"],
        job_id=job["job_id"],
        environments=[job["environment"]],
        operation=job["operation"],
        started=work["started"],
        deadline=work["started"] + 120 * settings["waiter_delay"],
        waiter_delay=settings["waiter_delay"],
        aws_conn_id="bench",
    )


async def _wait(triggers: list[Any], job_ids: list[str], profile: Any, heartbeat: bool) -> dict[str, Any]:
    ended: dict[str, float] = {}
    bad: list[str] = []

    async def run(trigger: Any, job_id: str) -> None:
        try:
            async for event in trigger.run():
                if _is_good(event.payload):
                    ended[job_id] = time.time()
                else:
                    bad.append(str(event.payload))
                return
        except Exception as error:
            bad.append(f"raised {error!r}")

    stalls = Stalls()
    gc.callbacks.append(stalls.note_collection)
    heart = asyncio.create_task(stalls.watch()) if heartbeat else None
    await asyncio.sleep(0)
    tasks = []
    for trigger, job_id in zip(triggers, job_ids, strict=True):
        tasks.append(asyncio.create_task(run(trigger, job_id)))
        await asyncio.sleep(0)  # as the triggerer does between two triggers
    if profile:
        asyncio.get_running_loop().call_later(profile.after, profile.snapshot)
    await asyncio.gather(*tasks)
    if heart:
        heart.cancel()
    return {
        "ended": ended,
        "bad": bad[:5],
        "bad_count": len(bad),
        **stalls.result(),
        "threads": threading.active_count(),
    }


def _is_good(payload: Any) -> bool:
    return "success" in (payload.get("status"), payload.get("kind")) or payload.get("kind") == "finished"


class Stalls:
    """A heartbeat: how late it came at worst, and how long this process computed in between (not: the machine)."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.worst = self.worst_cpu = self.worst_collection = 0.0
        self._collecting = 0.0

    async def watch(self) -> None:
        beat, computed = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(HEARTBEAT)
            now, thread = time.perf_counter(), time.process_time()
            late = now - beat - HEARTBEAT
            if late > 0.05:
                self.late.append(late)
            self.worst, self.worst_cpu = max(self.worst, late), max(self.worst_cpu, thread - computed)
            beat, computed = now, thread

    def note_collection(self, phase: str, info: dict[str, int]) -> None:
        """Python's own garbage collection: it stops everything, and looks at all that Airflow has loaded."""
        now = time.perf_counter()
        if phase == "stop":
            self.worst_collection = max(self.worst_collection, now - self._collecting)
        self._collecting = now

    def result(self) -> dict[str, Any]:
        return {
            "longest_collection": self.worst_collection,
            "stall": self.worst,
            "stall_cpu": self.worst_cpu,
            "stalls_over_100_ms": sum(late > 0.1 for late in self.late),
            "stalls_over_200_ms": sum(late > 0.2 for late in self.late),
            "stalled_seconds": sum(self.late),
        }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _memory(name: str) -> float:
    """MB, as the kernel counts them: VmRSS now, VmHWM at the peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name}")


class _Profile:
    """Where CPU or memory goes, for whoever makes it less: `waiting.py --profile cpu|memory`."""

    def __init__(self, kind: str) -> None:
        self.kind, self.after = kind, 20.0
        self.lines: list[str] = []

    def start(self) -> None:
        if self.kind == "memory":
            import tracemalloc

            tracemalloc.start(12)
            self.before = tracemalloc.take_snapshot()
        else:
            import cProfile

            self.profile = cProfile.Profile(time.thread_time)
            self.profile.enable()

    def snapshot(self) -> None:
        """In the middle of the wait, when all of it is there."""
        if self.kind != "memory":
            return
        import tracemalloc

        ours = [tracemalloc.Filter(False, tracemalloc.__file__)]
        snapshot = tracemalloc.take_snapshot().filter_traces(ours)
        before = self.before.filter_traces(ours)
        for key in ("filename", "lineno"):
            self.lines.append(f"--- by {key}")
            self.lines += [str(stat) for stat in snapshot.compare_to(before, key)[:45]]
        self.lines.append("--- by traceback")
        for stat in snapshot.compare_to(before, "traceback")[:12]:
            self.lines += [f"{stat.size_diff / 1024:.0f} KiB in {stat.count_diff} blocks", *stat.traceback.format()]

    def stop(self) -> None:
        if self.kind == "memory":
            print("\n".join(self.lines), file=sys.stderr)
            return
        import pstats

        self.profile.disable()
        for key in ("tottime", "cumulative"):
            pstats.Stats(self.profile, stream=sys.stderr).sort_stats(key).print_stats(60)


@contextlib.contextmanager
def _profiling(kind: str | None) -> Iterator[_Profile | None]:
    if not kind:
        yield None
        return
    profile = _Profile(kind)
    profile.start()
    try:
        yield profile
    finally:
        profile.stop()


if __name__ == "__main__":
    main()
