"""Errors, and which requests are sent again."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Clock
from server import Got, Say, Server, failure

import cogflow_client as c


@pytest.mark.parametrize(
    ("status", "code", "kind", "error_class"),
    [
        (400, "invalid_request", c.InvalidRequestError, "input"),
        (401, "invalid_api_key", c.AuthenticationError, "auth"),
        (403, "wrong_tenant", c.PermissionDeniedError, "auth"),
        (404, "job_not_found", c.NotFoundError, "input"),
        (409, "job_ended", c.InvalidRequestError, "input"),
        (422, "idempotency_key_reused", c.InvalidRequestError, "input"),
        (500, "internal_error", c.ServerError, ""),
    ],
)
def test_errors(
    client: Any,
    server: Server,
    clock: Clock,
    status: int,
    code: str,
    kind: type[c.APIError],
    error_class: str,
) -> None:
    server.script(failure(status, code, "what to do"))
    with pytest.raises(kind, match=r"what to do \(request req_1\)") as e:
        client.job("j").status()
    assert (e.value.status, e.value.code, e.value.error_class) == (status, code, error_class)
    assert e.value.request_id == "req_1"
    assert not clock.slept, "no retry helps"


def test_budget_is_not_retried(client: Any, server: Server, clock: Clock) -> None:
    server.script(failure(429, "insufficient_quota", X_Should_Retry="false"))
    with pytest.raises(c.BudgetError) as e:
        client.job("j").status()
    assert e.value.error_class == "budget" and not clock.slept


def test_waits_as_told(client: Any, server: Server, clock: Clock) -> None:
    server.script(
        failure(429, Retry_After="3"),
        failure(503, Retry_After="11"),
        failure(502),
        Say({"id": "j", "state": "running", "event": 1}),
    )
    client.job("j").status()
    assert clock.slept == [3.0, 11.0, 1.0]


def test_gives_up_in_time(client: Any, server: Server, clock: Clock) -> None:
    server.answer = lambda _: failure(503, "draining")
    with pytest.raises(c.ServerError):
        client.job("j").status()
    assert 50 < clock.now <= 60
    clock.slept.clear()
    server.answer = lambda _: failure(503, "draining", Retry_After="3600")
    with pytest.raises(c.ServerError) as e:
        client.job("j").status()
    assert e.value.retry_after == 3600 and not clock.slept, "not a wait that cannot succeed"


def test_a_cut_answer(client: Any, server: Server, clock: Clock) -> None:
    status = {"id": "j", "state": "running", "event": 1}
    server.script(Say(status, cut=True), Say(status))
    assert client.job("j").status() == status
    assert len(clock.slept) == 1


def test_no_gateway(clock: Clock) -> None:
    with c.Client("http://127.0.0.1:1") as client:
        client._policy = clock.policy(5)
        client._driver.sleep = clock.sleep  # type: ignore[method-assign]
        with pytest.raises(c.ConnectionFailedError, match="check that cogflow-gateway runs") as e:
            client.job("j").stop()
        assert e.value.error_class == "transport"
        assert clock.slept, "it was not sent, so it is sent again"


def test_another_server(client: Any, server: Server) -> None:
    server.script(Say(b"<html>nginx</html>", 404), Say(b"<html>"), Say({"jobs": []}))
    with pytest.raises(c.InvalidResponseError, match="nginx"):
        client.job("j").status()
    with pytest.raises(c.InvalidResponseError, match="not a JSON object"):
        client.job("j").status()
    with pytest.raises(c.InvalidResponseError, match="has no field 'id'"):
        client.job("j").status()


def test_redirects_do_not_carry_the_key(client: Any, server: Server) -> None:
    server.answer = lambda _: Say({}, 307, {"Location": server.url + "/elsewhere"})
    with pytest.raises(c.InvalidResponseError):
        client.job("j").status()
    assert len(server.got) == 1


def test_settings(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("COGFLOW_URL", server.url + "/")
    monkeypatch.setenv("COGFLOW_API_KEY", "key-2")
    server.script(Say({"jobs": []}))
    with c.Client() as client:
        assert list(client.jobs()) == []
    got: Got = server.got[0]
    assert (got.path, got.headers["authorization"]) == ("/jobs?limit=100", "Bearer key-2")
    with pytest.raises(ValueError, match="must be that of a gateway"):
        c.Client("127.0.0.1:8090")
