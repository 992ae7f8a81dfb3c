"""Confine this process, and all it will ever start, to given files: Linux Landlock by its three system calls.

Landlock knows allow rules only. What no rule grants is refused by the kernel, whoever asks: Python, a C++ reader,
a child process. Documentation: https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
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
    """Version of the kernel's Landlock interface; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    version: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(0, version)


def all_rights() -> int:
    """Every file right that this kernel's Landlock can refuse (device ioctls and the network are left alone)."""
    version = abi()
    count = 13 + (version >= 2) + (version >= 3)  # REFER came with 2, TRUNCATE with 3
    return (1 << count) - 1


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {what}: {os.strerror(code)}")
    return result


def restrict(rules: Iterable[tuple[Path, int]]) -> None:
    """Confine the calling process for good.

    Parameters
    ----------
    rules
        (path, rights) pairs. A folder's rights hold for everything beneath it, a file takes file rights only.
        Paths that do not exist are passed over.

    Raises
    ------
    OSError
        Where the kernel refuses (no Landlock, or switched off).
    """
    rights = all_rights()
    attribute = ctypes.c_uint64(rights)
    ruleset = _check(
        _libc.syscall(_CREATE_RULESET, ctypes.byref(attribute), ctypes.c_size_t(8), ctypes.c_uint32(0)), "no ruleset"
    )
    try:
        for path, wanted in rules:
            _add(ruleset, path, wanted & rights)
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        _check(_libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)), "not restricted")
    finally:
        os.close(ruleset)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def _add(ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # gone since it was listed, or out of our reach anyway
        return
    try:
        if not path.is_dir():
            rights &= _FILE_RIGHTS
        if rights:
            rule = _PathBeneath(rights, handle)
            _check(_libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0), f"no rule for {path}")
    finally:
        os.close(handle)
