"""Replace the values of columns by pseudonyms, which nobody can compute or reverse without the key.

A pseudonym is an HMAC-SHA256 of the value, as a text without blanks around it. The same value has the same pseudonym in every
column, table and run with the same key, so that tables can still be joined. The key is read from the environment only. What is
kept of it is a fingerprint, made by scrypt: each guess at the key then costs a twentieth of a second and 16 MiB of memory.
"""

import hashlib
import hmac
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache

import pyarrow as pa

from veritable.errors import TableError
from veritable.tables.reading.source import Reading, Source, preview
from veritable.tables.typing import parse

KEY = "VERITABLE_PSEUDONYM_KEY"  # the name of the environment variable
MIN_KEY = 32  # characters: a key that can be guessed gives all values away that can be guessed
_HEX_DIGITS = 32  # of a pseudonym: two of a billion values have the same one with a probability below 1e-20
_MARK = "p"  # at the beginning of a pseudonym, which is then never read as a number or a date


@cache  # a classifier that predicts frames one by one checks it each time
def fingerprint(key: str) -> str:
    """Return the fingerprint of a key, 16 hexadecimal digits."""
    return hashlib.scrypt(key.encode(), salt=b"veritable pseudonym key", n=2**14, r=8, p=1, dklen=8).hex()


def check_key(columns: Collection[str], named: str | None) -> str | None:
    """Return the key of the environment; None if it is not set.

    Parameters
    ----------
    columns
        Columns that need it, for the message.
    named
        Fingerprint that the key must have.

    Raises
    ------
    TableError
        The key is shorter than 32 characters, or has another fingerprint.
    """
    key = os.environ.get(KEY)
    if not key:
        return None
    if len(key) < MIN_KEY:
        raise TableError(
            f"the key in {KEY} must have at least {MIN_KEY} characters, but has {len(key)}. Make one with: "
            "python -c 'import secrets; print(secrets.token_hex(32))'."
        )
    if (found := fingerprint(key)) != named:
        raise TableError(
            f"the key of the pseudonyms of {preview(sorted(columns))} must have the fingerprint '{named}', but the one in "
            f"{KEY} has '{found}'. Set {KEY} to the right key, or to use this one, data.pseudonym_key: {found}."
            if named
            else f"data.pseudonym_key must be the fingerprint of the key in {KEY}, but is null. Set it to {found}."
        )
    return key


def pseudonymise(columns: Mapping[str, pa.Array], reading: Reading) -> dict[str, pa.Array]:
    """Return columns by name, with pseudonyms in those that `reading` names. A missing value stays missing.

    Raises
    ------
    TableError
        The key is not set, is too short or is not the one of `reading`.
    """
    key = _needed_key(columns, reading)
    if key is None:
        return dict(columns)
    return {
        name: _pseudonyms(array, key, reading.missing) if name in reading.pseudonymise else array
        for name, array in columns.items()
    }


def pseudonymise_source(source: Source, reading: Reading) -> Source:
    """Return a table with pseudonyms in the columns that `reading` names. Raises what `pseudonymise` raises, at once."""
    key = _needed_key(source.names, reading)
    if key is None:
        return source
    chosen = [(i, name) for i, name in enumerate(source.names) if name in reading.pseudonymise]

    def pieces() -> Iterator[pa.RecordBatch]:
        for batch in source.pieces():
            for i, name in chosen:
                batch = batch.set_column(i, pa.field(name, pa.string()), _pseudonyms(batch.column(i), key, reading.missing))
            yield batch

    schema = source.schema
    for i, name in chosen if schema is not None else ():
        schema = schema.set(i, pa.field(name, pa.string()))
    return replace(source, pieces=pieces, schema=schema)


def _needed_key(names: Collection[str], reading: Reading) -> str | None:
    """Return the key; None if no column needs it."""
    columns = set(names) & set(reading.pseudonymise)
    if not columns:
        return None
    if (key := check_key(columns, reading.pseudonym_key)) is None:
        raise TableError(
            f"the key of the pseudonyms of {preview(sorted(columns))} must be in the environment variable {KEY}, which is not "
            f"set. Set it to the key with the fingerprint '{reading.pseudonym_key}'."
            if reading.pseudonym_key
            else f"data.pseudonymise needs a key in the environment variable {KEY}, which is not set. Make one with: "
            "python -c 'import secrets; print(secrets.token_hex(32))', and keep it outside the repository."
        )
    return key


def _pseudonyms(array: pa.Array, key: str, missing: Collection[str]) -> pa.Array:
    texts = parse.clean_texts(parse.plain_array(array), missing)
    made = [None if text is None else _pseudonym(text, key) for text in texts.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(texts.indices, pa.array(made, pa.string())).dictionary_decode()


def _pseudonym(text: str, key: str) -> str:
    return _MARK + hmac.digest(key.encode(), text.encode(), "sha256").hex()[:_HEX_DIGITS]
