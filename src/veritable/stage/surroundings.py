"""What a stage has of the machine: the environment variables it gets, and the paths outside the repository that it may use.

Both are short lists of what the interpreter and libraries need. What a list lacks is hidden from a stage, so its result cannot
depend on it; `meta.env`, `meta.secrets` and `meta.outside` add to them.
"""

import os
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from veritable.stage.meta import Exceptions

_NAMES = frozenset(
    (
        *("LANG", "LANGUAGE", "TZ", "TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
        *("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "CONDA_PREFIX", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING"),
        *("PYTHONUNBUFFERED", "PYTHONWARNINGS", "PYTHONFAULTHANDLER", "PYTHONDONTWRITEBYTECODE"),
    )
)
_PREFIXES = (
    "LC_",
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "GOTO_", "VECLIB_", "NUMEXPR_"),  # threads and BLAS
    *("CUDA_", "NVIDIA_", "CUBLAS_", "CUDNN_", "NCCL_", "ROCR_", "HIP_", "PYTORCH_", "MALLOC_"),  # devices and memory
)
_READ = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/opt/cuda", "/opt/intel", "/opt/nvidia", "/opt/rocm", "/nix/store", "/gnu/store"),
    *("/opt/homebrew", "/Library", "/System"),
    *("/proc", "/sys", "/var/cache/fontconfig", "/var/lib/ca-certificates", "/run/systemd/resolve", "/run/resolvconf"),
    *("/dev/zero", "/dev/random", "/dev/urandom", "/dev/fd", "/dev/stdin"),
)
_ETC = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "alternatives", "localtime", "timezone", "locale.alias"),
    *("ssl", "pki", "ca-certificates", "ca-certificates.conf", "crypto-policies", "fonts", "mime.types", "magic"),
    *("passwd", "group", "nsswitch.conf", "host.conf", "hosts", "resolv.conf", "gai.conf", "services", "protocols"),
    *("os-release", "lsb-release", "debian_version", "OpenCL", "vulkan", "nvidia", "gnutls"),
    *("python3", f"python{sys.version_info.major}.{sys.version_info.minor}"),  # Debian keeps sitecustomize.py there
)
_WRITE = ("/dev/null", "/dev/full", "/dev/tty", "/dev/stdout", "/dev/stderr", "/dev/ptmx", "/dev/pts")
PRIVATE = frozenset(["TMPDIR", "HOME", "JOBLIB_TEMP_FOLDER", "MPLCONFIGDIR"])  # the stage has its own
_DEVICES = ("nvidia", "dri", "kfd")  # beginnings of names in /dev


def environment(outside: Mapping[str, str], exceptions: Exceptions) -> dict[str, str]:
    """Return the part of an environment that a stage gets."""
    declared = {*exceptions.env, *exceptions.secrets}
    return {name: value for name, value in outside.items() if name in _NAMES or name in declared or name.startswith(_PREFIXES)}


def readable(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths outside the repository that every stage may read: the system, the interpreter and its packages."""
    named = (*sys.path, *_search_path(environ, "LD_LIBRARY_PATH"), *_search_path(environ, "LD_PRELOAD"))
    certificates = (environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    prefixes = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    return _absolute((*_READ, *(f"/etc/{name}" for name in _ETC), *prefixes, *named, *certificates))


def writable() -> tuple[str, ...]:
    """Return the paths outside the repository that every stage may write: terminals and devices."""
    devices = os.listdir("/dev") if os.path.isdir("/dev") else []
    return (*_WRITE, *(f"/dev/{name}" for name in devices if name.startswith(_DEVICES)))


def private(temporary: Path) -> dict[str, str]:
    """Return the variables that lead libraries to a folder of the stage's own, instead of the user's home and caches."""
    home = temporary / "home"
    home.mkdir()
    found = {"TMPDIR": str(temporary), "HOME": str(home), "JOBLIB_TEMP_FOLDER": str(temporary)}
    return found | ({"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {})


def _search_path(environ: Mapping[str, str], name: str) -> Iterator[str]:
    yield from environ.get(name, "").replace(" ", os.pathsep).split(os.pathsep)


def _absolute(paths: Iterable[str]) -> tuple[str, ...]:
    normal = (os.path.normpath(path) for path in paths if os.path.isabs(path))
    return tuple(dict.fromkeys(path for path in normal if path != os.sep))
