"""Run records: what DVC's run cache knows of past runs. A record names the outputs of a run with their hashes.

DVC trusts a record, so a forged one would make a stage "cached" with outputs of somebody else's choice.
"""

import copy
import re
from pathlib import Path

from veritable.sharing.folders import OBJECT

_NAME = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})/([0-9a-f]{64})")


def is_record(name: str) -> bool:
    """Return whether a path in the folder of records is that of a record."""
    return _NAME.fullmatch(name) is not None


def list_records(runs: Path) -> list[str]:
    """Return the paths of the records on this machine, relative to the folder of records."""
    return sorted(filter(is_record, (path.relative_to(runs).as_posix() for path in runs.glob("*/*/*"))))


def read_record(name: str, content: bytes) -> dict[str, str] | None:
    """Return the object of each output of a record by path; None if the record is not what its name says.

    The name of a record consists of two hashes: that of what the run was given, and that of the record itself.
    """
    from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
    from dvc.stage.cache import _get_cache_hash
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
    from voluptuous import Invalid

    found = _NAME.fullmatch(name)
    try:
        record = COMPILED_LOCK_FILE_STAGE_SCHEMA(parse_yaml(content.decode(), name))
        hashes = (_get_cache_hash(copy.deepcopy(record), key=True), _get_cache_hash(record))
    except (YAMLFileCorruptedError, Invalid, ValueError, TypeError, RecursionError):
        return None
    if found is None or hashes != (found[2], found[3]):
        return None
    outs = {out["path"]: str(out.get("md5")) for out in record.get("outs", [])}
    return outs if all(OBJECT.fullmatch(oid) for oid in outs.values()) else None
