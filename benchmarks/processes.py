"""What a server has used: CPU time and memory of a process and its children, from /proc."""

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessTree:
    """A process and everything it started.

    Args:
        root: The first process's id.
    """

    root: int

    def pids(self) -> list[int]:
        """The ids of the processes that there are now."""
        found = [self.root]
        for pid in found:
            for task in _tasks(pid):
                found.extend(int(child) for child in _read(task / "children").split())
        return found

    def cpu_seconds(self) -> float:
        """CPU time used so far, in user and in kernel mode, by all threads.

        It is the scheduler's own count in nanoseconds: the sum of utime and stime in /proc/<pid>/stat, without its rounding to
        hundredths of a second.
        """
        tasks = [task for pid in self.pids() for task in _tasks(pid)]
        return sum(int((_read(task / "schedstat").split() or ["0"])[0]) for task in tasks) / 1e9

    def memory_kib(self) -> int:
        """Memory held: what is private, and a fair share of what is shared (Pss)."""
        lines = [line for pid in self.pids() for line in _read(PROC / str(pid) / "smaps_rollup").splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def sockets(self) -> int:
        """Open file descriptors, sockets for the most part."""
        return sum(len(_listing(PROC / str(pid) / "fd")) for pid in self.pids())


def _tasks(pid: int) -> list[Path]:
    return _listing(PROC / str(pid) / "task")


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
