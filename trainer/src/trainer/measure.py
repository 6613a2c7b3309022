"""Counts the tokens of a dataset as training would, without weights and without a GPU, and finds
what is wrong with its rows."""

import dataclasses

from . import data, findings
from .events import Events
from .fault import Input
from .job import Job
from .method import ERROR, Row, Stats, load

# Rows that are tokenized. The counts of a larger dataset are those of every second, third …
# row, multiplied: their error is far below a percent.
MOST = 50_000


def run(job: Job, events: Events) -> None:
    """Write the event data, and end."""
    events.phase("load")
    train, held_out = data.read(job)
    method = load(job)
    events.phase("data")
    some, held = every(train), every(held_out)
    found, held_found = method.findings(some), method.findings(held)
    reports = findings.grouped("train", found, step(train))
    reports += findings.grouped("eval", held_found, step(held_out))
    events.write("findings", findings=reports)
    if any(f.code == findings.REFUSED for f in (*found, *held_found)):
        events.write("done", step=0, best_step=0, path="output", metrics={})
        return  # training would end there too
    try:
        stats = scaled(method.prepare(some, held), len(train), len(held_out))
        events.write("data", data={**dataclasses.asdict(stats), "steps_per_epoch": 0})
    except Input:
        if len({f.row for f in found if f.severity == ERROR}) < len(some):
            raise  # otherwise the findings say it, row by row
    events.write("done", step=0, best_step=0, path="output", metrics={})


def every(rows: list[Row]) -> list[Row]:
    """At most MOST rows, evenly spread."""
    return rows[:: step(rows)]


def step(rows: list[Row]) -> int:
    """The distance of the rows that every returns."""
    return max(1, -(-len(rows) // MOST))


def scaled(s: Stats, rows: int, eval_rows: int) -> Stats:
    """The counts of all rows from those of some."""
    if (s.rows, s.eval_rows) == (rows, eval_rows):
        return s
    factor, held = rows / s.rows, eval_rows / max(1, s.eval_rows)
    return dataclasses.replace(
        s,
        rows=rows,
        eval_rows=eval_rows,
        sampled=s.rows,
        tokens=round(s.tokens * factor),
        eval_tokens=round(s.eval_tokens * held),
        truncated=round(s.truncated * factor),
        dropped=round(s.dropped * factor),
        eval_dropped=round(s.eval_dropped * held),
    )
