"""Runs the Python blocks of a page, in order, as one program.

python document.py PAGE REPLACEMENTS: REPLACEMENTS is a JSON object of the values that a reader
replaces, such as URLs. A failure names the line of the page. All lines must run, so that an example
whose loop has nothing to do is a failure, too.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, replacements: dict[str, str]) -> Iterator[str]:
    """The blocks, each behind as many empty lines as are in front of it in the page."""
    text = Path(page).read_text()
    used = set()
    for found in BLOCK.finditer(text):
        block = found[1]
        for old, new in replacements.items():
            used |= {old} if old in block else set()
            block = block.replace(old, new)
        yield "\n" * text.count("\n", 0, found.start(1)) + block
    assert used == set(replacements), f"the page lacks {set(replacements) - used}"


def lines(code: CodeType) -> set[int]:
    """The lines of a block, with those of functions."""
    inner = [lines(c) for c in code.co_consts if isinstance(c, CodeType)]
    return {n for _, _, n in code.co_lines() if n}.union(*inner)


def run(page: str, replacements: dict[str, str]) -> int:
    """Run the blocks; the result is their number."""
    ran: set[int] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != page:
            return None
        if event == "line":
            ran.add(frame.f_lineno)
        return trace

    variables: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for block in blocks(page, replacements):
        code = compile(block, page, "exec")
        sys.settrace(trace)
        try:
            exec(code, variables)
        finally:
            sys.settrace(None)
        missing = sorted(lines(code) - ran)
        assert not missing, f"{page}: lines {missing} did not run"
        count += 1
    return count


if __name__ == "__main__":
    print(run(sys.argv[1], json.loads(sys.argv[2])), "blocks")
