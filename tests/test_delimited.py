"""CSV and TSV files are read as they were written, whatever the delimiter, the quotes and the compression."""

import bz2
import csv
import gzip
import io
import lzma
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.memory import growth_bytes
from tests.quick import examples
from tests.rooms import HOSTILE
from tests.sources import refused, rows, texts, write
from veritable.tables.reading import delimited, stream
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd,
}  # fmt: skip
LONG = "a" * 100  # 30,000 lines of it are more than one block
FIELD = st.text(
    st.one_of(st.sampled_from('ab "\n\r,;\t|=😀é\u2028'), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    table=st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(FIELD, min_size=n, max_size=n), min_size=1, max_size=8)),
    delimiter=st.sampled_from(",;\t|"),
    style=st.sampled_from([("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
    packed=st.sampled_from(sorted(PACKED)),
)
@example(table=[['a "b"', 'c, "d"'], ["", "x\n"]], delimiter=",", style=("\n", csv.QUOTE_MINIMAL), packed="")
def test_round_trip(table: list[list[str]], delimiter: str, style: tuple[str, int], packed: str, tmp_path: Path) -> None:
    """Texts with quotes, delimiters, line ends and emoji are read as Python's csv module wrote them."""
    written = io.StringIO(newline="")
    names = [f"name {i}" for i in range(len(table[0]))]
    csv.writer(written, delimiter=delimiter, lineterminator=style[0], quoting=style[1]).writerows([names, *table])  # type: ignore[arg-type]
    path = write(tmp_path, PACKED[packed](written.getvalue().encode()), f"t.csv{packed}")
    found = rows(path, delimiter=delimiter, header=True)
    assert names == list(found)
    assert [tuple(None if field == "" else field for field in row) for row in table] == texts(found)


@pytest.mark.parametrize("packed", sorted(PACKED))
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_found(tmp_path: Path, delimiter: str, packed: str) -> None:
    """The delimiter and the header are found whatever the name of the file, also in compressed files."""
    text = "name,height,note\nAnn,1.5,x y\nBob,2,\n".replace(",", delimiter).encode()
    expected = {"name": ["Ann", "Bob"], "height": ["1.5", "2"], "note": ["x y", None]}
    assert expected == rows(write(tmp_path, PACKED[packed](text), f"t.csv{packed}"))
    assert expected == rows(write(tmp_path, PACKED[packed](text), "t.data"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x,t\n1,a\n2,b\n", ["x", "t"]),
        ("1,a\n2,b\n3,c\n", ["column_1", "column_2"]),
        ("1,?\n2,3\n3,?\n", ["column_1", "column_2"]),
        ("2020-01-01,5\n2020-01-02,6\n", ["column_1", "column_2"]),
        ("p,x\ne,x\np,y\ne,y\n", ["column_1", "column_2"]),
        ("class,cap\ne,x\np,y\ne,y\n", ["class", "cap"]),
        ("0,1,t\n5,6,a\n7,8,b\n", ["0", "1", "t"]),
        ("land,2019,2020,2021\nx,1,2,3\ny,4,5,6\n", ["land", "2019", "2020", "2021"]),
        ("1,5;2,5\n1,6;2,7\n", ["column_1", "column_2"]),
        ("a;b\n1,5;2,5\n1,6;2,7\n", ["a", "b"]),
        ('"a,b";c\n1,5;x\n', ["a,b", "c"]),
        (",x,t\n0,1,a\n1,2,b\n", ["column_1", "x", "t"]),
        (" x , t\n1,a\n", ["x", "t"]),
        ("x\n1\n2\n", ["x"]),
    ],
)
def test_names(tmp_path: Path, text: str, names: list[str]) -> None:
    """A first line with values like those below is a row. Numbers that count up are names. A first column may lack a name."""
    found = rows(write(tmp_path, text))
    assert names == list(found)
    first_is_row = names[0] == "column_1" and not text.startswith(",")
    assert len(text.splitlines()) - (not first_is_row) == len(next(iter(found.values())))


def test_header_given(tmp_path: Path) -> None:
    """data.header overrules what the first line suggests, and data.columns gives the names."""
    path = write(tmp_path, "1,a\n2,b\n")
    assert {"1": ["2"], "a": ["b"]} == rows(path, header=True)
    assert {"x": ["1", "2"], "t": ["a", "b"]} == rows(path, columns=("x", "t"))
    assert {"column_1": ["x", "1"], "column_2": ["t", "a"]} == rows(write(tmp_path, "x,t\n1,a\n"), header=False)


def test_missing(tmp_path: Path) -> None:
    """Only the empty field is null, and only if data.missing has it. The survey counts the other texts."""
    path = write(tmp_path, 'x,t\n?,a\n ?,b\n"?",c\nNA,d\n,e\n"",f\n')
    assert ["?", "?", "?", "NA", None, None] == [value and value.strip() for value in rows(path)["x"]]
    assert ["?", " ?", "?", "NA", "", ""] == rows(path, missing=("?",))["x"]
    assert ["?", " ?", "?", "NA", None, None] == rows(path, missing=("?", "NA", ""))["x"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tail", ["", "{end}", "{end}{end}{end}"])
def test_line_ends(tmp_path: Path, end: str, tail: str) -> None:
    """Lines may end in LF, CR LF or CR. Blank lines at both ends, and a missing last line end, do not matter."""
    text = end * 2 + f"x,t{end}1,a{end}2,b" + tail.format(end=end)
    assert {"x": ["1", "2"], "t": ["a", "b"]} == rows(write(tmp_path, text))


@pytest.mark.parametrize("text", ["x,t\n1,a,\n2,b,\n", "x,t,\n1,a,\n2,b,\n", "1,a,\n2,b,\n"])
def test_trailing_delimiter(tmp_path: Path, text: str) -> None:
    """A delimiter at the end of each line adds no column and shifts none."""
    found = rows(write(tmp_path, text))
    assert [["1", "2"], ["a", "b"]] == list(found.values())


def test_trailing_delimiter_with_a_value_behind_it(tmp_path: Path) -> None:
    """A value after the last delimiter of a later line is not ignored."""
    path = write(tmp_path, "x,t\n" + f"1,{LONG},\n" * 30_000 + "1,a,b\n" + "1,a,\n" * 10)
    assert "line 30,002 has 3 and its first line names 2" in refused(path)


@pytest.mark.parametrize("late", [0, 30_000])
def test_blank_before_a_quote(tmp_path: Path, late: int) -> None:
    """Blanks between a delimiter and a quote are skipped, even if the first of them occurs late in the file."""
    path = write(tmp_path, "n,x,t\n" + f'1,"u, ""{LONG}""",w\n' * late + '1, "a, b",yes\n2,  "c",no\n')
    found = rows(path)
    assert ["a, b", "c"] == found["x"][late:]
    assert [f'u, "{LONG}"'] * late == found["x"][:late]


def test_text_that_ends_with_a_line_end(tmp_path: Path) -> None:
    """The last field may end with a line end within quotes."""
    assert {"x": ["1"], "t": ["a\n"]} == rows(write(tmp_path, 'x,t\n1,"a\n"\n'))
    assert {"x": ["1"], "t": ["a\r\n"]} == rows(write(tmp_path, 'x,t\r\n1,"a\r\n"'))


def test_late_quoted_newline(tmp_path: Path) -> None:
    """The first line end within quotes may occur late, and across the blocks that are read."""
    long = "line\n" * 300_000
    found = rows(write(tmp_path, "x,t\n" + f"1,{LONG}\n" * 30_000 + f'2,"{long}"\n3,c\n'))
    assert [long, "c"] == found["t"][-2:]
    assert 30_002 == len(found["t"])


def test_hostile_names(tmp_path: Path) -> None:
    """Names with quotes, line ends, emoji or markup are kept exactly."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([HOSTILE, [str(i) for i in range(len(HOSTILE))]])
    assert {name: [str(i)] for i, name in enumerate(HOSTILE)} == rows(write(tmp_path, written.getvalue()))


def test_many_columns(tmp_path: Path) -> None:
    """10,000 columns with long names are read."""
    names = [f"{'n' * 110}{i}" for i in range(10_000)]
    line = ",".join(str(i) for i in range(10_000))
    found = rows(write(tmp_path, ",".join(names) + "\n" + f"{line}\n" * 300))
    assert names == list(found)
    assert ["9999"] * 300 == found[names[-1]]


def test_skipped_columns(tmp_path: Path) -> None:
    """Dropped columns are not read, whatever their position, so they may hold anything."""
    content = b"x,y,t\n1,\xff,a\n2,b,b\n"
    assert {"t": ["a", "b"]} == rows(write(tmp_path, b"x,y,t\n1,2,a\n2,b,b\n"), frozenset(["x", "y"]))
    assert {"x": ["1", "2"]} == rows(write(tmp_path, content.replace(b"\xff", b"e")), frozenset(["y", "t"]))
    assert "all 3 are" in refused(write(tmp_path, b"x,y,t\n1,2,a\n"), frozenset("xyt"))


@pytest.mark.parametrize(
    ("encoding", "prefix"), [("latin-1", b""), ("cp1252", b""), ("utf-16", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-8-sig", b"")]
)
def test_encodings(tmp_path: Path, encoding: str, prefix: bytes) -> None:
    """data.encoding names the encoding. A byte order mark is not part of the first name."""
    text = "größe,t\n" + f"{'ä' * 100},b\n" * 30_000
    path = write(tmp_path, prefix + text.encode(encoding))
    assert {"größe": ["ä" * 100] * 30_000, "t": ["b"] * 30_000} == rows(path, encoding=encoding)


def read_all(path: Path) -> None:
    for _ in open_table(path, Reading()).batches():
        pass


def test_memory_is_flat(tmp_path: Path) -> None:
    """A table of four times the rows needs no more memory."""
    few, many = (write(tmp_path, "x,y,t\n" + "1.25,some text,a\n" * rows, f"{rows}.csv") for rows in (2_000_000, 8_000_000))
    assert growth_bytes(read_all, many) < 1.5 * growth_bytes(read_all, few)


def test_a_stream_is_not_closed_amid_a_read(tmp_path: Path) -> None:
    """A read in another thread ends before the file is closed, so it never uses the file descriptor of another file."""
    path = write(tmp_path, "1.25,some text,a\n" * 100_000)
    errors: list[Exception] = []

    def read_on(text: stream.TextStream) -> None:
        try:
            while text.read(2**16):
                pass
        except Exception as error:
            errors.append(error)

    for _ in range(200):
        text = stream.TextStream(path, Reading())
        thread = threading.Thread(target=read_on, args=[text])
        thread.start()
        text.read(2**16)
        text.close()
        thread.join()
    assert {ValueError} == {type(error) for error in errors}


GOOD = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(12))
REFUSED: list[tuple[str | bytes, dict[str, Any], str]] = [
    ("\n\n", {}, "must not be empty, but is."),
    ("x,t\n", {}, "must have rows, but has none."),
    ("x,t\n" + GOOD + "1,a,3,4\n" + GOOD, {}, "line 14 has 4 and its first line names 2."),
    ("x,t\n" + GOOD + "1\n" + GOOD, {}, "line 14 has 1 and its first line names 2."),
    ('\n\nx,t\n"1\n2",a\n\n1,a,3\n', {}, "line 7 has 3 and its first line names 2."),
    ("x,t\r1,a\r1,a,3\r", {}, "line 3 has 3 and its first line names 2."),
    ("x,t\n1,a,7\n2,b,8\n", {}, "line 2 has 3 and its first line names 2."),
    ("x,t\n" + f"1,{LONG}\n" * 30_000 + "1\n", {}, "line 30,002 has 1 and its first line names 2."),
    ("1,a,7\n2,b,8\n", {"columns": ("x", "t")}, "but has 2 names and"),
    ("1,a\n2,b\n", {"columns": ("x", "y", "t")}, "but has 3 names and"),
    ("1,a\n", {"columns": ("t", "t")}, "two are named 't'"),
    ("x,t\n1,a\n", {"columns": ("x", "t")}, "Set data.columns: null."),
    ("1,a\n", {"columns": ("x", "t"), "header": True}, "data.header must not be true"),
    ("a,y,y\n1,2,x\n", {}, "two are named 'y'"),
    ("a,,y\n1,2,x\n", {}, "column 2 of 3 has none"),
    (",,y\n1,2,x\n", {}, "column 2 of 3 has none"),
    ("x,t\n1,a\n", {"delimiter": ";"}, "but its first line has ',' instead"),
    ("x y t\n1 2 a\n", {}, "Set data.delimiter, for example to ' '."),
    ("x,t\n1,a\n", {"delimiter": '"'}, "data.delimiter must be an ASCII character"),
    (
        b"x,t\n1,a\n\xfc,a\n",
        {},
        "line 3 has the bytes fc, which are invalid in data.encoding 'utf-8'. Set data.encoding, for example to latin-1",
    ),
    (b"x,t\n" + f"1,{LONG}\n".encode() * 30_000 + b"\xfc,a\n", {}, "line 30,002 has the bytes fc"),
    (b"x,t\n1,a\n2,\xc3", {}, "line 3 has the bytes c3"),
    ("x,t\nä,a\n", {"encoding": "ascii"}, "line 2 has the bytes c3, which are invalid in data.encoding 'ascii'."),
    ("x,t\n1,a\n", {"encoding": "klingon"}, "data.encoding must be an encoding that Python knows"),
    ("x,t\n1,a\n", {"encoding": "base64"}, "data.encoding must be an encoding that Python knows"),
    ("x,t\n1,a\n".encode("utf-16"), {}, "is in UTF-16. Set data.encoding: utf-16"),
    (b"x,t\n1,a\n\x00,b\n", {}, "line 3 has a NUL byte."),
    (b"x,t\n" + f"1,{LONG}\n".encode() * 30_000 + b"\0,a\n", {}, "line 30,002 has a NUL byte."),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", {}, "line 3 has a NUL byte"),
    (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 100, {}, "has a NUL byte"),
    (b"PK\x03\x04rest", {}, "but is a ZIP archive or an Excel workbook"),
    ('x,t\n"1,a\n', {}, "a quote that opens in line 2 is not closed"),
    ('x,t\n1,a\n2,"b\n', {}, "a quote that opens in line 3 is not closed"),
    ('x,t\n1,a\n2,"b""\n', {}, "a quote that opens in line 3 is not closed"),
    ('x,"t\nu","t\nu"\n1,a,b\n', {}, "two are named 't\\nu'"),
    ('"x,t\n1,a\n', {}, "a quote that opens in line 1 is not closed"),
    ('x,t\n1,a\n2,"b\n3,c\n', {}, "a quote that opens in line 3 is not closed"),
    ('x,t\n1,a\n"2,b\n' + f"3,{LONG}\n" * 40_000, {}, "a quote that opens in line 3 is not closed"),
    ("x,t\n" + f"1,{LONG}\n" * 30_000 + "1," + "a" * 5_000_000 + "\n", {}, "must have lines of less than 2,097,152 bytes"),
    ('x,t\n1,a\n2,"' + "a" * 20_000_000 + '"\n', {}, "must have fields of less than 16,777,216 characters"),
    ("x,t\n" + GOOD, {"max_rows": 11}, "at most 11 rows, but has more. Raise machine.max_rows"),
    ("x,t\n" + GOOD, {"max_bytes": 20}, "at most 20 bytes of text, but has more. Raise machine.max_bytes"),
]


@pytest.mark.parametrize(("content", "how", "words"), REFUSED, ids=[words[:40] for _, _, words in REFUSED])
def test_refused(tmp_path: Path, content: str | bytes, how: dict[str, Any], words: str) -> None:
    """A file that is not a table raises an error with the wrong line and what to do."""
    assert words in refused(write(tmp_path, content), **how)


@pytest.mark.parametrize("packed", [".gz", ".bz2", ".xz", ".zst"])
def test_truncated(tmp_path: Path, packed: str) -> None:
    """A compressed file that ends too early raises an error, even if its head is complete."""
    content = PACKED[packed](("x,t\n" + "".join(f"{i * 7919 % 10007},{i}\n" for i in range(50_000))).encode())
    for end in (len(content) - 1, len(content) // 2, 40):
        assert "Copy or download it again." in refused(write(tmp_path, content[:end], f"t.csv{packed}"))
    assert "as its name says" in refused(write(tmp_path, "x,t\n1,a\n", f"t.csv{packed}"))


def test_gzip_bomb(tmp_path: Path) -> None:
    """A small file that decompresses to a large one raises an error at machine.max_bytes."""
    path = write(tmp_path, gzip.compress(b"x,t\n" + b"1,a\n" * 20_000_000, 9), "bomb.csv.gz")
    assert path.stat().st_size < 200_000
    assert "at most 10,000,000 bytes of text" in refused(path, max_bytes=10_000_000)


def test_two_gzip_members(tmp_path: Path) -> None:
    """Concatenated compressed files are read as one."""
    path = write(tmp_path, gzip.compress(b"x,t\n1,a\n") + gzip.compress(b"2,b\n"), "t.csv.gz")
    assert {"x": ["1", "2"], "t": ["a", "b"]} == rows(path)


def test_batches_are_of_even_size(tmp_path: Path) -> None:
    """Batches hold about a million cells, because smaller ones are slow."""
    path = write(tmp_path, "x,t\n" + "1,a\n" * 2_000_000)
    sizes = [batch.num_rows for batch in open_table(path, Reading()).batches()]
    assert 2_000_000 == sum(sizes)
    assert min(sizes[:-1]) * 2 >= delimited._BATCH_CELLS


def test_endless_line_in_the_slow_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that never ends raises an error in Python's reader too, which reads unusual files and locates errors."""
    monkeypatch.setattr(stream, "MAX_LINE", 100)
    for good in ('x,t\n1, "a, b"\n', "x,t\n1,a\n"):
        assert "must have lines of at most 100 characters" in refused(write(tmp_path, good + "1,a,3," * 20 + "\n"))
