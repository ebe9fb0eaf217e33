"""One market's depth updates, put into the order in which they may be applied.

The venue numbers every change of a book. A frame carries the numbers ``first_id..last_id``; the next frame starts at
``last_id + 1``, and nothing is ever repeated, so a hole can only be mended by a fresh snapshot.

1. After a (re)connect or a hole the market is WAITING: updates are kept, none is released.
2. A snapshot at ``id`` makes it LIVE if the kept updates continue it; kept updates up to ``id`` are dropped.
3. A snapshot that the kept updates do not continue, or that is older than what was already released, is refused. Only
   if it is older again and again has the venue begun to count anew (a local exchange does when it is restarted).
4. LIVE: an update that ends at or before ours is dropped; one that starts at or before ours + 1 is released (levels are
   absolute, so an overlap is harmless); any other is a hole.

Source: api-doc/NOTES.md, "Depth".
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from .wire import DepthSnapshot, DepthUpdate

# More than a minute of a very busy market; a snapshot that takes longer finds the oldest gone and is asked for again.
MAX_WAITING_UPDATES = 10_000
# So many snapshots may be older than what was shown before that is no longer REST lagging the stream: at the pace of
# asking (0.2 s, 0.4 s, 0.8 s ...) about 6 s.
MAX_OLDER_SNAPSHOTS = 5


class Do(Enum):
    """What to do with an update: ``APPLY`` it, ``NOTHING``, or ask for a snapshot (``RESYNC``)."""

    APPLY = auto()
    NOTHING = auto()
    RESYNC = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with a snapshot: apply it (if it is here), then ``updates``; ``resync`` asks for another one."""

    snapshot: DepthSnapshot | None = None
    updates: list[DepthUpdate] = field(default_factory=list)
    resync: bool = False


class Sequencer:
    def __init__(self) -> None:
        self._last_id: int | None = None  # of the live book; None while waiting
        self._released_id = -1  # the newest id ever released
        self._waiting: deque[DepthUpdate] = deque(maxlen=MAX_WAITING_UPDATES)
        self._older_snapshots = 0  # refused since the last reset

    @property
    def is_live(self) -> bool:
        return self._last_id is not None

    @property
    def released_id(self) -> int:
        """The newest update id handed out, -1 before the first."""
        return self._released_id

    def reset(self) -> None:
        """A new connection: nothing that was kept can be trusted to be contiguous."""
        self._last_id = None
        self._waiting.clear()
        self._older_snapshots = 0

    def on_update(self, update: DepthUpdate) -> Do:
        if self._last_id is None:
            self._waiting.append(update)
            return Do.NOTHING
        if update.last_id <= self._last_id:
            return Do.NOTHING
        if update.first_id <= self._last_id + 1:
            self._last_id = self._released_id = update.last_id
            return Do.APPLY
        self.reset()
        self._waiting.append(update)
        return Do.RESYNC

    def on_snapshot(self, snapshot: DepthSnapshot) -> Step:
        if self._last_id is not None:
            return Step()  # asked for during a hole that another snapshot has already closed
        newer = []
        last_id = snapshot.last_id
        for update in self._waiting:
            if update.last_id <= last_id:
                continue
            if update.first_id > last_id + 1:
                return Step(resync=True)
            newer.append(update)
            last_id = update.last_id
        if last_id < self._released_id and self._older_snapshots < MAX_OLDER_SNAPSHOTS:
            self._older_snapshots += 1
            return Step(resync=True)  # REST may lag the stream: do not step back behind what was shown
        self._waiting.clear()
        self._last_id = self._released_id = last_id
        return Step(snapshot=snapshot, updates=newer)
