"""Downloads from a server on loopback: verified, atomic, safe, and clear when they fail."""

import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from longspike.data import DATASETS, RemoteFile, download
from longspike.data.registry import _downloads
from longspike.errors import DataFileError

BODY = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Serves `bodies` by path; `short` ones promise more than they send, `redirects` lead elsewhere, /broken stops."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[str, bytes] = {}
        self.short: set[str] = set()
        self.redirects: dict[str, str] = {}
        self.num_requests = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def remote(self, path: str, body: bytes, **changes: object) -> RemoteFile:
        """Serve a body; its address and checksum."""
        self.bodies[path] = body
        sha256 = hashlib.sha256(body).hexdigest()
        return RemoteFile(**({"url": self.address + path, "sha256": sha256, "target": "folder/file"} | changes))


class Handler(BaseHTTPRequestHandler):
    """Answers from the server's tables, silently."""

    server: Server

    def do_GET(self) -> None:
        self.server.num_requests += 1
        body = self.server.bodies.get(self.path)
        if self.path in self.server.redirects:
            self.send_response(302)
            self.send_header("Location", self.server.redirects[self.path])
            self.end_headers()
        elif self.path == "/broken":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ff\r\nonly a part")
        elif body is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + (self.path in self.server.short)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that is closed after the test; proxies are left aside."""
    monkeypatch.setenv("no_proxy", "*")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(remote: RemoteFile, root: Path, **options: object) -> tuple[Path, ...]:
    """Download one file."""
    return download("set", root, sources={"set": (remote,)}, **options)


def files_below(root: Path) -> list[str]:
    """All files, temporary ones included."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def make_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A gzip-compressed tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_a_file_is_fetched_verified_and_reported(server: Server, tmp_path: Path) -> None:
    reports: list[tuple[str, int, int | None]] = []
    paths = fetch(server.remote("/file", BODY), tmp_path, progress=lambda *report: reports.append(report))
    assert paths == (tmp_path / "folder/file",)
    assert paths[0].read_bytes() == BODY
    assert files_below(tmp_path) == ["folder/file"]
    assert reports[-1] == ("file", len(BODY), len(BODY))
    assert [received for _, received, _ in reports] == sorted({received for _, received, _ in reports})


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    remote = server.remote("/file", BODY)
    fetch(remote, tmp_path)
    fetch(remote, tmp_path)
    assert server.num_requests == 1
    (tmp_path / "folder/file").write_bytes(b"damaged")
    fetch(remote, tmp_path)
    assert (tmp_path / "folder/file").read_bytes() == BODY


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    remote = server.remote("/file", BODY, sha256="0" * 64)
    with pytest.raises(DataFileError, match=r"/file must have SHA-256 0{64}; got [0-9a-f]{64}. It was thrown away"):
        fetch(remote, tmp_path)
    assert files_below(tmp_path) == []


def test_a_truncated_body_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.short.add("/file")
    remote = server.remote("/file", BODY)
    with pytest.raises(DataFileError, match=f"/file came truncated: {len(BODY)} of {len(BODY) + 1} bytes. Try again"):
        fetch(remote, tmp_path)
    assert files_below(tmp_path) == []


def test_a_broken_connection_leaves_nothing(server: Server, tmp_path: Path) -> None:
    remote = server.remote("/broken", BODY)
    with pytest.raises(DataFileError, match=r"/broken: the connection broke off \(.*\). Try again. Fetch"):
        fetch(remote, tmp_path)
    assert files_below(tmp_path) == []


def test_a_failed_download_keeps_the_old_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_bytes(b"old")
    with pytest.raises(DataFileError, match=r"must have SHA-256"):
        fetch(server.remote("/file", BODY, sha256="1" * 64), tmp_path)
    assert (tmp_path / "folder/file").read_bytes() == b"old"


def test_a_refusal_names_the_answer(server: Server, tmp_path: Path) -> None:
    remote = RemoteFile(url=f"{server.address}/none", sha256="0" * 64, target="file")
    with pytest.raises(DataFileError, match=r"/none: the server answered 404 .*Fetch .* and put it at .*file\."):
        fetch(remote, tmp_path)


def test_without_a_network_the_remedy_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
    remote = RemoteFile(url=url, sha256="ab" * 32, target="deep/file")
    expected = rf"{url} cannot be reached \(.*\). Fetch {url} by another way \(SHA-256 (ab){{32}}\) and put it at"
    with pytest.raises(DataFileError, match=rf"{expected} {tmp_path}/deep/file\."):
        fetch(remote, tmp_path)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("url", ["http://example.org/file", "ftp://example.org/file", "file:///file"])
def test_addresses_other_than_https_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match=rf"`url` must start with https://; got '{url}'"):
        fetch(RemoteFile(url=url, sha256="0" * 64, target="file"), tmp_path)


def test_redirects_are_followed_to_allowed_addresses_only(server: Server, tmp_path: Path) -> None:
    remote = server.remote("/file", BODY)
    server.redirects |= {"/good": "/file", "/bad": "http://example.org/file"}
    good = RemoteFile(url=f"{server.address}/good", sha256=remote.sha256, target="file")
    assert fetch(good, tmp_path)[0].read_bytes() == BODY
    bad = RemoteFile(url=f"{server.address}/bad", sha256=remote.sha256, target="other")
    with pytest.raises(ValueError, match=r"`url` must start with https://; got 'http://example.org/file'"):
        fetch(bad, tmp_path)


def test_an_archive_is_unpacked_and_not_kept(server: Server, tmp_path: Path) -> None:
    folder = tarfile.TarInfo("batches")
    folder.type = tarfile.DIRTYPE
    body = make_tar((folder, b""), (tarfile.TarInfo("batches/one"), b"1"), (tarfile.TarInfo("batches/two"), b"22"))
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches/one").write_bytes(b"old")
    paths = fetch(server.remote("/a.tar.gz", body, target=".", is_archive=True), tmp_path)
    assert paths == (tmp_path / "batches/one", tmp_path / "batches/two")
    assert files_below(tmp_path) == ["batches/one", "batches/two"]
    assert paths[0].read_bytes() == b"1"


def test_only_contents_are_taken_from_an_archive(server: Server, tmp_path: Path) -> None:
    member = tarfile.TarInfo("one")
    member.mode, member.mtime, member.uid = 0o4001, 1, 12345
    (path,) = fetch(server.remote("/a.tar.gz", make_tar((member, b"1")), target=".", is_archive=True), tmp_path)
    (tmp_path / "usual").touch()
    found, usual = path.stat(), (tmp_path / "usual").stat()
    assert (found.st_mode, found.st_uid) == (usual.st_mode, usual.st_uid)
    assert found.st_mtime > 1e9


@pytest.mark.parametrize("name", ["../outside", "batches/../../outside", "/outside", "..\\outside", "c:outside"])
def test_an_archive_that_leaves_its_folder_is_refused(server: Server, tmp_path: Path, name: str) -> None:
    body = make_tar((tarfile.TarInfo("batches/one"), b"1"), (tarfile.TarInfo(name), b"evil"))
    remote = server.remote("/a.tar.gz", body, target=".", is_archive=True)
    with pytest.raises(DataFileError, match=r"would write outside its folder: member .*Nothing was unpacked"):
        fetch(remote, tmp_path / "root")
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_an_archive_with_links_is_refused(server: Server, tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("batches")
    link.type, link.linkname = kind, "/"
    remote = server.remote("/a.tar.gz", make_tar((link, b"")), target=".", is_archive=True)
    with pytest.raises(DataFileError, match=r"member 'batches' is a link or a device. Nothing was unpacked"):
        fetch(remote, tmp_path)
    assert files_below(tmp_path) == []


def test_a_damaged_archive_leaves_nothing(server: Server, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(9000)
    whole = make_tar((tarfile.TarInfo("one"), b"1" * 99), (tarfile.TarInfo("two"), content))
    for number, body in enumerate((whole[:5000], whole[:60], b"no archive", b"")):
        remote = server.remote(f"/{number}.tar.gz", body, target=".", is_archive=True)
        with pytest.raises(DataFileError, match=r"(?s)cannot be unpacked in .*Download it again, and check that the"):
            fetch(remote, tmp_path)
        assert files_below(tmp_path) == []


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`name` must be one of 'mnist'.*'scifar', .*; got 'digits'"):
        download("digits", tmp_path)


def test_the_published_table_is_well_formed() -> None:
    assert {name for name, entry in DATASETS.items() if entry.downloads} == {
        *("smnist", "psmnist", "scifar", "cifar10-patches", "cifar10-columns", "lra-image")
    }
    for name, entry in DATASETS.items():
        elsewhere = (entry.package, entry.page, entry.generate)
        assert bool(entry.downloads) == all(source is None for source in elsewhere), name
        for remote in entry.downloads:
            assert remote.url.startswith("https://")
            assert len(bytes.fromhex(remote.sha256)) == 32
            assert not Path(remote.target).is_absolute()


def test_published_names_stand_for_what_is_made_from_them() -> None:
    for name, entry in (("mnist", "smnist"), ("cifar10", "scifar")):
        assert _downloads()[name] == _downloads()[entry] == DATASETS[entry].downloads
