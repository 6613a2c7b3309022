"""Checkpoints: directories that are complete or missing."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .fault import Input

MANIFEST = "manifest.json"
VERSION = 1


@dataclass(frozen=True)
class Head:
    """The fields of a manifest besides its files."""

    job: str
    step: int
    best_step: int
    tokens: int


def name(step: int) -> str:
    """The path of a checkpoint, relative to the work_dir."""
    return f"checkpoints/{step:08d}"


def write(work_dir: Path, head: Head, fill: Callable[[Path], None]) -> str:
    """Make a checkpoint from the files that fill writes and return its name.

    It is written under another name, synced, hashed and renamed, so that a process that is
    killed at any moment leaves no incomplete checkpoint under the final name.
    """
    final = work_dir / name(head.step)
    draft = final.with_name(f".{final.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    fill(draft)
    files = []
    for path in sorted(p for p in draft.rglob("*") if p.is_file()):
        sync(path)
        relative = path.relative_to(draft).as_posix()
        files.append({"name": relative, "size": path.stat().st_size, "sha256": digest(path)})
    files.sort(key=lambda f: f["name"])
    document = {"version": VERSION, **vars(head), "files": files}
    (draft / MANIFEST).write_text(json.dumps(document, indent=1) + "\n")
    sync(draft / MANIFEST)
    for folder in [p for p in draft.rglob("*") if p.is_dir()] + [draft]:
        sync(folder)
    shutil.rmtree(final, ignore_errors=True)  # of a killed process that reached this step
    draft.rename(final)
    sync(final.parent)
    return name(head.step)


def verify(folder: Path, job: str, needed: list[str]) -> dict[str, Any]:
    """The manifest of a checkpoint whose files all match it.

    Raises fault.Input that names the file that is not; the caller then resumes from an
    older one.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {f["name"]: (f["size"], f["sha256"]) for f in manifest["files"]}
        version, owner, _ = manifest["version"], manifest["job"], int(manifest["step"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Input(f"resume: {folder / MANIFEST} is broken: {e}") from e
    if version != VERSION:
        raise Input(f"resume: {folder} has version {version!r}, this trainer reads {VERSION}")
    if owner != job:
        raise Input(f"resume: {folder} belongs to job {owner!r}, this is {job!r}")
    if missing := [n for n in needed if n not in files]:
        raise Input(f"resume: {folder / MANIFEST} does not name {missing[0]}")
    for relative, (size, sha256) in files.items():
        _verify_file(folder, relative, size, sha256)
    return manifest


def _verify_file(folder: Path, relative: str, size: int, sha256: str) -> None:
    path = folder / relative
    parts = Path(relative).parts
    if not parts or Path(relative).is_absolute() or ".." in parts or path.is_symlink():
        raise Input(f"resume: {folder / MANIFEST} names {relative!r}, which is outside of it")
    try:
        found = path.stat().st_size
        if found != size:
            raise Input(f"resume: {path} has {found} bytes, its manifest says {size}")
        if digest(path) != sha256:
            raise Input(f"resume: {path} has another SHA-256 than its manifest says")
    except OSError as e:
        raise Input(f"resume: {path} cannot be read: {e}") from e


def digest(path: Path) -> str:
    """SHA-256 of a file in lower-case hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Make a file or a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(source: Path, target: Path) -> None:
    """Copy a folder's files, with hard links if the disk supports them.

    The files of best/ and evals/ are replaced, never written into, so a checkpoint keeps
    what it had.
    """
    for path in (p for p in source.rglob("*") if p.is_file()):
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, to)
        except OSError:
            shutil.copyfile(path, to)
