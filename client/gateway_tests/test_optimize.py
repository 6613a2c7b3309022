"""Optimization of prompts with a model that computes, by the Python client."""

from __future__ import annotations

from typing import Any

from halls import INSTRUCTIONS, PROGRAM, examples

from cogflow_client import Client, Job


def started(client: Client) -> Job[Any]:
    return client.optimize_prompts(
        program=PROGRAM,
        trainset=examples(1000, 24),
        auto="none",
        num_candidates=2,
        num_trials=2,
        minibatch=False,
        max_bootstrapped_demos=1,
        max_labeled_demos=1,
    )


def test_optimize(gateway: str, endpoints: dict[str, Any]) -> None:
    with Client(gateway) as client:
        job = started(client)
        result = job.result()
        assert result["status"] == "optimized" and result["program"] == "halls", result
        assert result["version"] == 1 and result["trials"] >= 2 and result["calls"] > 24
        assert 0 < result["default_score"] <= 100 and 0 < result["score"] <= 100, result
        students = [u for u in result.get("unusable", []) if u["role"] == "student"]
        assert sum(u["answers"] for u in students) < result["calls"], "the model answers"
        assert job.status()["state"] == "completed"
        report = job.report().decode()
        assert "<html" in report and "halls" in report and INSTRUCTIONS in report

        listed = [p for p in client.list_programs()["programs"] if p["name"] == "halls"]
        assert [p["version"] for p in listed] == [1]
        shown = client.show_program(name="halls", version=1)
        assert shown["job"] == result["job"] and shown["workflow"] == job.id
        assert shown["models"]["student"] == endpoints["chat"]["models"][0]
        assert shown["score"] == result["score"]

        # Too few rows to confirm that it is better: it is activated by force.
        client.promote_program(name="halls", version=1, force=True)
        active = client.show_program(name="halls")
        assert (active["version"], active["status"]) == (1, "active")
        (predictor,) = active["program"]["predictors"]
        assert predictor["instructions"]

        # The same call again does no work.
        again = started(client).result()
        assert (again["status"], again["version"]) == ("unchanged", 1)
