"""The plugins of DVC for the kinds of remotes. None is part of the default installation."""

from importlib.util import find_spec
from urllib.parse import urlsplit

from veritable.errors import UserError

PLUGINS = {
    "s3": "s3",
    "ssh": "ssh",
    "webdav": "webdav",
    "webdavs": "webdav",
    "azure": "azure",
    "gs": "gs",
}  # by scheme of a URL


def require_plugin(remote: str, url: str) -> None:
    """Check that the plugin for the URL of a remote is installed.

    Raises
    ------
    UserError
        It is not.
    """
    kind = PLUGINS.get(urlsplit(url).scheme)
    if kind and not find_spec(f"dvc_{kind}"):
        raise UserError(
            f"remote '{remote}' must have the plugin dvc-{kind}, but it is not installed. Run `make setup REMOTES={kind}`."
        )
