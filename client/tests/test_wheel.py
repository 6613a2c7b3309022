"""The wheel has the package with its types, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def test_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as z:
        names = z.namelist()
        metadata = z.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    package = {n for n in names if n.startswith("cogflow_client/")}
    files = [p for p in (PROJECT / "src/cogflow_client").rglob("*") if p.is_file()]
    source = {str(p.relative_to(PROJECT / "src")) for p in files if p.suffix != ".pyc"}
    assert package == source and "cogflow_client/py.typed" in package
    assert all(n.startswith(("cogflow_client/", "cogflow_client-")) for n in names)
    assert "Requires-Python: >=3.10" in metadata
