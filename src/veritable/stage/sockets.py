"""Refuse the network to this process and all its children, with a seccomp filter of Linux.

Landlock's rules for TCP leave out UDP and Unix sockets, and a network namespace needs a privilege that containers lack. The
filter refuses every socket but Unix ones, and asks the supervisor about each `connect` of those: workers of a pool connect to
sockets in the stage's own folders, a database listens elsewhere. The filter costs other system calls nothing measurable.
Documentation: https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress

from veritable.stage.seal import within

_NUMBERS = {"x86_64": (0xC000003E, 317, 41, 42), "aarch64": (0xC00000B7, 277, 198, 203)}
_IO_URING_SETUP = 425  # the same number on both; a ring could open sockets, and the filter would not see it
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _NOTIFY, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000
_X32 = 0x40000000  # system calls of x86-64 with short pointers
_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # ioctls of a listener, for a notification of 80 and an answer of 24 bytes
_CONTINUE = 1
_PR_SET_NO_NEW_PRIVS = 38


def can_refuse() -> bool:
    """Return whether this system has seccomp filters, and the numbers of its system calls are known."""
    return sys.platform == "linux" and platform.machine() in _NUMBERS and os.path.exists("/proc/sys/kernel/seccomp")


def refuse() -> int:
    """Refuse the network to this process for the rest of its life. Return a descriptor for `answer`.

    Raises
    ------
    OSError
        The kernel does not accept the filter.
    """
    architecture, seccomp, socket_, connect = _NUMBERS[platform.machine()]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 11, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 9, 0, _X32),
        (_EQUAL, 3, 0, socket_),
        (_EQUAL, 6, 0, connect),
        (_EQUAL, 6, 0, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _ARGUMENT),  # the family
        (_EQUAL, 1, 0, socket.AF_UNIX),
        (_RETURN, 0, 0, _ERRNO | errno.EACCES),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener: int = libc.syscall(seccomp, _SET_MODE_FILTER, _NEW_LISTENER, filter_)
    if listener < 0:
        code_ = ctypes.get_errno()
        raise OSError(code_, f"seccomp: cannot refuse the network: {os.strerror(code_)}")
    return listener


def answer(listener: int, folders: Sequence[str]) -> None:
    """Answer each `connect` to a Unix socket until the filtered processes have ended: allow those in `folders`."""
    requests = select.poll()
    requests.register(listener, select.POLLIN)
    while not any(event & select.POLLHUP for _, event in requests.poll()):
        notification = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, notification)
        except OSError:  # the process ended in the meantime
            continue
        identity, process = struct.unpack_from("=QI", notification)
        address, length = struct.unpack_from("=QQ", notification, 40)
        allowed = any(within(_path(process, address, length), folder) for folder in folders)
        reply = struct.pack("=QqiI", identity, 0, 0 if allowed else -errno.EACCES, _CONTINUE if allowed else 0)
        with suppress(OSError):  # the process ended in the meantime
            fcntl.ioctl(listener, _SEND, reply)


def _path(process: int, address: int, length: int) -> str:
    """Return the absolute path of a Unix socket, from the memory of the process that connects to it; "" for any other."""
    try:
        with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            content = memory.read(min(length, 110))
        family, path = struct.unpack_from("=H", content)[0], os.fsdecode(content[2:].split(b"\0")[0])
        if family != socket.AF_UNIX or not path:  # without a path, it is an abstract name of the machine
            return ""
        return os.path.realpath(os.path.join(os.readlink(f"/proc/{process}/cwd"), path))
    except (OSError, struct.error):
        return ""
