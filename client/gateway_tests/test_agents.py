"""An agent with the official Python SDK of the Model Context Protocol."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from stack import BIN, Servers, listener
from test_jobs import clip

TOOLS = {
    *["search_videos", "list_videos", "get_video", "get_frame", "start_job", "list_jobs"],
    *["job_status", "job_result", "pause_job", "resume_job", "stop_job", "cancel_job"],
    *["list_programs", "list_adapters"],
}
STEERING = ("pause_job", "resume_job", "stop_job", "cancel_job")


async def agent(url: str, film: Path) -> None:
    async with streamable_http_client(url + "/mcp") as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            await session.initialize()
            assert {tool.name for tool in (await session.list_tools()).tools} == TOOLS

            async def call(tool: str, **arguments: Any) -> Any:
                result = await session.call_tool(tool, arguments)
                assert not result.is_error, (tool, result.content)
                if result.content[0].type == "image":
                    return result.content[0]
                return json.loads(result.content[0].text)

            job = await call("start_job", type="ingest-video", input={"uri": str(film)})
            done = await call("job_result", id=job["id"], wait="60s")
            assert (await call("job_status", id=job["id"]))["state"] == "completed"
            sheet = (await call("get_video", video=done["video"]))["sheet"]
            frame = await call("get_frame", video=done["video"], frame=str(sheet[0]["pts_ms"]))
            assert frame.mime_type == "image/jpeg" and frame.data
            assert any(v["video"] == done["video"] for v in (await call("list_videos"))["videos"])
            assert (await call("search_videos", q="harbour"))["videos"]
            assert "programs" in await call("list_programs")
            assert "adapters" in await call("list_adapters")
            assert "jobs" in await call("list_jobs")

            rows = [{"prompt": f"{i}?", "chosen": "yes", "rejected": "no"} for i in range(20)]
            waits = {"base_model": "tiny/llama", "dataset": {"rows": rows}, "gpu": ["h100"]}
            job = await call("start_job", type="train-dpo", input={"name": "agent", **waits})
            for tool in STEERING:
                assert (await call(tool, id=job["id"]))["id"] == job["id"]
            unknown = await session.call_tool("job_status", {"id": "nothing"})
            assert unknown.is_error


def test_all_tools(gateway: str, tmp_path: Path) -> None:
    asyncio.run(agent(gateway, clip(tmp_path / "agent.mp4", 3)))


@asynccontextmanager
async def connected(url: str, key: str) -> AsyncIterator[ClientSession]:
    """A session of an agent with a key; an empty one is not sent."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with streamable_http_client(url + "/mcp", http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                yield session


async def told(session: ClientSession, tool: str, **arguments: Any) -> Any:
    """The document that a tool returns, or the text of its failure."""
    result = await session.call_tool(tool, arguments)
    text = result.content[0].text
    return text if result.is_error else json.loads(text)


async def two_tenants(url: str, first: str, second: str) -> None:
    pairs = [{"prompt": f"{i}?", "chosen": "yes", "rejected": "no"} for i in range(20)]
    waits = {"base_model": "tiny/llama", "dataset": {"rows": pairs}, "gpu": ["h100"]}
    given = {"type": "train-dpo", "input": {"name": "keyed", **waits}}
    async with connected(url, first) as acme, connected(url, second) as other:
        for session in (acme, other):
            await session.initialize()
            assert {tool.name for tool in (await session.list_tools()).tools} == TOOLS
        job = await told(acme, "start_job", **given)
        assert (await told(acme, "job_status", id=job["id"]))["state"] == "running"

        # The other tenant is answered as if there were no such job, and changes nothing.
        for tool in ("job_status", "job_result", *STEERING):
            foreign = await told(other, tool, id=job["id"])
            missing = await told(other, tool, id="nothing")
            assert isinstance(foreign, str) and foreign == missing.replace("nothing", job["id"])
        for tool in ("list_jobs", "list_videos", "list_programs", "list_adapters"):
            (rows,) = [v for v in (await told(other, tool)).values() if isinstance(v, list)]
            assert rows == [], tool
        named = {**given, "input": {**given["input"], "tenant": "acme"}}  # type: ignore[dict-item]
        assert "tenant" in await told(other, "start_job", **named)
        # Its own job of the same input is another one.
        own = await told(other, "start_job", **given)
        assert own["id"] != job["id"] and not own["attached"]
        assert isinstance(await told(acme, "job_status", id=own["id"]), str)

        for session, mine in ((acme, job), (other, own)):
            assert (await told(session, "job_status", id=mine["id"]))["state"] == "running"
            assert (await told(session, "cancel_job", id=mine["id"]))["id"] == mine["id"]


async def refused(url: str, key: str) -> None:
    async with connected(url, key) as session:
        with pytest.raises(MCPError):
            await session.initialize()


def test_keys(gateway: str, servers: Servers) -> None:
    url = listener(servers, "stack", "keyed")

    def create(tenant: str) -> str:
        command = [str(BIN / "cogflow"), "keys", "create", "--tenant", tenant, "--name", "agent"]
        config = {"COGNIVERSE_CONFIG": str(servers.folder / "stack.json")}
        done = subprocess.run(
            command,
            cwd=servers.folder,
            env={**os.environ, **config, "COGFLOW_TELEMETRY": "off"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    asyncio.run(two_tenants(url, create("acme"), create("other")))
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    for key, why in {"": "a key is required", "cfk_wrong": "the key is unknown"}.items():
        asyncio.run(refused(url, key))
        headers = {**accept, "Authorization": f"Bearer {key}"} if key else accept
        answer = httpx.post(url + "/mcp", json=listing, headers=headers)
        assert answer.status_code == 401 and why in answer.json()["error"]["message"], answer.text
