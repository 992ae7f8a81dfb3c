"""Check the host key of an SSH server, which DVC does not: `dvc push` sends its data to whoever answers."""

from pathlib import Path
from typing import Any

KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


def require_host_key(fs: Any) -> None:
    """Make a file system of DVC refuse an SSH server whose key is not known, and keep the SSH agent on this machine.

    Parameters
    ----------
    fs
        A file system of DVC that has not connected yet. If it is not SSH, nothing changes.
    """
    if fs.protocol == "ssh":
        fs.fs_args |= {"known_hosts": _known_hosts(), "agent_forwarding": False}


def describe_refusal(fs: Any, error: Exception) -> str | None:
    """Return what is wrong with the host key of a server and how to accept it; None if an error has another reason."""
    import asyncssh  # a dependency of DVC

    if not isinstance(error, asyncssh.HostKeyNotVerifiable):
        return None
    host, port = fs.fs_args["host"], int(fs.fs_args.get("port") or asyncssh.DEFAULT_PORT)
    files = _known_hosts()
    known = files and asyncssh.match_known_hosts(files, host, "", port)[0]
    file = KNOWN_HOSTS[0]
    scan = f"ssh-keyscan -p {port} {host}"
    if not known:
        return (
            f"the SSH server {host}:{port} must have a host key in {file}, but has none there. Compare the fingerprints that "
            f"`{scan} | ssh-keygen -lf -` prints with those that its administrator names, then accept them with "
            f"`{scan} >> {file}`."
        )
    name = host if port == asyncssh.DEFAULT_PORT else f"'[{host}]:{port}'"
    return (
        f"the SSH server {host}:{port} must have the host key that is in {file}, but has another one: somebody may be "
        "intercepting the connection. Only if its administrator confirms the new key, remove the old one with "
        f"`ssh-keygen -R {name}`, and accept the new one with `{scan} >> {file}`."
    )


def _known_hosts() -> list[str]:
    return [str(path) for path in map(Path.expanduser, map(Path, KNOWN_HOSTS)) if path.is_file()]
