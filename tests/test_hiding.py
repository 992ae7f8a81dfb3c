"""Whether an undeclared file exists, and undeclared environment variables, are hidden from a stage."""

from pathlib import Path

import pytest

from tests.sealing import Sealed

ASK = {
    "exists": 'os.path.exists("data/secret.csv")',
    "is_file": 'Path("data/secret.csv").is_file()',
    "stat": 'Path("data/secret.csv").stat()',
    "lstat": 'os.lstat(os.path.abspath("data/secret.csv"))',
    "access": 'os.access("data/secret.csv", os.R_OK)',
    "getsize": 'os.path.getsize("data/secret.csv")',
    "in a folder that is open": 'os.stat("secret.csv", dir_fd=os.open("data/open", os.O_RDONLY)) ',
    "readlink": 'os.readlink("data/link")',
    "getxattr": 'os.getxattr("data/secret.csv", "user.x")',
    "outside": "os.path.exists(OUTSIDE)",
}


def test_debug(sealed: Sealed) -> None:
    ran = sealed.run("stage.outputs['out'].write_text('1')")
    print(ran)
    ran = sealed.run("import os; print(os.path.exists('data/secret.csv'))\nstage.outputs['out'].write_text('1')")
    print(ran)
    assert 0
