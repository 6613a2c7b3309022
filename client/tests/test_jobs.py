"""Starts, states, results and actions of jobs."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Clock
from server import Got, Say, Server, events, failure

from cogflow_client import (
    JobCanceledError,
    JobFailedError,
    NotFoundError,
    WaitTimeoutError,
)

STARTED = {
    "id": "a/b",
    "run_id": "r",
    "type": "TrainSFT",
    "state": "running",
    "ui": "u",
    "attached": False,
}


def state(event: int, name: str = "running", **more: Any) -> dict[str, Any]:
    return {"id": "a/b", "event": event, "state": name, **more}


def test_start(client: Any, server: Server) -> None:
    server.script(Say(STARTED, 202), Say({**STARTED, "attached": True}, 202), Say(state(1)))
    job = client.train_sft(base_model="m", dataset={"uri": "x"}, sft_config={"epochs": 1})
    assert job.id == "a/b" and not job.attached
    assert client.train_sft(base_model="m", idempotency_key="k").attached
    assert job.status()["state"] == "running"
    first, second, third = server.got
    assert (first.method, first.path) == ("POST", "/jobs/train-sft")
    assert first.headers["authorization"] == "Bearer key-1"
    assert "idempotency-key" not in first.headers, "the id is made of the input"
    assert first.json == {"base_model": "m", "dataset": {"uri": "x"}, "sft_config": {"epochs": 1}}
    assert second.headers["idempotency-key"] == "k"
    assert third.path == "/jobs/a%2Fb"


def test_answers_are_one_run(client: Any, server: Server, clock: Clock) -> None:
    """The retry of a question must not start a second run."""
    server.script(
        failure(503, "temporal_unavailable", Retry_After="7"), Say(STARTED, 202), Say({"hits": []})
    )
    assert client.search(query="a tram") == {"hits": []}
    keys = {got.headers.get("idempotency-key") for got in server.got[:2]}
    assert len(keys) == 1 and None not in keys
    assert clock.slept == [7.0]
    assert server.got[0].path == "/jobs/search-videos"


def test_list_reads_all_pages(client: Any, server: Server) -> None:
    server.script(
        Say({"jobs": [state(1), state(2)], "next_cursor": "n"}), Say({"jobs": [state(3)]})
    )
    assert [j["event"] for j in client.jobs(type="train-sft", state="running")] == [1, 2, 3]
    assert server.got[1].path == "/jobs?limit=100&type=train-sft&state=running&cursor=n"
    server.script(Say({"jobs": [state(1), state(2)], "next_cursor": "n"}))
    assert len(list(client.jobs(limit=2))) == 2


def test_events_go_on_after_the_last(client: Any, server: Server, clock: Clock) -> None:
    stream = {"Content-Type": "text/event-stream"}
    server.script(
        Say(events(state(1), state(2, note="\u0085\u2028")), 200, stream, cut=True),
        failure(503, "draining"),
        Say(events(state(3), state(4, "completed"), end=True), 200, stream),
    )
    seen = list(client.job("a/b").events())
    assert [e["event"] for e in seen] == [1, 2, 3, 4]
    assert seen[1]["note"] == "\u0085\u2028"
    assert [got.headers.get("last-event-id") for got in server.got] == [None, "2", "2"]
    assert clock.slept[0] == 0.01, "as long as the server said"


def test_an_error_event_is_no_end(client: Any, server: Server) -> None:
    stream = {"Content-Type": "text/event-stream"}
    broken = events(state(1)) + b"event: error\ndata: " + failure(503).raw + b"\n\n"
    server.script(Say(broken, 200, stream), Say(events(state(2, "failed"), end=True), 200, stream))
    assert client.job("j").wait()["state"] == "failed"


def test_events_without_streams(client: Any, server: Server) -> None:
    """A proxy that breaks streams does not break the client."""

    def answer(got: Got) -> Say:
        if got.headers["accept"] == "text/event-stream":
            return Say(b"", 200, {"Content-Type": "text/event-stream"}, cut=True)
        if "after=1" not in got.path:
            return Say({"events": [{"id": 1, "event": "state", "job": state(1)}], "next": 1})
        return Say({"events": [{"id": 2, "event": "end", "job": state(2, "completed")}], "next": 2})

    server.answer = answer
    assert [e["event"] for e in client.job("j").events()] == [1, 2]
    assert server.got[-1].path == "/jobs/j/events?wait=30.000s&after=1"


def test_result_waits(client: Any, server: Server, clock: Clock) -> None:
    unfinished = failure(409, "job_not_finished", Retry_After="1")
    server.script(unfinished, unfinished, Say({"adapter": "x"}))
    assert client.job("j").result() == {"adapter": "x"}
    assert server.got[0].path == "/jobs/j/result?wait=30.000s"

    def answer(_: Got) -> Say:
        clock.now += 30
        return unfinished

    server.answer = answer
    with pytest.raises(WaitTimeoutError, match="attaches"):
        client.job("j").result(timeout=45)


@pytest.mark.parametrize(
    ("state_name", "kind"), [("failed", JobFailedError), ("cancelled", JobCanceledError)]
)
def test_no_result(client: Any, server: Server, state_name: str, kind: type[Any]) -> None:
    error = {"class": "budget", "message": "too dear", "advice": "Pay more."}
    server.script(failure(409, "job_has_no_result"), Say(state(9, state_name, error=error)))
    with pytest.raises(kind, match=f"job j {state_name}: too dear. Pay more.") as e:
        client.job("j").result()
    assert (e.value.error_class, e.value.job_id, e.value.status) == ("budget", "j", state_name)


def test_actions(client: Any, server: Server) -> None:
    server.answer = lambda _: Say({"id": "j", "done": "x"}, 202)
    job = client.job("j")
    job.pause(), job.resume(), job.cancel(), job.stop()
    job.tune(budget_usd=0, concurrency=8)
    paths = [f"/jobs/j/{a}" for a in ("pause", "resume", "cancel", "stop", "tune")]
    assert [got.path for got in server.got] == paths
    assert server.got[-1].json == {"budget_usd": 0, "concurrency": 8}
    with pytest.raises(ValueError, match="set budget_usd"):
        job.tune()
    server.script(Say(b"<html>"))
    assert job.report() == b"<html>"
    server.script(failure(404, "job_not_found"))
    with pytest.raises(NotFoundError):
        job.status()


def test_stop_is_sent_once(client: Any, server: Server, clock: Clock) -> None:
    """A second stop skips the evaluation, so only a person may send it."""
    server.script(Say(b"", 202, cut=True))
    with pytest.raises(Exception, match="stop"):
        client.job("j").stop()
    assert len(server.got) == 1 and not clock.slept
