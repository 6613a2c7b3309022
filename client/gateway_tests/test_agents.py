"""An agent with the official Python SDK of the Model Context Protocol."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from test_jobs import clip

TOOLS = {
    *["search_videos", "list_videos", "get_video", "get_frame", "start_job", "list_jobs"],
    *["job_status", "job_result", "pause_job", "resume_job", "stop_job", "cancel_job"],
    *["list_programs", "list_adapters"],
}


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
            for tool in ("pause_job", "resume_job", "stop_job", "cancel_job"):
                assert (await call(tool, id=job["id"]))["id"] == job["id"]
            unknown = await session.call_tool("job_status", {"id": "nothing"})
            assert unknown.is_error


def test_all_tools(gateway: str, tmp_path: Path) -> None:
    asyncio.run(agent(gateway, clip(tmp_path / "agent.mp4", 3)))
