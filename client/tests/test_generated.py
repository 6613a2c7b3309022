"""The generated modules are current, and every type of the package is one."""

from __future__ import annotations

import sys
import typing
from pathlib import Path

from cogflow_client import inputs, results, starts

PROJECT = Path(__file__).parent.parent
sys.path.append(str(PROJECT))


def words(text: str) -> str:
    """A module without its layout: ruff breaks lines, adds commas and joins strings."""
    return "".join(text.split()).replace(",)", ")").replace(",}", "}").replace("#", "")


def test_current() -> None:
    import generate

    for name, text in generate.generated().items():
        now = (PROJECT / "src" / "cogflow_client" / name).read_text()
        assert words(now) == words(text), f"{name}: run python generate.py and make fmt"


def test_types_can_be_read() -> None:
    for module in (inputs, results):
        for name, value in vars(module).items():
            if typing_is_dict(value):
                assert typing.get_type_hints(value) is not None, name
    assert inputs.TrainInput.__annotations__.keys() >= {"base_model", "dataset", "gpu"}
    assert "tenant" not in inputs.TrainInput.__annotations__
    assert callable(starts.Starts.optimize_prompts)


def typing_is_dict(value: object) -> bool:
    return isinstance(value, type) and hasattr(value, "__total__")
