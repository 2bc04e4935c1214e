"""The official SDKs on the same bodies, where they are installed (``pip install .[bench]``)."""

from __future__ import annotations

from importlib.util import find_spec

from tests.benchmarks.measure import Way


def peers(url: str) -> dict[str, Way]:
    """Give the ways of those that are installed."""
    ways: dict[str, Way] = {}
    if find_spec("openai"):
        ways["openai, official SDK"] = lambda: _openai(url)
    if find_spec("anthropic"):
        ways["anthropic, official SDK"] = lambda: _anthropic(url)
    return ways


async def _openai(url: str) -> int:
    import openai

    count = 0
    async with openai.AsyncOpenAI(api_key="sk-none", base_url=f"{url}/openai") as client:
        stream = await client.chat.completions.create(
            model="gpt-4.1", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        async for _ in stream:
            count += 1
    return count


async def _anthropic(url: str) -> int:
    import anthropic

    count = 0
    async with anthropic.AsyncAnthropic(api_key="sk-none", base_url=f"{url}/anthropic") as client:
        stream = await client.messages.create(
            model="claude-sonnet-5-5",
            max_tokens=1024,
            messages=[{"role": "user", "content": "Hello"}],
            stream=True,
        )
        async for _ in stream:
            count += 1
    return count
