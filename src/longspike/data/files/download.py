"""Downloads of published data sets: the only file of the package that uses the network."""

import hashlib
import os
import secrets
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from io import BufferedWriter
from pathlib import Path

from longspike.data.files.archive import unpack
from longspike.errors import DataFileError

CHUNK_BYTES = 1 << 18
TIMEOUT_S = 60.0
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes received so far and the bytes expected (None if the server does not say)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """A published file and where it belongs.

    Args:
        url: https; http is allowed to this machine's own loopback address only.
        sha256: the published checksum, 64 hexadecimal digits.
        target: the path below the data folder; of an archive, the folder that it is unpacked into.
        is_archive: unpack it, and keep only what it held.
    """

    url: str
    sha256: str
    target: str
    is_archive: bool = False


def _check_url(url: str) -> None:
    """Raise unless the address is https, or http to loopback."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
        raise ValueError(f"download: `url` must start with https://; got {url!r}. Use the publisher's https address.")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the address itself would be allowed."""

    def redirect_request(
        self, req: urllib.request.Request, fp: object, code: int, msg: str, headers: object, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows a redirect."""
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _remedy(remote: RemoteFile, destination: Path) -> str:
    """What to do by hand."""
    verb = "unpack it in" if remote.is_archive else "put it at"
    return f"Fetch {remote.url} by another way (SHA-256 {remote.sha256}) and {verb} {destination}."


def _sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _receive(remote: RemoteFile, stream: BufferedWriter, progress: Progress | None, remedy: str) -> None:
    """Copy the body to `stream`; raise unless it is whole and has the published checksum."""
    name = remote.url.rpartition("/")[2]
    digest, received = hashlib.sha256(), 0
    opener = urllib.request.build_opener(_CheckedRedirects)
    request = urllib.request.Request(remote.url, headers={"User-Agent": "longspike"})
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            length = response.headers.get("Content-Length")
            expected = int(length) if length is not None and length.isdigit() else None
            while chunk := response.read(CHUNK_BYTES):
                stream.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                if progress is not None:
                    progress(name, received, expected)
    except urllib.error.HTTPError as error:
        error.close()
        raise DataFileError(f"{remote.url}: the server answered {error.code} {error.reason}. {remedy}") from error
    except urllib.error.URLError as error:
        raise DataFileError(f"{remote.url} cannot be reached ({error.reason}). {remedy}") from error
    except (HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise DataFileError(f"{remote.url}: the connection broke off ({error}). Try again. {remedy}") from error
    if expected is not None and received != expected:
        raise DataFileError(f"{remote.url} came truncated: {received} of {expected} bytes. Try again. {remedy}")
    if digest.hexdigest() != remote.sha256:
        raise DataFileError(
            f"{remote.url} must have SHA-256 {remote.sha256}; got {digest.hexdigest()}. It was thrown away. Try again; "
            "if it repeats, the published file has changed or the connection is not safe."
        )


def fetch(remote: RemoteFile, root: Path, progress: Progress | None) -> tuple[Path, ...]:
    """Fetch one file into the folder `root`: to a temporary name, verified, then renamed or unpacked.

    Returns: the files that are now there. Raises: see `longspike.data.download`.
    """
    _check_url(remote.url)
    destination = root / remote.target
    if not remote.is_archive and destination.is_file() and _sha256_of(destination) == remote.sha256:
        return (destination,)
    folder = destination if remote.is_archive else destination.parent
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".download-{secrets.token_hex(8)}"  # opened with the user's usual rights, unlike mkstemp
    try:
        with open(temporary, "xb") as stream:
            _receive(remote, stream, progress, _remedy(remote, destination))
        if remote.is_archive:
            return unpack(temporary, destination)
        os.replace(temporary, destination)
        return (destination,)
    finally:
        temporary.unlink(missing_ok=True)
