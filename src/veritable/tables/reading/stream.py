"""Read a text file as a stream of UTF-8 bytes: decompress it, decode it, and report damage."""

import codecs
import io
import lzma
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn, TextIO

import pyarrow as pa

from veritable.errors import TableError
from veritable.tables.reading.source import Reading, reason

MAX_LINE = 2**26
BLOCK_BYTES = 2 * 2**20  # Arrow's CSV reader is fastest if a block fits in the processor's cache
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
_WIDE = ("utf-16", "utf-32")
_NUL = ("has a NUL byte", "Check data.path, or set data.encoding: utf-16-le")
_NOT_TEXT = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF-": "a PDF",
}


class TextStream(io.RawIOBase):
    """Stream of a text file, which may be compressed, as UTF-8 without a byte order mark and without blank lines at the start.

    The last line always ends with a line end, so that a quote that is not closed contains a line end.

    Parameters
    ----------
    check
        Whether to check UTF-8 too, which is slower. Other encodings are always checked.

    Attributes
    ----------
    blank_lines
        Number of blank lines at the start that were skipped; None before the first read.
    tail
        The last bytes that were read.

    Raises
    ------
    TableError
        On opening: the encoding is unknown, or the file is not compressed as its name says.
        On reading: the text is invalid in the encoding, has a NUL byte, is damaged, or is longer than `max_bytes`.
    """

    def __init__(self, path: Path, reading: Reading, *, check: bool = False):
        self._lock = threading.Lock()  # Arrow reads ahead in a thread that may still read when the stream is closed
        self._path, self._reading = path, reading
        encoding = _known(reading.encoding)
        self._decoder = codecs.getincrementaldecoder(encoding)() if check or encoding != "utf-8" else None
        self.compression = compression(path)
        self._file = _opened(path, self.compression)
        self._ready, self._bytes, self._lines, self._ended, self._cr = b"", 0, 0, False, False
        self.blank_lines: int | None = None
        self.tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = BLOCK_BYTES if size is None or size < 0 else size
        with self._lock:
            if self.closed:
                raise ValueError("I/O operation on a closed file")
            while not self._ready and not self._ended:
                self._ready = self._next(size)
            block, self._ready = self._ready[:size], self._ready[size:]
            self.tail = block[-8:] or self.tail
        return block

    def readinto(self, buffer: Any) -> int:
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Close the file, after a read that another thread is in has ended."""
        with self._lock:
            if not self.closed:
                self._file.close()
            super().close()

    def _next(self, size: int) -> bytes:
        first = not self._bytes
        raw = self._raw(size)
        while first and 0 < len(raw) < 8 and (more := self._raw(size)):  # a byte order mark must not be cut
            raw += more
        if first:
            self._refuse_other_files(raw)
        text = self._decoded(raw).removeprefix(codecs.BOM_UTF8 if first else b"")
        if (at := text.find(b"\0")) >= 0:
            self._refuse(text[:at], *_NUL)
        if self._decoder:
            self._lines += lines(text) - (self._cr and text.startswith(b"\n"))
            self._cr = text.endswith(b"\r")
        if self.blank_lines is None:
            stripped = text.lstrip(b"\r\n")
            self.blank_lines = lines(text[: len(text) - len(stripped)])
            text = stripped
        last = text or self.tail
        return text + b"\n" if self._ended and last and last[-1:] not in b"\r\n" else text

    def _raw(self, size: int) -> bytes:
        try:
            raw: bytes = self._file.read(size)
        except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
            what = f"an undamaged {self.compression} file" if self.compression else "readable"
            raise TableError(
                f"table '{self._path}' must be {what}, but is not: {reason(error)}. Copy or download it again."
            ) from None
        self._ended = not raw
        self._bytes += len(raw)
        if self._bytes > self._reading.max_bytes:
            raise TableError(
                f"table '{self._path}' must have at most {self._reading.max_bytes:,} bytes of text, but has more. "
                "Raise machine.max_bytes if that is intended."
            )
        return raw

    def _decoded(self, raw: bytes) -> bytes:
        if self._decoder is None:
            return raw
        try:
            return self._decoder.decode(raw, not raw).encode()
        except UnicodeDecodeError as error:
            if (at := raw.find(b"\0")) >= 0 and not _known(self._reading.encoding).startswith(_WIDE):
                self._refuse(raw[:at], *_NUL)
            before = error.object[: error.start].decode(self._reading.encoding, "replace").encode()
            shown = error.object[error.start : error.end][:4].hex(" ")
            also = "latin-1 or cp1252" if _known(self._reading.encoding) == "utf-8" else "utf-8"
            self._refuse(
                before,
                f"has the bytes {shown}, which are invalid in data.encoding '{self._reading.encoding}'",
                f"Set data.encoding, for example to {also}",
            )
        except UnicodeEncodeError:  # only unusual encodings accept it
            self._refuse(b"", "has an unpaired surrogate", "Check data.encoding")
        except UnicodeError as error:  # UTF-16 without a byte order mark
            what = f"is invalid in data.encoding '{self._reading.encoding}': {reason(error)}"
            self._refuse(b"", what, "Set data.encoding, for example to utf-8 or utf-16-le")

    def _refuse(self, before: bytes, what: str, way_out: str) -> NoReturn:
        if self._decoder is None:  # the lines were not counted, so read the file again
            with TextStream(self._path, self._reading, check=True) as counting:
                while counting.read():
                    pass
        line = self._lines + lines(before) + 1
        raise TableError(f"table '{self._path}' must be text, but line {line:,} {what}. {way_out}.")

    def _refuse_other_files(self, raw: bytes) -> None:
        utf16 = raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if utf16 and not _known(self._reading.encoding).startswith(_WIDE):
            raise TableError(
                f"table '{self._path}' must be in data.encoding '{self._reading.encoding}', but is in UTF-16. "
                "Set data.encoding: utf-16."
            )
        for magic, what in _NOT_TEXT.items():
            if raw.startswith(magic):
                raise TableError(f"table '{self._path}' must be text, but is {what}. Export it as CSV or Parquet.")


def each_line(text: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines with their line ends.

    Raises
    ------
    TableError
        A line is longer than `MAX_LINE`.
    """
    while line := text.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise TableError(
                f"table '{path}' must have lines of at most {MAX_LINE:,} characters, but one is longer. "
                "Split it, or check data.path."
            )
        yield line


def lines(text: bytes) -> int:
    """Return the number of line ends: LF, CR, or CR LF."""
    return text.count(b"\n") + (text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else 0)


def compression(path: Path) -> str | None:
    """Return how a file is compressed, by its first bytes; None if it is not.

    Raises
    ------
    TableError
        The name of the file says something else, or the file cannot be opened.
    """
    head = first_bytes(path)
    found = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    named = _SUFFIXES.get(path.suffix.lower())
    if named and named != found:
        raise TableError(f"table '{path}' must be a {named} file, as its name says, but is not. Rename it, or copy it again.")
    return found


def first_bytes(path: Path, count: int = 16) -> bytes:
    """Return the first bytes of a file.

    Raises
    ------
    TableError
        The file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise TableError(f"table '{path}' must be readable, but is not: {error.strerror}. Check data.path.") from None


def _opened(path: Path, compression: str | None) -> IO[bytes]:
    if compression == "xz":
        return lzma.open(path)
    return pa.CompressedInputStream(str(path), compression) if compression else path.open("rb", buffering=0)


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)  # raises for base64 and the like
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise TableError(
            f"data.encoding must be an encoding that Python knows, such as utf-8 or latin-1, but is '{encoding}'."
        ) from None
    return "utf-8" if name == "utf-8-sig" else name
