"""A signed manifest: what is altered anywhere between the person who signs and the one who fetches is refused by name."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.team import Person, overwrite
from tests.test_pull import md5
from veritable.errors import UserError
from veritable.sharing.commands import _sign
from veritable.sharing.manifest import Signed
from veritable.sharing.push import push
from veritable.sharing.steps import Silent

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

# Two blocks with the same MD5, by Wang and others (2004).
FIRST = bytes.fromhex(
    "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
    "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
)
SECOND = bytes.fromhex(
    "d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b"
    "d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70"
)


def make_key(folder: Path, name: str) -> Path:
    key = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key], check=True)
    return key


def allow(person: Person, name: str, key: Path) -> None:
    kind, public, *_ = key.with_suffix(".pub").read_text().split()
    person.write(".dvc/allowed_signers", f'{name} namespaces="veritable" {kind} {public}\n')


def share_signed(person: Person, key: Path) -> None:
    push(person.root, None, Signed(*_sign(person.root, None, str(key))), Silent())


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path, "alice")


@pytest.fixture
def signed(team: Person, key: Path) -> Person:
    """The owner, who has allowed alice's key, signed with it and shared."""
    allow(team, "alice@example.org", key)
    team.commit()
    share_signed(team, key)
    return team


def test_a_signature_is_verified(signed: Person) -> None:
    """What alice has signed verifies, and she is named; a commit that changes none of it keeps the signature."""
    assert "alice@example.org" == signed.clone().fetch(verify=True).signer
    signed.write("README.md", "more\n")
    signed.commit()
    assert "alice@example.org" == signed.clone("later").fetch(verify=True).signer


def test_another_content_with_the_same_md5(team: Person, key: Path) -> None:
    """An output that was replaced by another one with the same MD5 passes DVC's hash, but not the signature."""
    assert md5(FIRST) == md5(SECOND)
    (team.root / "in.csv").write_bytes(FIRST)
    team.repro()
    allow(team, "alice@example.org", key)
    team.commit()
    share_signed(team, key)
    overwrite(team.stored(team.oid("z")), SECOND + b"z\n")
    assert "z" in team.clone().fetch().outputs
    with pytest.raises(UserError, match=r"z must be what alice@example\.org signed, but differs"):
        team.clone("careful").fetch(verify=True)


@pytest.mark.parametrize("path", ["params.yaml", "code/one.txt"])
def test_a_file_of_git_that_was_changed(signed: Person, path: str) -> None:
    """params.yaml and code/ are signed too."""
    other = signed.clone()
    other.write(path, other.read(path) + "# more\n")
    with pytest.raises(UserError, match=rf"{path} must be what alice@example\.org signed, but differs"):
        other.fetch(verify=True)


def test_an_output_that_was_changed_in_git_and_in_the_remote(signed: Person) -> None:
    """A model that whoever may push to both has replaced consistently is refused: this dvc.lock was not signed."""
    signed.write("dvc.lock", signed.read("dvc.lock").replace(signed.oid("z"), md5(b"evil")))
    signed.stored(md5(b"evil")).parent.mkdir(parents=True, exist_ok=True)
    signed.stored(md5(b"evil")).write_bytes(b"evil")
    signed.commit()
    with pytest.raises(UserError, match=r"remote 'store' must have a signed manifest of this dvc\.lock, but has none"):
        signed.clone().fetch(verify=True)


def test_an_unknown_signer(signed: Person, tmp_path: Path) -> None:
    """A signature by a key that git does not list is refused."""
    share_signed(signed, make_key(tmp_path, "mallory"))
    with pytest.raises(UserError, match=r"must be signed by somebody whom \.dvc/allowed_signers lists, but is not"):
        signed.clone().fetch(verify=True)


def test_a_changed_manifest(signed: Person) -> None:
    """A manifest that was changed after it was signed is refused."""
    manifest = next((signed.store / "manifests").glob("*.json"))
    content = json.loads(manifest.read_text())
    content["files"]["z"] = "0" * 64
    manifest.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"must be as alice@example\.org signed it, but was changed"):
        signed.clone().fetch(verify=True)


def test_a_signature_for_another_purpose(signed: Person, key: Path) -> None:
    """A signature that alice made for something else, such as an e-mail, does not count."""
    manifest = next((signed.store / "manifests").glob("*.json"))
    signature = manifest.with_suffix(".sig")
    signature.unlink()
    subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", key, manifest], check=True)
    Path(f"{manifest}.sig").rename(signature)
    with pytest.raises(UserError, match="was changed or signed for another purpose"):
        signed.clone().fetch(verify=True)


def test_missing_manifest_and_signers(team: Person) -> None:
    """Without a manifest, or without a list of signers, there is nothing to trust."""
    team.share()
    with pytest.raises(UserError, match=r"\.dvc/allowed_signers must list the keys that may sign, but does not exist"):
        team.fetch(verify=True)
    team.write(".dvc/allowed_signers", "")
    with pytest.raises(UserError, match="must have a signed manifest"):
        team.fetch(verify=True)


def test_what_cannot_be_signed(team: Person, key: Path) -> None:
    """Uncommitted params, a damaged object and a key that is none are refused."""
    with pytest.raises(UserError, match=r"none must be an SSH key that signs, but is not"):
        _sign(team.root, None, str(key.with_name("none")))
    team.write("params.yaml", team.read("params.yaml") + "# more\n")
    with pytest.raises(UserError, match=r"params\.yaml must be committed to be signed"):
        _sign(team.root, None, str(key))
    team.git("checkout", "-q", "params.yaml")
    overwrite(team.cached(team.oid("z")), b"evil")
    with pytest.raises(UserError, match=r"must be intact in DVC's cache to be signed, but the object \w+ has other bytes"):
        _sign(team.root, None, str(key))
