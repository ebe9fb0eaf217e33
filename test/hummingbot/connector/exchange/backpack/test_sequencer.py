"""Depth updates in the venue's order, or a request for a snapshot: the rules as rows, the promise as a property."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.sequencer import (
    MAX_OLDER_SNAPSHOTS,
    MAX_WAITING_UPDATES,
    Do,
    Sequencer,
    Step,
)
from hummingbot.connector.exchange.backpack.wire import DepthSnapshot, DepthUpdate, Level, Symbol

SOL = Symbol("SOL_USDC")


def update(first_id: int, last_id: int, bids: list[Level] | None = None) -> DepthUpdate:
    return DepthUpdate(0, first_id, [], bids or [], SOL, last_id)


def snapshot(last_id: int, bids: list[Level] | None = None) -> DepthSnapshot:
    return DepthSnapshot(last_id, bids or [], [])


def ids(step: Step) -> list[tuple[int, int]]:
    return [(ready.first_id, ready.last_id) for ready in step.updates]


# fmt: off
@pytest.mark.parametrize("updates, released, resync", [
    pytest.param([(101, 101), (102, 105)], [101, 105], False, id="contiguous updates pass"),
    pytest.param([(99, 103)],              [103],      False, id="straddles the snapshot: accepted"),
    pytest.param([(95, 100)],              [],         False, id="ends at the snapshot: old news"),
    pytest.param([(90, 95), (101, 101)],   [101],      False, id="old news does not disturb"),
    pytest.param([(101, 102), (101, 102)], [102],      False, id="the same again: once"),
    pytest.param([(101, 102), (102, 103)], [102, 103], False, id="an overlap is harmless, levels are absolute"),
    pytest.param([(102, 102)],             [],         True,  id="a hole of one id: resync"),
    pytest.param([(101, 101), (103, 104)], [101],      True,  id="a hole later: resync"),
    pytest.param([(102, 102), (101, 101)], [],         True,  id="swapped: resync, nothing is guessed"),
    pytest.param([(1001, 1002)],           [],         True,  id="far ahead: resync"),
])
def test_after_a_snapshot_at_100(updates, released, resync):
    sequencer = Sequencer()
    assert sequencer.on_snapshot(snapshot(100)).snapshot == snapshot(100)
    told = [sequencer.on_update(update(*ids)) for ids in updates]
    assert [last_id for (_, last_id), do in zip(updates, told, strict=True) if do is Do.APPLY] == released
    assert (Do.RESYNC in told) == resync
    assert sequencer.is_live != resync


@pytest.mark.parametrize("waiting, snapshot_id, released", [
    pytest.param([],                                100, [],         id="nothing has come yet"),
    pytest.param([(99, 99), (100, 100)],            100, [],         id="all of it is in the snapshot"),
    pytest.param([(100, 100), (101, 101)],          100, [101],      id="what the snapshot has is dropped"),
    pytest.param([(101, 101), (102, 104)],          100, [101, 104], id="continues the snapshot"),
    pytest.param([(98, 102)],                       100, [102],      id="straddles the snapshot"),
    pytest.param([(102, 102)],                      100, None,       id="a snapshot older than the stream: refused"),
    pytest.param([(99, 99), (102, 102)],            100, None,       id="a hole after the snapshot: refused"),
    pytest.param([(98, 98), (100, 101)],            100, [101],      id="a hole before the snapshot is mended by it"),
    pytest.param([(101, 101), (103, 103)],          100, None,       id="a hole among what waits: refused"),
    pytest.param([(101, 101), (102, 102), (101, 101)], 100, [101, 102], id="a repeated update is not applied again"),
    pytest.param([(101, 104), (102, 102)],          100, [104],      id="nor one that a longer one contains"),
])
# fmt: on
def test_while_waiting(waiting, snapshot_id, released):
    sequencer = Sequencer()
    for one in waiting:
        assert sequencer.on_update(update(*one)) is Do.NOTHING, "nothing is released before a snapshot"
    step = sequencer.on_snapshot(snapshot(snapshot_id))
    if released is None:
        assert step == Step(resync=True)
        assert not sequencer.is_live
    else:
        assert step.snapshot == snapshot(snapshot_id)
        assert [ready.last_id for ready in step.updates] == released
        assert sequencer.is_live and not step.resync
        assert sequencer.released_id == max([snapshot_id, *released])


def test_after_a_refused_snapshot_the_next_one_still_finds_what_waited():
    sequencer = Sequencer()
    sequencer.on_update(update(105, 105))
    assert sequencer.on_snapshot(snapshot(100)).resync
    sequencer.on_update(update(106, 106))
    assert ids(sequencer.on_snapshot(snapshot(104))) == [(105, 105), (106, 106)]


def test_the_update_after_a_hole_waits_for_the_snapshot():
    sequencer = Sequencer()
    sequencer.on_snapshot(snapshot(100))
    assert sequencer.on_update(update(103, 103)) is Do.RESYNC
    assert ids(sequencer.on_snapshot(snapshot(102))) == [(103, 103)]


def test_one_hole_asks_once():
    sequencer = Sequencer()
    sequencer.on_snapshot(snapshot(100))
    assert sequencer.on_update(update(102, 102)) is Do.RESYNC
    assert sequencer.on_update(update(104, 104)) is Do.NOTHING


def test_a_snapshot_for_a_live_book_changes_nothing():
    sequencer = Sequencer()
    sequencer.on_snapshot(snapshot(100))
    sequencer.on_update(update(101, 101))
    assert sequencer.on_snapshot(snapshot(200)) == Step()
    assert sequencer.released_id == 101


def test_after_a_reconnect_nothing_is_released_before_a_snapshot():
    sequencer = Sequencer()
    sequencer.on_snapshot(snapshot(100))
    sequencer.reset()
    assert not sequencer.is_live
    assert sequencer.on_update(update(101, 101)) is Do.NOTHING
    assert ids(sequencer.on_snapshot(snapshot(100))) == [(101, 101)]


def test_what_waited_on_the_old_connection_is_forgotten():
    sequencer = Sequencer()
    sequencer.on_update(update(101, 101))
    sequencer.reset()
    assert ids(sequencer.on_snapshot(snapshot(100))) == []


@pytest.mark.parametrize("waiting", [[], [(96, 97)]])
def test_a_snapshot_never_steps_back_behind_what_was_shown(waiting):
    """REST may lag the stream: between the two, a market order would hit levels that are gone."""
    sequencer = Sequencer()
    sequencer.on_snapshot(snapshot(100))
    sequencer.reset()
    for one in waiting:
        sequencer.on_update(update(*one))
    assert sequencer.on_snapshot(snapshot(95)) == Step(resync=True)
    assert sequencer.on_snapshot(snapshot(100)).snapshot == snapshot(100)


def test_a_venue_that_counts_anew_is_believed_after_several_older_snapshots():
    sequencer = Sequencer()
    sequencer.on_snapshot(snapshot(100))
    sequencer.reset()
    sequencer.on_update(update(8, 8))
    for _ in range(MAX_OLDER_SNAPSHOTS):
        assert sequencer.on_snapshot(snapshot(7)) == Step(resync=True), "REST may be behind"
    step = sequencer.on_snapshot(snapshot(7))
    assert step.snapshot == snapshot(7)
    assert [one.last_id for one in step.updates] == [8]
    assert sequencer.is_live and sequencer.released_id == 8


def test_waiting_is_bounded_and_loses_the_oldest():
    sequencer = Sequencer()
    for number in range(1, MAX_WAITING_UPDATES + 2):
        sequencer.on_update(update(number, number))
    assert sequencer.on_snapshot(snapshot(0)).resync, "update 1 is gone"
    assert len(sequencer.on_snapshot(snapshot(1)).updates) == MAX_WAITING_UPDATES


# -- the promise: what was released, applied in its order, is the venue's book ----------------------------------------

PRICES = [float(price) for price in range(1, 6)]


@dataclass
class Venue:
    """A book whose every change has a number; ``history[id]`` is the book at that id."""

    history: list[dict[float, float]] = field(default_factory=lambda: [{}])
    changes: list[float] = field(default_factory=lambda: [0.0])  # the price of each

    def change(self, price: float, size: float) -> None:
        self.history.append(applied(self.history[-1], [Level(price, size)]))
        self.changes.append(price)

    @property
    def last_id(self) -> int:
        return len(self.history) - 1

    def snapshot(self, last_id: int) -> DepthSnapshot:
        return snapshot(last_id, [Level(*level) for level in self.history[last_id].items()])

    def update(self, first_id: int, last_id: int) -> DepthUpdate:
        """All changes first..last in one frame: of each level that changed, where it stands at the end."""
        touched = sorted(set(self.changes[first_id : last_id + 1]))
        return update(first_id, last_id, [Level(price, self.history[last_id].get(price, 0.0)) for price in touched])


def applied(book: dict[float, float], levels: list[Level]) -> dict[float, float]:
    new = book | {level.price: level.amount for level in levels}
    return {price: size for price, size in new.items() if size}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["faithful", "lossy", "unruly"]))
def test_a_live_book_is_the_venues_book(seed, stream):
    """Random changes, frames of one or several, snapshots that lag or run ahead, reconnects; lossy drops frames, unruly
    repeats and swaps them as well."""
    dice = random.Random(seed)
    venue, sequencer = Venue(), Sequencer()
    sent: list[DepthUpdate] = []
    unsent_from = 1
    book: dict[float, float] = {}
    shown_id = -1
    for _ in range(120):
        before_id = sequencer.released_id
        step = Step()
        match dice.choices(["change", "frame", "snapshot", "reconnect"], [50, 50, 12, 2])[0]:
            case "change":
                venue.change(dice.choice(PRICES), dice.choice([0.0, 1.0, 2.0, 3.0]))
            case "frame" if unsent_from <= venue.last_id:
                last_id = dice.randint(unsent_from, min(venue.last_id, unsent_from + 3))
                frame = venue.update(unsent_from, last_id)
                unsent_from = last_id + 1
                sent.append(frame)
                if stream != "faithful" and dice.random() < 0.1:
                    continue
                if stream == "unruly" and dice.random() < 0.2:
                    frame = dice.choice(sent[-4:])
                if sequencer.on_update(frame) is Do.APPLY:
                    step = Step(updates=[frame])
            case "snapshot":
                step = sequencer.on_snapshot(venue.snapshot(dice.randint(max(0, venue.last_id - 6), venue.last_id)))
            case "reconnect":
                sequencer.reset()
                unsent_from = venue.last_id + 1
        if step.snapshot is not None:
            book, shown_id = applied({}, step.snapshot.bids), step.snapshot.last_id
        for ready in step.updates:
            assert ready.first_id <= shown_id + 1 <= ready.last_id, "released ids are contiguous"
            book, shown_id = applied(book, ready.bids), ready.last_id
        assert sequencer.released_id >= before_id, "what was shown is never taken back"
        if step.snapshot is not None or step.updates:
            assert shown_id == sequencer.released_id
            assert book == venue.history[shown_id]
    if not sequencer.is_live:  # and it always comes back to life
        assert not sequencer.on_snapshot(venue.snapshot(venue.last_id)).resync
