"""Pipes into which only this process writes: who reads from one waits for another thread of it.

Its writing end is open here, and no process of multiprocessing is alive, which might have it too.
Children that execute another program do not inherit it (PEP 446).
"""

from __future__ import annotations

import os
import platform
import stat
import sys
from contextlib import suppress

_READ = {"x86_64": "0", "aarch64": "63", "riscv64": "63"}.get(platform.machine())
"""The number of the system call `read` on Linux."""


def is_written_here(fd: int) -> bool:
    """Whether a descriptor is the reading end of such a pipe."""
    if getattr(sys.modules.get("multiprocessing.process"), "_children", None):
        return False
    with suppress(OSError):
        pipe = os.fstat(fd)
        if stat.S_ISFIFO(pipe.st_mode):
            others = (fd + 1, *map(int, os.listdir("/dev/fd")))  # noqa: PTH208 - names alone
            return any(_writes_into(other, pipe) for other in others if other != fd)
    return False


def _writes_into(fd: int, pipe: os.stat_result) -> bool:
    with suppress(OSError, ImportError):
        from fcntl import F_GETFL, fcntl  # noqa: PLC0415 - Windows has none

        if os.path.samestat(os.fstat(fd), pipe):
            return fcntl(fd, F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    return False


def is_read_in(system_call: str) -> bool:
    """Whether a thread reads from such a pipe.

    Args:
        system_call: number and arguments, as in /proc/self/task/*/syscall.
    """
    number, *arguments = system_call.split()
    return number == _READ and is_written_here(int(arguments[0], 16))
