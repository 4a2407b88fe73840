"""The servers that are measured: how each is started, held to a core, ended, and what it has cost until now."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.peers.contenders import ROOT, SECRETS, Contender

#: Seconds a server may take to listen: the slowest composes a schema first.
_START = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cores() -> tuple[int, int] | None:
    """One for who is measured, another for the load; None where processes cannot be held to cores, or there is one."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else None


@contextmanager
def process(command: Sequence[str], folder: Path, core: int | None, port: int) -> Iterator[psutil.Process]:
    """A server that listens on `port`, on that core; ended by its own id."""
    own = os.sched_getaffinity(0) if core is not None else None
    environment: Mapping[str, str] = {**os.environ, **SECRETS, "NODE_ENV": "production", "PYTHONPATH": str(ROOT)}
    with (folder / "errors.txt").open("wb") as errors:
        if core is not None:  # what is started inherits it, with every thread it makes
            os.sched_setaffinity(0, {core})
        try:
            started = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        finally:
            if own is not None:
                os.sched_setaffinity(0, own)
    try:
        end = time.monotonic() + _START
        while not _listens(port):
            if started.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} did not start: {(folder / 'errors.txt').read_text()[-2000:]}")
            time.sleep(0.05)
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        try:
            started.wait(timeout=15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return True
    except OSError:
        return False


@dataclass
class Running:
    """A contender and its process."""

    contender: Contender
    process: psutil.Process
    port: int
    #: Requests it has answered until now.
    asked: int = 0

    def cpu(self) -> float:
        return cpu(self.process)


def cpu(of: psutil.Process) -> float:
    """Seconds of the whole process until now, all its threads, as finely as the system tells."""
    try:
        # Linux: the CPU clock of another process, to the nanosecond; its tables count hundredths of a second.
        return time.clock_gettime(~of.pid << 3 | 2)
    except OSError:
        times = of.cpu_times()
        return float(times.user + times.system)


def memory(of: psutil.Process) -> tuple[float, float]:
    """MB in use now and at most until now; twice the same where the system does not remember."""
    try:
        lines = Path(f"/proc/{of.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        now = float(of.memory_info().rss) / 1e6
        return now, now
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(told["VmRSS"].split()[0]) * 1024 / 1e6, int(told["VmHWM"].split()[0]) * 1024 / 1e6
