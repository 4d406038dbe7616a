"""The system call filter: a program that the kernel runs at every system call of every thread. See seccomp(2).

Calls that are not listed are allowed, since a later torch, driver or decoder may use calls that none uses today. Listed
calls fail with an error that the caller can handle.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from phsearch.adapters.sandbox.syscalls import CHECKED, DENIED, SECCOMP_NUMBER, UNSUPPORTED

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Machine -> its column in the table of calls, and its number in `seccomp_data`."""
_X32 = 0x40000000
"""Calls of the x32 ABI have this bit; with it they would not match the numbers in the table."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000

_CLONE_THREAD = 0x10000
_WRITE_FLAGS = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | 0o20000000  # O_TMPFILE without the O_DIRECTORY in it
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""They insert input into the terminal that the daemon was started from."""

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install_filter(*, device: bool) -> bool:
    """Filter the calls of all threads of this process from now on; return False if kernel or machine cannot."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or struct.calcsize("P") != 8:  # noqa: PLR2004 - 32-bit programs have other numbers
        return False
    instructions = build_filter(*machine, os.getpid(), device=device)
    wanted = _Program(len(instructions) // 8, instructions)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(_libc.syscall(SECCOMP_NUMBER[machine[0]], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(wanted)) == 0)


def build_filter(column: int, machine: int, pid: int, *, device: bool) -> bytes:
    """Return the filter, 8 bytes an instruction. With `device` files may be opened for reading and writing."""
    changing = _WRITE_FLAGS if device else _WRITE_FLAGS | os.O_RDWR
    refuse = _instruction(_RETURN, _ERROR | errno.EPERM)
    allow = _instruction(_RETURN, _ALLOW)
    lines = [
        _instruction(_LOAD, _MACHINE),
        _instruction(_EQUAL, machine, yes=1),
        refuse,
        _instruction(_LOAD, _NUMBER),
        _instruction(_AT_LEAST, _X32, no=1),
        refuse,
    ]

    def when(call: tuple[int | None, int | None], *then: bytes) -> None:
        if (number := call[column]) is not None:
            lines.extend((_instruction(_EQUAL, number, no=len(then)), *then))

    for call in DENIED.values():
        when(call, refuse)
    for call in UNSUPPORTED.values():
        when(call, _instruction(_RETURN, _ERROR | errno.ENOSYS))
    when(CHECKED["clone"], _load_argument(0), _instruction(_ANY_BIT, _CLONE_THREAD, no=1), allow, refuse)
    when(CHECKED["open"], _load_argument(1), _instruction(_ANY_BIT, changing, no=1), refuse, allow)
    when(CHECKED["openat"], _load_argument(2), _instruction(_ANY_BIT, changing, no=1), refuse, allow)
    when(
        CHECKED["ioctl"],
        _load_argument(1),
        _instruction(_EQUAL, _TIOCSTI, yes=1),
        _instruction(_EQUAL, _TIOCLINUX, no=1),
        refuse,
        allow,
    )
    for name in ("kill", "tgkill"):
        when(CHECKED[name], _load_argument(0), _instruction(_EQUAL, pid, no=1), allow, refuse)
    # Reading limits is allowed. New limits are passed by a pointer, of which both halves are checked.
    upper = _instruction(_LOAD, _ARGUMENTS + 8 * 2 + 4)
    when(
        CHECKED["prlimit64"],
        _load_argument(2),
        _instruction(_EQUAL, 0, no=2),
        upper,
        _instruction(_EQUAL, 0, yes=1),
        refuse,
        allow,
    )
    return b"".join((*lines, allow))


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """Return one instruction; a comparison skips the next `yes` or `no` instructions."""
    return struct.pack("=HBBI", code, yes, no, value)


def _load_argument(index: int) -> bytes:
    """Return the instruction that loads the lower half of an argument; both machines are little-endian."""
    return _instruction(_LOAD, _ARGUMENTS + 8 * index)
