"""The folder of a classifier: its files are read whole, compared with their checksums, and only then parsed."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from veritable.errors import UserError
from veritable.files import whole
from veritable.stored import refuse

CHECKSUMS = "SHA256SUMS"  # in the format of coreutils: `sha256sum -c SHA256SUMS` checks it too
REMEDY = "Train it again, or fetch it again."
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n\\]+)")
_T = TypeVar("_T")


@dataclass(frozen=True)
class ModelFolder:
    """The folder of a classifier.

    The checksums find accidents: a flipped bit, a truncated file, a file of another classifier. Whoever alters a file on
    purpose can alter its checksum too, so every parser of a file checks all that it relies on.

    Attributes
    ----------
    checksums
        SHA-256 of the files, by name. Other files in the folder are never opened.
    """

    path: Path
    checksums: dict[str, str]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the checksums of a folder.

        Raises
        ------
        UserError
            The folder is not that of a classifier, or has no valid checksums.
        """
        if not (path / "classifier.json").is_file():
            raise UserError(f"'{path}' must hold a classifier, but '{path}/classifier.json' does not exist. Train one first.")
        if not (path / CHECKSUMS).is_file():
            raise UserError(
                f"'{path}' must hold the checksums of its files in '{CHECKSUMS}', but the file does not exist. {REMEDY} If an "
                f"earlier version saved the classifier and you trust it, write them: `cd {path} && sha256sum * > {CHECKSUMS}`."
            )
        file = path / CHECKSUMS
        return cls(path, refuse(file, REMEDY, lambda: _parse(file.read_text("utf-8"))))

    def __contains__(self, name: str) -> bool:
        return name in self.checksums

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        UserError
            The file does not exist, has no checksum or another one.
        """
        file = self.path / name
        if not file.is_file():
            raise UserError(f"'{self.path}' must hold a classifier, but '{file}' does not exist. {REMEDY}")
        if name not in self.checksums:
            raise UserError(f"'{self.path / CHECKSUMS}' must have the checksum of '{name}', but lacks it. {REMEDY}")
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.checksums[name]:
            raise UserError(f"'{file}' must have the checksum in {CHECKSUMS}, but was changed or damaged. {REMEDY}")
        return data

    def parse(self, name: str, parser: Callable[[bytes], _T]) -> _T:
        """Return what a parser makes of the content of a file.

        Raises
        ------
        UserError
            As `read`, or the parser raises ValueError, whose message continues "'FILE' ...": "must be ..., but is ...".
        """
        data = self.read(name)
        return refuse(self.path / name, REMEDY, lambda: parser(data))

    def check(self, name: str) -> Path:
        """Return the path of a folder in this folder, all of whose files have their checksums.

        Raises
        ------
        UserError
            A file has another checksum or none, or does not exist.
        """
        found = {each.relative_to(self.path).as_posix() for each in (self.path / name).rglob("*") if each.is_file()}
        for each in sorted(found | set(self.names(re.escape(name) + "/.+"))):
            self.read(each)
        return self.path / name

    def names(self, pattern: str) -> list[str]:
        """Return the sorted names of the files that match a regular expression as a whole."""
        return sorted(name for name in self.checksums if re.fullmatch(pattern, name))


def write_checksums(path: Path, files: Iterable[Path] | None = None) -> None:
    """Write the checksums of files in a folder, by default of all.

    Raises
    ------
    UserError
        A name has a line end or a backslash, which the format would escape.
    """
    chosen = path.rglob("*") if files is None else files
    names = {each.relative_to(path).as_posix(): each for each in chosen if each.is_file() and each.name != CHECKSUMS}
    if odd := [name for name in names if "\n" in name or "\\" in name]:
        raise UserError(f"the name of a file in '{path}' must have no line end or backslash, but is {odd[0]!r}. Rename it.")
    with whole(path / CHECKSUMS) as partial:
        lines = (f"{hashlib.sha256(names[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(names))
        partial.write_text("".join(lines), "utf-8")


def _parse(text: str) -> dict[str, str]:
    found = [_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    lines = [each for each in found if each is not None and ".." not in Path(each[2]).parts]
    if len(lines) < len(found):
        raise ValueError("must hold lines of a checksum and a name in this folder, but is damaged")
    return {each[2]: each[1] for each in lines}
