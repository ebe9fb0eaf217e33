"""Scenario files: faults by the clock, and one clear sentence for everything that makes no sense."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hummingbot.connector.exchange.backpack.simulator import __main__ as program
from hummingbot.connector.exchange.backpack.simulator.faults.scenario import (
    BadScenario,
    play,
    scenario_from,
    scenario_of,
)
from test.hummingbot.connector.exchange.backpack.simulator.trader import Trader, until


def step(**more: Any) -> dict[str, Any]:
    return {"at_s": 0, "fault": "rate_limited"} | more


async def test_faults_come_and_go_by_the_clock(alice: Trader, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sim = alice.sim
    sim.clock.freeze()
    scenario = scenario_of({
        "steps": [
            step(at_s=30, fault="server_error", parameters={"status": 503}, match={"path": "/api/v1/time"}, count=1),
            step(at_s=10, for_s=5.5, match={"path": "/api/v1/time"}),
            step(at_s=10, for_s=20, fault="latency", parameters={"seconds": 0}, probability=0.5, seed=9),
        ]
    })  # fmt: skip
    playing = asyncio.create_task(play(scenario, sim.faults, sim.clock))
    await asyncio.sleep(0)  # its time begins when it does

    async def after(seconds: float, armed: list[str]) -> int:
        """The status of a call that much later, once these faults are armed."""
        sim.clock.advance(seconds)
        await until(lambda: sorted(one.fault.name for one in sim.faults) == armed)
        return (await alice.get("/api/v1/time")).status

    assert await after(9.0, []) == 200
    assert await after(1.0, ["latency", "rate_limited"]) == 429
    assert [(one.probability, one.seed) for one in sim.faults if one.fault.name == "latency"] == [(0.5, 9)]
    assert await after(5.0, ["latency", "rate_limited"]) == 429
    assert await after(0.5, ["latency"]) == 200
    assert await after(14.5, ["server_error"]) == 503
    assert await after(0.0, ["server_error"]) == 200, "it was armed for one call"
    await asyncio.wait_for(playing, 5)
    assert "scenario, 15.5 s: rate_limited cleared, fired 2 times" in caplog.messages


async def test_a_scenario_can_be_played_twice(alice: Trader) -> None:
    scenario = scenario_of({"steps": [step(fault="reorder")]})
    for _ in range(2):
        await play(scenario, alice.sim.faults, alice.sim.clock)
    first, second = alice.sim.faults
    assert first.fault is not second.fault


@pytest.mark.parametrize(
    "content, complaint",
    [
        pytest.param([], 'expected an object with a list of "steps"', id="a list"),
        pytest.param({"steps": {}}, 'expected an object with a list of "steps"', id="steps are no list"),
        pytest.param({"steps": []}, "expected at least one step", id="nothing to do"),
        pytest.param({"steps": [step()], "seed": 1}, 'expected "steps" and nothing else, was \'seed\'', id="more"),
        pytest.param({"steps": [step(), 7]}, "step 2: expected an object, was 7", id="a step is no object"),
        pytest.param(
            {"steps": [step(when=3)]},
            "step 1: expected keys among at_s, for_s, fault, parameters, count, probability, seed, match, was 'when'",
            id="unknown key",
        ),
        pytest.param(
            {"steps": [{"fault": "huge"}]}, "step 1: expected at_s in seconds of 0 or more, was None", id="no time"
        ),
        pytest.param(
            {"steps": [step(at_s="1")]}, "step 1: expected at_s in seconds of 0 or more, was '1'", id="text for time"
        ),
        pytest.param(
            {"steps": [step(at_s=float("nan"))]}, "step 1: expected at_s in seconds of 0 or more, was nan", id="nan"
        ),
        pytest.param(
            {"steps": [step(for_s=-1)]}, "step 1: expected for_s in seconds of 0 or more, was -1", id="ends too early"
        ),
        pytest.param({"steps": [step(for_s=0)]}, "step 1: expected for_s above 0, was 0", id="takes no time"),
        pytest.param({"steps": [step(fault="gremlin")]}, "step 1: expected one of the faults ", id="unknown"),
        pytest.param({"steps": [{"at_s": 1}]}, "step 1: expected fault as text, ", id="no fault"),
        pytest.param(
            {"steps": [step(parameters={"x": 1})]},
            "step 1: rate_limited: expected parameters among (none), was 'x'", id="unknown parameter",
        ),
        pytest.param(
            {"steps": [step(fault="restart", parameters={"seconds": "5"})]},
            "step 1: restart: expected seconds to be of type float, was '5'", id="parameter of another type",
        ),
        pytest.param(
            {"steps": [step(match={"color": "red"})]},
            "step 1: expected match to hold text under account, method, path, stream, symbol, was color='red'",
            id="unknown match",
        ),
        pytest.param({"steps": [step(count=0)]}, "step 1: expected a count of at least 1, was 0", id="count"),
        pytest.param({"steps": [step(count=1.5)]}, "step 1: expected count as a whole number, was 1.5", id="half"),
        pytest.param({"steps": [step(seed="x")]}, "step 1: expected seed as a whole number, was 'x'", id="seed"),
        pytest.param(
            {"steps": [step(probability=2)]}, "step 1: expected a probability above 0 and up to 1, was 2", id="sure"
        ),
        pytest.param(
            {"steps": [step(probability="often")]}, "step 1: expected probability as a number, was 'often'", id="often"
        ),
    ],
)  # fmt: skip
def test_scenarios_that_make_no_sense(content: Any, complaint: str) -> None:
    with pytest.raises(BadScenario) as error:
        scenario_of(content)
    assert str(error.value).startswith(complaint)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, complaint",
    [
        pytest.param(None, "cannot read the scenario {path}: No such file or directory", id="no file"),
        pytest.param("steps: []", "expected JSON in {path}: Expecting value", id="not JSON"),
        pytest.param("[" * 100_000, "expected JSON in {path}: ", id="too deep"),
        pytest.param('{"steps": []}', "{path}: expected at least one step", id="no sense"),
        pytest.param('{"steps": [{"at_s": 1, "fault": "gremlin"}]}', "{path}: step 1: expected one of", id="gremlin"),
    ],
)
def test_the_program_refuses_a_bad_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, complaint: str
) -> None:
    path = tmp_path / "scenario.json"
    if text is not None:
        path.write_text(text)
    assert program.main(["--port", "0", "--market", "none", "--scenario", str(path)]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: " + complaint.format(path=path))
    assert (out, err.count("\n")) == ("", 1), "one sentence and nothing else"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadScenario, match="expected JSON in"):
        scenario_from(path)


def test_the_program_plays_a_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"steps": [step(for_s=0.1)]}))

    async def watch(sim: Any, over: asyncio.Event) -> None:
        await until(lambda: bool(sim.faults))
        await until(lambda: not sim.faults)

    monkeypatch.setattr(program, "_show_progress", watch)
    caplog.set_level(logging.INFO)
    assert program.main(["--port", "0", "--market", "none", "--scenario", str(path)]) == 0
    assert "scenario, 0.1 s: rate_limited cleared, fired 0 times" in caplog.messages
