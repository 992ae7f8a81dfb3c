"""The error that a user can fix, shown as its message without a traceback and with exit code 1, and what the machine lacks."""

import errno

_HALF = 1000  # number of characters kept at each end of the message of a TableError


class UserError(Exception):
    """Error whose message names the thing, the rule, the value and the remedy, in one or two sentences."""


def one_line(text: str) -> str:
    """Escape line ends, control codes and other characters that cannot be printed."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class TableError(UserError):
    """Table that cannot be read, split or encoded. The message is one line of limited length, whatever names it quotes."""

    def __init__(self, sentence: str):
        plain = one_line(sentence)
        super().__init__(plain if len(plain) <= 2 * _HALF else f"{plain[:_HALF]} ... {plain[-_HALF:]}")


_MEMORY = "needs more memory than it may use"
_AND_MEMORY = "Close other programs, raise the limit (ulimit -v), or use a machine with more memory, and run it again."
_SPACE = "Free some space, and run it again."
_ACCESS = "Change its permissions, and run it again."
_BY_CODE = {
    errno.ENOMEM: (_MEMORY, _AND_MEMORY),
    errno.ENOSPC: ("cannot write {}, because the disk is full", _SPACE),
    errno.EDQUOT: ("cannot write {}, because the quota of the disk is used up", _SPACE),
    errno.EFBIG: (
        "cannot write {}, because it would exceed the limit on the size of files",
        "Raise the limit (ulimit -f), and run it again.",
    ),
    errno.EROFS: ("cannot write {}, because its file system is read-only", "Choose or mount one that can be written."),
    errno.EACCES: ("may not access {}, because its permissions do not allow it", _ACCESS),
    errno.EPERM: ("may not access {}, because its permissions do not allow it", _ACCESS),
}
# Libraries in C++ and Rust report the same conditions by errors of their own: torch, LightGBM, safetensors, SQLite, the linker
_BY_WORDS = {
    "can't allocate memory": errno.ENOMEM,
    "cannot allocate memory": errno.ENOMEM,
    "out of memory": errno.ENOMEM,
    "bad_alloc": errno.ENOMEM,
    "can't start new thread": errno.ENOMEM,
    "failed to map segment": errno.ENOMEM,
    "no space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "disk quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
}
_LOST_WORKERS = ("TerminatedWorkerError", "BrokenProcessPool")  # of joblib and of concurrent.futures


def explain_shortage(error: BaseException, where: str = "") -> str | None:
    """Say what the machine lacks if that is why a program failed: memory, space on the disk, permission or a worker process.

    Parameters
    ----------
    error
        The error, whose causes are looked at too.
    where
        Line of the source that raised it.

    Returns
    -------
    The end of a sentence, which begins with the name of the program, and the remedy; None for any other error.

    >>> explain_shortage(OSError(28, "No space left on device", "x.csv"))
    'cannot write x.csv, because the disk is full. Free some space, and run it again.'
    """
    each: BaseException | None = error
    seen = list[BaseException]()
    while each is not None and each not in seen:
        seen.append(each)
        at = f" (at {where})" if where else ""
        if type(each).__name__ in _LOST_WORKERS or "DataLoader worker" in str(each):
            return f"lost a worker process, which was killed{at}. Use fewer workers or free some memory, and run it again."
        if shortage := _BY_CODE.get(_code_of(each)):
            what, remedy = shortage
            name = getattr(each, "filename", None)
            return f"{what.format(one_line(str(name)) if name else 'a file')}{at}. {remedy}"
        each = each.__cause__ or each.__context__
    return None


def _code_of(error: BaseException) -> int:
    """Return the error number of the system that an error stands for; 0 if it stands for none."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    words = str(error).lower()
    return next((code for each, code in _BY_WORDS.items() if each in words), 0)
