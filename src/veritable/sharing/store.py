"""The storage behind a DVC remote: what it has, upload and download, the same for every kind of server.

DVC opens the remote, so URLs, credentials and options are those of `dvc remote`. The layout is DVC's too: plain `dvc push` and
`dvc pull` find what `share` has pushed, and the other way round.
"""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from veritable.errors import UserError, one_line
from veritable.sharing.folders import OBJECT
from veritable.sharing.hostkeys import describe_refusal, require_host_key
from veritable.sharing.plugins import require_plugin
from veritable.sharing.steps import Steps

_FILES, _RUNS, _MANIFESTS = "files/md5", "runs", "manifests"
_MAX_SMALL_BYTES = 1 << 24  # of a run record or a manifest
T = TypeVar("T")
R = TypeVar("R")


class Store:
    """The storage of a remote.

    Attributes
    ----------
    name
        Name of the remote.
    jobs
        Number of transfers at the same time.
    """

    def __init__(self, repo: Any, name: str | None, steps: Steps):
        """Open the remote `name`, or the default one.

        Raises
        ------
        UserError
            There is no such remote, or its kind is not supported.
        """
        self._steps = steps
        remotes = repo.config["remote"]
        self.name = str(name or repo.config["core"].get("remote") or "")
        if not self.name:
            what = "a default DVC remote, but has none" if remotes else "a DVC remote, but has none"
            raise UserError(f"this repository must have {what}. Run `dvc remote add --default store URL`.")
        if self.name not in remotes:
            raise UserError(
                f"'{self.name}' must be a remote of this repository, but the remotes are: {', '.join(remotes) or 'none'}. Run "
                f"`dvc remote add {self.name} URL`."
            )
        self._fs: Any = None
        require_plugin(self.name, str(remotes[self.name]["url"]))
        with self.answering():
            remote = repo.cloud.get_remote(self.name)
            self._fs = remote.fs
            require_host_key(self._fs)
            self._root = remote.path
            if remote.worktree or self._fs.version_aware:
                raise UserError(
                    f"remote '{self.name}' must keep objects by their hash, but keeps versions of files. Use `dvc push` and "
                    "`dvc pull`, or another remote."
                )
        self.jobs: int = self._fs.jobs

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn whatever a remote raises into one sentence; each kind of server has errors of its own."""
        self._steps.wait(True)
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if refusal := describe_refusal(self._fs, error):
                raise UserError(refusal) from error
            text = one_line(str(error)).strip().rstrip(".") or type(error).__name__
            raise UserError(
                f"remote '{self.name}' must answer, but fails: {text[:500]}. Check its URL and your credentials (`dvc remote "
                "list`), then run the command again: it continues where it stopped."
            ) from error
        finally:
            self._steps.wait(False)

    def sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """Return the sizes in bytes of those objects that the remote has."""
        wanted = set(oids)
        if not self._fs.CAN_TRAVERSE:  # HTTP cannot list
            self._steps.begin("Listing the remote", len(wanted))
            sizes = self.each(lambda oid: (oid, self._size(self._object(oid))), wanted, count=True)
            return {oid: size for oid, size in sizes if size is not None}
        prefixes = {oid[:2] for oid in wanted} & self._folders(_FILES)
        self._steps.begin("Listing the remote", len(prefixes))
        lists = self.each(lambda prefix: self._walk(f"{_FILES}/{prefix}"), prefixes, count=True)
        found = {path.removeprefix(f"{_FILES}/").replace("/", ""): size for listed in lists for path, size in listed.items()}
        return {oid: size for oid, size in found.items() if oid in wanted}

    def records(self) -> set[str]:
        """Return the paths of the run records, relative to the folder of records."""
        if not self._fs.CAN_TRAVERSE:
            return set()
        prefixes = self._folders(_RUNS)
        self._steps.begin("Listing run records", len(prefixes))
        lists = self.each(lambda prefix: self._walk(f"{_RUNS}/{prefix}"), prefixes, count=True)
        return {path.removeprefix(f"{_RUNS}/") for listed in lists for path in listed}

    def put_object(self, oid: str, source: Path) -> None:
        """Upload an object."""
        self._put(source, self._object(oid))

    def get_object(self, oid: str, target: Path) -> None:
        """Download an object without verifying it."""
        self._fs.get_file(self._object(oid), str(target), callback=_callback(self._steps))

    def put_record(self, name: str, source: Path) -> None:
        """Upload a run record."""
        self._put(source, self._path(f"{_RUNS}/{name}"))

    def get_record(self, name: str) -> bytes:
        """Return the content of a run record."""
        return self._read(f"{_RUNS}/{name}")

    def put_manifest(self, name: str, manifest: str, signature: str) -> None:
        """Upload a manifest and its signature."""
        with self.answering(), tempfile.TemporaryDirectory() as folder:
            self._fs.makedirs(self._path(_MANIFESTS), exist_ok=True)
            for ending, text in {"sig": signature, "json": manifest}.items():
                file = Path(folder, ending)
                file.write_text(text, "utf-8")
                self._put(file, self._path(f"{_MANIFESTS}/{name}.{ending}"))

    def get_manifest(self, name: str) -> tuple[bytes, bytes] | None:
        """Return a manifest and its signature; None if one of them does not exist."""
        paths = [f"{_MANIFESTS}/{name}.{ending}" for ending in ("json", "sig")]
        with self.answering():
            if not all(self._fs.exists(self._path(path)) for path in paths):
                return None
        manifest, signature = map(self._read, paths)
        return manifest, signature

    def each(self, function: Callable[[T], R], items: Iterable[T], *, count: bool = False) -> list[R]:
        """Apply a function to items in threads. After an error, what has not begun is left out.

        Parameters
        ----------
        count
            Advance the present step by one for each item.
        """
        done: list[R] = []
        with self.answering(), ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(function, item) for item in items]
            try:
                for future in as_completed(futures):
                    done.append(future.result())
                    if count:
                        self._steps.advance()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return done

    def make_folders(self, oids: Iterable[str], records: Iterable[str]) -> None:
        """Make the folders of what is going to be uploaded; not every server makes them by itself."""
        paths = [*(self._object(oid) for oid in oids), *(self._path(f"{_RUNS}/{name}") for name in records)]
        self.each(lambda folder: self._fs.makedirs(folder, exist_ok=True), {self._fs.parent(path) for path in paths})

    def _object(self, oid: str) -> str:
        if not OBJECT.fullmatch(oid):
            raise ValueError(f"{oid!r} is not the name of an object")
        return self._path(f"{_FILES}/{oid[:2]}/{oid[2:]}")

    def _path(self, relative: str) -> str:
        return str(self._fs.join(self._root, *relative.split("/")))

    def _put(self, source: Path, target: str) -> None:
        if self._fs.protocol != "ssh":  # the others show a file when it is complete
            self._fs.put_file(os.fspath(source), target, callback=_callback(self._steps))
            return
        partial = f"{target}.{uuid.uuid4().hex}.partial"
        self._fs.put_file(os.fspath(source), partial, callback=_callback(self._steps))
        if self._fs.exists(target):  # SFTP does not rename onto a file
            self._fs.rm_file(target)
        self._fs.mv(partial, target)

    def _read(self, relative: str) -> bytes:
        with self.answering(), self._fs.open(self._path(relative), "rb") as file:
            content = bytes(file.read(_MAX_SMALL_BYTES + 1))
        if len(content) > _MAX_SMALL_BYTES:
            raise UserError(f"{relative} in remote '{self.name}' must be small, but has more than {_MAX_SMALL_BYTES:,} bytes.")
        return content

    def _size(self, path: str) -> int | None:
        try:
            return int(self._fs.size(path))
        except FileNotFoundError:
            return None

    def _folders(self, relative: str) -> set[str]:
        """Return the names in a folder; none if it does not exist."""
        with self.answering():
            try:
                return {self._fs.name(path.rstrip("/")) for path in self._fs.ls(self._path(relative), detail=False)}
            except FileNotFoundError:
                return set()

    def _walk(self, relative: str) -> dict[str, int]:
        """Return the size in bytes of every file below a folder, by its path relative to the root of the remote."""
        top = self._path(relative)
        if self._fs.protocol == "local":
            found = {path: os.stat(path).st_size for path in self._fs.find(top)}  # noqa: PTH116  a path of DVC
        else:
            listed = self._fs.fs.find(top, detail=True)
            found = {str(path): int(info["size"] or 0) for path, info in listed.items()}
        depth = len(self._fs.parts(top)) - len(relative.split("/"))
        return {"/".join(self._fs.parts(path)[depth:]): size for path, size in found.items()}


def _callback(steps: Steps) -> Any:
    """Return a callback of fsspec that counts bytes."""
    from fsspec.callbacks import Callback

    class _Count(Callback):  # type: ignore[misc]  # fsspec has no types
        value: int

        def relative_update(self, inc: int = 1) -> None:
            steps.advance(inc)

        def absolute_update(self, value: int) -> None:
            steps.advance(max(value - self.value, 0))
            self.value = value

    return _Count()
