"""Processes with all their descendants: started, measured, killed."""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


class Tree:
    """All descendants of this process except for some. Orphans become children of this process,
    so that the CPU time of each is counted, killed ones included."""

    def __init__(self, others: set[int]):
        if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError("prctl")
        self.others, self.cpu, self.statuses = others, 0.0, {}
        self.started = []

    def start(self, command: list, folder: Path, env: dict) -> int:
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(c) for c in command], cwd=folder, env=env, stdout=log, stderr=log
            )
        self.started.append(
            process
        )  # its own wait must not see that it was reaped here
        return process.pid

    def reap(self) -> None:
        """Collect ended children. A child counts with what it waited for itself."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.cpu += used.ru_utime + used.ru_stime
            self.statuses[pid] = os.waitstatus_to_exitcode(status)
            for process in self.started:
                if process.pid == pid:
                    process.returncode = self.statuses[pid]

    def ended(self, pid: int) -> bool:
        self.reap()
        return pid in self.statuses

    def alive(self) -> list[int]:
        """All descendants, found from their parents."""
        self.reap()
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    text = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(text[text.rindex(")") + 2 :].split()[1])
        found, more = {os.getpid()}, True
        while more:
            new = (
                {p for p, parent in parents.items() if parent in found}
                - found
                - self.others
            )
            found |= new
            more = bool(new)
        return sorted(found - {os.getpid()})

    def kill(self) -> None:
        """SIGKILL to all, as a power failure or the kernel in want of memory does."""
        while alive := self.alive():
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)

    def stop(self) -> None:
        """End what still runs beside the program, such as a server."""
        for process in self.started:
            if process.pid not in self.statuses:
                process.send_signal(signal.SIGTERM)
        limit = time.monotonic() + 30
        while self.alive() and time.monotonic() < limit:
            time.sleep(0.05)
        self.kill()
