"""A folder object is a list of files inside the folder; everything else is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritable.sharing.folders import FolderError, read_folder

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
REFUSED = {
    "../x": "leaves the folder",
    "a/../../x": "leaves the folder",
    "/etc/passwd": "is an absolute path",
    "C:x": "is an absolute path",
    "": "is no path of a file",
    "a//b": "is no path of a file",
    "./a": "is no path of a file",
    "a\\b": "is no path of a file",
    "a\0b": "is no path of a file",
    ".git/config": "belongs to git or DVC",
    "sub/.GIT/hooks/x": "belongs to git or DVC",
    ".dvc/config": "belongs to git or DVC",
}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_files_and_their_hashes(tmp_path: Path) -> None:
    """The hash of each file is returned by its path."""
    listed = write(tmp_path / "x.dir", [{"md5": MD5, "relpath": "a"}, {"md5": MD5, "relpath": "b/..c"}])
    assert {"a": MD5, "b/..c": MD5} == read_folder(listed)


@pytest.mark.parametrize("name", REFUSED)
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A path that is absolute, leaves the folder or belongs to git or DVC is refused with the reason."""
    with pytest.raises(FolderError, match=REFUSED[name]):
        read_folder(write(tmp_path / "x.dir", [{"md5": MD5, "relpath": name}]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"md5": MD5}, "is not a list of files"),
        ([1], "not a path with an MD5"),
        ([{"md5": MD5}], "not a path with an MD5"),
        ([{"md5": "../" + MD5[3:], "relpath": "a"}], "not a path with an MD5"),
        ([{"md5": MD5.upper(), "relpath": "a"}], "not a path with an MD5"),
        ([{"md5": MD5, "relpath": "a"}, {"md5": MD5, "relpath": "a"}], "lists 'a' twice"),
        ([{"md5": MD5, "relpath": "a"}, {"md5": MD5, "relpath": "a/b"}], "lists 'a' as a file and as a folder"),
    ],
)
def test_what_is_no_list_of_files_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    """Entries that are not files with their MD5, and files that exclude each other, are refused."""
    with pytest.raises(FolderError, match=reason):
        read_folder(write(tmp_path / "x.dir", content))


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    """Bytes that are not JSON, and JSON that is nested without end, are refused."""
    for content in (b"", b"\xff", b"[" * 100_000):
        (tmp_path / "x.dir").write_bytes(content)
        with pytest.raises(FolderError, match="is not JSON"):
            read_folder(tmp_path / "x.dir")


@given(st.text(max_size=20), st.text(alphabet="./\\agit", max_size=12))
def test_no_accepted_path_leaves_the_folder(first: str, second: str) -> None:
    """Whatever is accepted stays inside the folder when it is joined to it."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        for name in (first, second):
            try:
                accepted = read_folder(write(Path(folder, "x.dir"), [{"md5": MD5, "relpath": name}]))
            except FolderError:
                continue
            for each in accepted:
                assert (Path(folder) / each).resolve().is_relative_to(Path(folder).resolve())
