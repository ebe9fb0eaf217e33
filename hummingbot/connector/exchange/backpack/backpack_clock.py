"""The venue's clock, as Hummingbot reckons it, for every request to read."""

from hummingbot.connector.time_synchronizer import TimeSynchronizer


class VenueClock(TimeSynchronizer):
    """Works out the offset when a sample comes, not at every look. Without samples it tells this machine's time."""

    def __init__(self) -> None:
        super().__init__()
        self._offset_ms: float | None = None

    @property
    def time_offset_ms(self) -> float:
        if self._offset_ms is None:
            return (self._time() - self._current_seconds_counter()) * 1e3
        return self._offset_ms

    def add_time_offset_ms_sample(self, offset: float) -> None:
        super().add_time_offset_ms_sample(offset)
        self._offset_ms = float(super().time_offset_ms)

    def clear_time_offset_ms_samples(self) -> None:
        super().clear_time_offset_ms_samples()
        self._offset_ms = None
