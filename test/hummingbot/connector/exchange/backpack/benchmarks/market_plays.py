"""Market data: the cost of an update, its delay under load, snapshots, memory."""

import asyncio
import math
import time
from typing import Any

from test.hummingbot.connector.exchange.backpack.benchmarks import connectors
from test.hummingbot.connector.exchange.backpack.benchmarks.host import forked
from test.hummingbot.connector.exchange.backpack.benchmarks.plays import Call, Figures, play
from test.hummingbot.connector.exchange.backpack.benchmarks.stage import (
    AFTER_S,
    PAIR,
    CheckFailed,
    Stage,
    cpu_s,
    resident_mb,
)

SMALL = {"levels": (1, 5), "depth": 100}
MIDDLE = {"levels": (20, 20), "depth": 100}
LARGE = {"levels": (200, 200), "depth": 400, "cycle": 200}
# A queue that is longer than this when the sender stops is a backlog.
BACKLOG_S = 0.1
IN_TIME_S = 0.1
RATES = 11  # up to 256,000 a second, unless the sender gives up before


class SenderTooSlow(CheckFailed):
    """It is the sender that cannot keep up."""


@play()
async def depth_small(call: Call) -> Figures:
    return await _cost_of_updates(call, SMALL, messages=20_000, figure="depth_small_us")


@play()
async def depth_middle(call: Call) -> Figures:
    return await _cost_of_updates(call, MIDDLE, messages=5_000 if call.short else 20_000, figure="depth_middle_us")


@play()
async def depth_large(call: Call) -> Figures:
    return await _cost_of_updates(call, LARGE, messages=1_000 if call.short else 4_000, figure="depth_large_us")


async def _cost_of_updates(call: Call, shape: dict[str, Any], messages: int, figure: str) -> Figures:
    """CPU of one update from the socket to the book, as fast as they come."""
    async with Stage(call.subject, call.office, feeds=[shape]) as stage:
        await stage.bench("counters")
        await flood(stage, messages // 10)  # warm
        used_s = await flood(stage, messages)
        await check_all_used(stage)
        return {figure: used_s / messages * 1e6}


async def check_all_used(stage: Stage) -> None:
    """The books are the sender's, and by the updates alone."""
    snapshots = (await stage.bench("counters"))["requests"].get("GET /api/v1/depth", 0)
    if snapshots:
        raise CheckFailed(f"expected the updates to be enough for the books, {snapshots} snapshots were asked for")
    await stage.check_books()


async def flood(stage: Stage, messages: int, timeout_s: float = 100.0) -> float:
    """Seconds of CPU until every book has applied the last update."""
    last_ids = await stage.bench("flood", messages=messages, afterSeconds=AFTER_S)
    books = {symbol: stage.connector.order_books[symbol.replace("_", "-")] for symbol in last_ids}
    began_s = cpu_s()
    await stage.until(
        lambda: all(connectors.applied_id(book) >= last_ids[symbol] for symbol, book in books.items()),
        timeout_s,
        lambda: _behind(books, last_ids),
    )
    return cpu_s() - began_s


def _behind(books: dict[str, Any], last_ids: dict[str, int]) -> str:
    behind = {symbol: last_ids[symbol] - connectors.applied_id(book) for symbol, book in books.items()}
    worst = max(behind, key=lambda symbol: behind[symbol])
    return f"all updates applied ({worst} is {behind[worst]} behind)"


@play(rounds=3)
async def latency(call: Call) -> Figures:
    """Delay of an update from the sender's socket to the book, at 10,000 a second over 50 pairs."""
    async with Stage(call.subject, call.office, markets=50, feeds=[SMALL], prepare=connectors.note_updates) as stage:
        await paced(stage, 2_000, 1.0)  # warm
        await stage.bench("counters")
        delays_s, backlog_s, late_s = await paced(stage, 10_000, 2.0 if call.short else 10.0)
        await check_all_used(stage)
        return {
            "latency_p50_ms": _quantile(delays_s, 0.5) * 1e3,
            "latency_p99_ms": _quantile(delays_s, 0.99) * 1e3,
            "latency_max_ms": delays_s[-1] * 1e3,
            "latency_backlog_ms": backlog_s * 1e3,
            "latency_sender_late_ms": late_s * 1e3,
        }


@play(rounds=2, full_only=True, patience_s=600)
async def throughput(call: Call) -> Figures:
    """The highest rate over 50 pairs, doubled from 250 a second, that leaves no backlog, and with p99 up to 100 ms."""
    async with Stage(call.subject, call.office, markets=50, feeds=[SMALL], prepare=connectors.note_updates) as stage:
        await paced(stage, 500, 1.0)
        without_backlog = in_time = 0
        for rate in (250 * 2**doubled for doubled in range(RATES)):
            try:
                delays_s, backlog_s, _ = await paced(stage, rate, 5.0)
            except SenderTooSlow:
                break
            if backlog_s > BACKLOG_S:
                break
            without_backlog = rate
            if _quantile(delays_s, 0.99) <= IN_TIME_S:
                in_time = rate
        await stage.check_books()
        return {"throughput_per_s": without_backlog, "throughput_in_time_per_s": in_time}


async def paced(stage: Stage, rate: float, seconds: float) -> tuple[list[float], float, float]:
    """The delays, ascending; how long after the last update left the last one was applied; and by how much the sender
    itself was late at most, which tells of a busy machine."""
    books = {symbol: stage.connector.order_books[symbol.replace("_", "-")] for symbol in stage.symbols}
    for book in books.values():
        book.applied.clear()
    last_ids = await stage.bench("pace", rate=rate, seconds=seconds, afterSeconds=AFTER_S)
    await stage.until(
        lambda: all(connectors.applied_id(book) >= last_ids[symbol] for symbol, book in books.items()),
        seconds * 10 + 20,
        lambda: _behind(books, last_ids),
        step_s=0.05,
    )
    sent = await stage.bench("sent")
    if sent["seconds"] > seconds * 1.1:
        raise SenderTooSlow(f"the sender took {sent['seconds']:.1f} s for {seconds:.1f} s of messages")
    delays_s = []
    for symbol, book in books.items():
        first_id, left_s = sent["first_ids"][symbol], sent["left_s"][symbol]
        if [update_id for update_id, _ in book.applied] != list(range(first_id, first_id + len(left_s))):
            raise CheckFailed(
                f"{symbol}: expected updates {first_id} to {first_id + len(left_s) - 1} to be applied in order, "
                f"each once; {len(book.applied)} were noted"
            )
        delays_s += [at_s - left for (_, at_s), left in zip(book.applied, left_s, strict=True)]
    last_left_s = max(times[-1] for times in sent["left_s"].values())
    last_applied_s = max(book.applied[-1][1] for book in books.values())
    return sorted(delays_s), last_applied_s - last_left_s, sent["latest_s"]


def _quantile(ascending: list[float], part: float) -> float:
    return ascending[min(len(ascending) - 1, math.ceil(len(ascending) * part))]


@play()
async def snapshot(call: Call) -> Figures:
    """A book of 1000 and 5000 levels a side: from the bytes of the answer to the book; the former also with its
    request, as the connector makes it."""
    figures = {}
    for depth in (1_000, 5_000):
        feeds = [{"levels": (1, 1), "depth": depth, "cycle": 1}]
        async with Stage(call.subject, call.office, feeds=feeds) as stage:
            raw = await _raw_snapshot(stage)
            book = stage.connector._orderbook_ds.order_book_create_function()
            times = 5 if call.short else 20
            used_s = _cpu_of_decoding(stage, book, raw, times)
            await stage.check_book(PAIR, book)
            figures[f"snapshot_{depth}_ms"] = used_s * 1e3
            if depth == 1_000:
                figures["snapshot_request_ms"] = await _cpu_of_fetching(stage, book, times) * 1e3
                await stage.check_book(PAIR, book)
    return figures


async def _raw_snapshot(stage: Stage) -> bytes:
    return await stage.read("/api/v1/depth", symbol=stage.symbols[0])


def _cpu_of_decoding(stage: Stage, book: Any, raw: bytes, times: int) -> float:
    used_s = []
    for _ in range(times):
        began_s = cpu_s()
        decoded = stage.subject.decode_snapshot(stage.connector, PAIR, raw)
        stage.subject.apply_snapshot(stage.connector, book, decoded, PAIR)
        used_s.append(cpu_s() - began_s)
    return sorted(used_s)[times // 2]


async def _cpu_of_fetching(stage: Stage, book: Any, times: int) -> float:
    used_s = []
    for _ in range(times):
        began_s = cpu_s()
        fetched = await stage.subject.fetch_snapshot(stage.connector, PAIR)
        stage.subject.apply_snapshot(stage.connector, book, fetched, PAIR)
        used_s.append(cpu_s() - began_s)
    return sorted(used_s)[times // 2]


@play(rounds=3)
def memory(call: Call) -> Figures:
    """What one more pair takes, a book of 100 levels a side and some hundred updates included."""
    small, large = (forked(lambda pairs=pairs: asyncio.run(_resident(call, pairs))) for pairs in (1, 50))
    return {"memory_pair_kb": (large - small) / 49 * 1e3, "memory_50_pairs_mb": large}


async def _resident(call: Call, pairs: int) -> float:
    async with Stage(call.subject, call.office, markets=pairs, feeds=[SMALL]) as stage:
        await flood(stage, 200 * pairs)
        await stage.check_books()
        return resident_mb()


@play(rounds=1, full_only=True, patience_s=3_600)
async def growth(call: Call) -> Figures:
    """What stays in memory of 10 million updates, once buffers have found their size in 3 million before; of 1 million
    after 1 for the built-in, which takes too long."""
    warm, millions = (3, 13) if call.subject.is_ours else (1, 2)
    async with Stage(call.subject, call.office, feeds=[SMALL]) as stage:
        sizes_mb = []
        for _ in range(millions):
            for _ in range(10):  # so that no queue grows out of what is measured
                await flood(stage, 100_000, timeout_s=300)
            sizes_mb.append(resident_mb())
        await stage.check_books()
        return {"growth_mb": sizes_mb[-1] - sizes_mb[warm - 1], "growth_warm_mb": sizes_mb[warm - 1] - sizes_mb[0]}


@play(rounds=3, together=True)
async def start(call: Call) -> Figures:
    """From the clock's start until ready."""
    pairs = 5 if call.short else 50
    async with Stage(call.subject, call.office, markets=pairs, feeds=[SMALL], wait=False) as stage:
        began_s = time.monotonic()
        await stage.until(lambda: stage.connector.ready, 100, stage.not_ready)
        took_s = time.monotonic() - began_s
        await stage.check_books()
        return {"start_s": took_s}
