"""Uploads go on where they broke, and downloads are checked."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from server import Got, Say, Server, failure

import cogflow_client as c
from cogflow_client import _uploads

CONTENT = bytes(range(256)) * 10
SHA = hashlib.sha256(CONTENT).hexdigest()


class Uploads:
    """The upload routes of the gateway, as its documentation has them."""

    def __init__(self) -> None:
        self.stored = b""
        self.complete = False
        self.cuts: list[int] = []  # bytes of a piece that arrive before the connection breaks
        self.begun = 0

    def state(self) -> dict[str, Any]:
        out: dict[str, Any] = {"offset": len(self.stored), "complete": self.complete}
        return {**out, "uri": "upload://x/f"} if self.complete else {**out, "id": "u1"}

    def __call__(self, got: Got) -> Say:
        if got.method == "POST":
            assert got.json == {"name": "f", "size": len(CONTENT), "sha256": SHA}
            self.begun += 1
            return Say(self.state(), 201)
        if self.complete:
            return failure(404, "upload_not_found")
        if got.method == "GET":
            return Say(self.state())
        if int(got.headers["upload-offset"]) != len(self.stored):
            return failure(409, "wrong_offset")
        cut = self.cuts.pop(0) if self.cuts else None
        self.stored += got.body[:cut]
        self.complete = self.stored == CONTENT
        return Say(self.state(), cut=cut is not None)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_uploads, "PIECE", 1000)


@pytest.mark.parametrize("cuts", [[], [10, 0, 500, 1000]], ids=["whole", "cut"])
def test_upload(client: Any, server: Server, tmp_path: Path, cuts: list[int]) -> None:
    server.answer = uploads = Uploads()
    uploads.cuts = list(cuts)
    (tmp_path / "f").write_bytes(CONTENT)
    done = client.upload(tmp_path / "f")
    assert done == {"uri": "upload://x/f", "sha256": SHA, "size": len(CONTENT)}
    assert uploads.stored == CONTENT and uploads.begun == 1
    sent = len(server.got)
    assert client.upload(CONTENT, name="f") == done
    assert len(server.got) == sent + 1, "it is stored already"


def test_the_last_answer_is_lost(client: Any, server: Server) -> None:
    server.answer = uploads = Uploads()
    uploads.stored = CONTENT[:2000]
    uploads.cuts = [560]
    assert client.upload(io.BytesIO(CONTENT), name="f")["sha256"] == SHA
    assert uploads.begun == 2, "the upload is gone because it is complete"


def test_another_process_goes_on(client: Any, server: Server, tmp_path: Path) -> None:
    server.answer = uploads = Uploads()
    note = tmp_path / "note"
    refuse = failure(403, "wrong_tenant")
    server.answer = lambda got: refuse if len(uploads.stored) == 1000 else uploads(got)
    with pytest.raises(c.PermissionDeniedError):
        client.upload(CONTENT, name="f", resume=note)
    assert note.exists()
    server.answer = uploads
    client.upload(CONTENT, name="f", resume=note)
    assert uploads.begun == 1 and not note.exists()


def test_a_file_that_changes(client: Any, server: Server) -> None:
    server.script(
        Say({"id": "u", "offset": 0, "complete": False}), failure(422, "checksum_mismatch")
    )
    with pytest.raises(c.ChecksumError, match="changed while"):
        client.upload(b"abc", name="f")


def adapter(got: Got) -> Say:
    """The routes of one adapter."""
    if got.path.endswith("/result?wait=30.000s"):
        return Say({"adapter": "support", "version": 2, "metrics": {}})
    if got.path == "/adapters/support/2":
        one = {"name": "sub/w.bin", "size": len(CONTENT), "sha256": SHA}
        return Say({"name": "support", "version": 2, "files": [one]})
    assert got.path == "/adapters/support/2/files/sub/w.bin"
    return Say(CONTENT)


def test_download(client: Any, server: Server, tmp_path: Path) -> None:
    cuts = [Say(CONTENT[:300], cut=True)]
    server.answer = lambda g: cuts.pop() if cuts and "files" in g.path else adapter(g)
    to = tmp_path / "new" / "adapter"
    assert client.job("j").download(to) == to
    assert (to / "sub" / "w.bin").read_bytes() == CONTENT
    assert [p.name for p in to.parent.iterdir()] == ["adapter"]
    with pytest.raises(FileExistsError, match="never overwritten"):
        client.download_adapter("support", 2, to)
    (to / "stale").touch()
    client.download_adapter("support", 2, to, replace=True)
    assert [p.name for p in to.iterdir()] == ["sub"]
    assert [p.name for p in to.parent.iterdir()] == ["adapter"]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT[:5]])
def test_download_differs(client: Any, server: Server, tmp_path: Path, content: bytes) -> None:
    server.answer = lambda g: Say(content) if "files" in g.path else adapter(g)
    with pytest.raises(c.ChecksumError, match="nothing was kept"):
        client.download_adapter("support", 2, tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:x", "..\\x", ""])
def test_download_stays_in_its_directory(
    client: Any, server: Server, tmp_path: Path, name: str
) -> None:
    server.script(Say({"files": [{"name": name, "size": 1, "sha256": SHA}]}))
    with pytest.raises(c.InvalidResponseError, match="outside of its directory"):
        client.download_adapter("support", 2, tmp_path / "a")


@pytest.mark.parametrize("content", ["{", "[]", '{"id":"u1"}', "my notes"])
def test_another_file_is_no_note(client: Any, tmp_path: Path, content: str) -> None:
    note = tmp_path / "note"
    note.write_text(content)
    with pytest.raises(ValueError, match="not a note of an upload"):
        client.upload(CONTENT, name="f", resume=note)
    assert note.read_text() == content
