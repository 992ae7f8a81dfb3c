"""Restrict this process and all its children to given files, with the three system calls of Linux Landlock.

Landlock has only rules that allow. The kernel refuses everything else to every program: Python, a C++ reader, a child
process. Documentation: https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE = 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """Return the version of the kernel's Landlock interface; 0 if the kernel has none."""
    if sys.platform != "linux":
        return 0
    version: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(0, version)


def all_rights() -> int:
    """Return all file rights that this kernel can refuse, except device ioctls."""
    version = abi()
    count = 13 + (version >= 2) + (version >= 3)  # version 2 added REFER, version 3 TRUNCATE
    return (1 << count) - 1


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {what}: {os.strerror(code)}")
    return result


def restrict(rules: Iterable[tuple[Path, int]]) -> None:
    """Restrict the calling process for the rest of its life.

    Parameters
    ----------
    rules
        (path, rights) pairs. The rights of a folder hold for everything in it; a file takes only file rights. Paths that do
        not exist are skipped.

    Raises
    ------
    OSError
        The kernel has no Landlock, or it is disabled.
    """
    rights = all_rights()
    attribute = ctypes.c_uint64(rights)
    ruleset = _check(
        _libc.syscall(_CREATE_RULESET, ctypes.byref(attribute), ctypes.c_size_t(8), ctypes.c_uint32(0)),
        "cannot create the rules",
    )
    try:
        for path, wanted in rules:
            _add(ruleset, path, wanted & rights)
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "cannot set no_new_privs")
        _check(_libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)), "cannot restrict the process")
    finally:
        os.close(ruleset)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def _add(ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # it was deleted after it was listed, or this user cannot access it anyway
        return
    try:
        if not path.is_dir():
            rights &= _FILE_RIGHTS
        if rights:
            rule = _PathBeneath(rights, handle)
            result = _libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
            if result == 0 or ctypes.get_errno() != errno.EBADFD:  # a pipe, such as /dev/stdout may be, needs no rule
                _check(result, f"cannot add {path}")
    finally:
        os.close(handle)
