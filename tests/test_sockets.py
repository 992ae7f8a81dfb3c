"""A stage has no network unless it declares one; the sockets of its own workers work."""

import pytest

from tests.sealing import Outcomes
from veritable.stage import landlock, sockets

kernel = pytest.mark.skipif(not (landlock.abi() and sockets.can_refuse()), reason="this kernel has no Landlock or seccomp")


@pytest.mark.parametrize(("name", "address"), [("connect", "127.0.0.1"), ("name", "localhost"), ("Unix socket", "/socket")])
def test_python_may_not_connect(refused: Outcomes, allowed: Outcomes, name: str, address: str) -> None:
    """The refusal names the address and the line to add; with `meta.network` the connection is made."""
    kind, message = refused[name]
    assert ("AccessRefusedError", True) == (kind, message.startswith("stage 'x' may not connect to ")), message
    assert address in message.splitlines()[0]
    assert message.endswith("add to stages.x in dvc.yaml:\n      meta: {network: true}")
    assert "returned" == allowed[name][0]


@kernel
@pytest.mark.parametrize("name", ["TCP by a child", "UDP by a child", "Unix socket by a child", "abstract socket by a child"])
def test_programs_may_not_connect(refused: Outcomes, allowed: Outcomes, name: str) -> None:
    """The kernel refuses TCP, UDP, the Unix sockets of other programs and abstract sockets, which no hook sees."""
    assert ["returned", "PermissionError: [Errno 13] Permission denied"] == refused[name]
    assert ["returned", "done"] == allowed[name]


def test_processes_of_the_stage_may_connect_to_each_other(refused: Outcomes) -> None:
    """A Unix socket in a folder of the stage works: pools of workers use them."""
    assert ["returned", "done"] == refused["own Unix socket by a child"]
