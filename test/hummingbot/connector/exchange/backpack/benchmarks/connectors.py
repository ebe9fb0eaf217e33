"""All that has to be known about the inside of a connector to measure it, one small function each, for both kinds.

A connector is ours (or of our kind) if its constants know a local exchange; any other is taken to be built as the one
that Hummingbot ships. Whoever changes the inside of ours looks here.
"""

import importlib
import importlib.util
import inspect
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest

OURS = "hummingbot.connector.exchange.backpack.backpack_exchange.BackpackExchange"
BUILTIN = "builtin"


class UnknownConnector(ValueError):
    """What was named is no connector for Backpack; the text says why."""


class Subject:
    """A connector class, by import path."""

    def __init__(self, path: str) -> None:
        """Raises UnknownConnector."""
        module, _, name = (OURS if path == BUILTIN else path).rpartition(".")
        try:
            self.connector_class = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UnknownConnector(f"expected a class like {OURS}, was {path!r} ({error})") from error
        self.file = inspect.getfile(self.connector_class)
        self._package = _package_of_backpack(self.connector_class)
        self.constants = importlib.import_module(f"{self._package}.backpack_constants")
        self.is_ours = hasattr(self.constants, "LOCAL_DOMAIN")

    @contextmanager
    def at(self, rest_url: str, ws_url: str) -> Iterator[None]:
        """It finds its exchange at these addresses."""
        with ExitStack() as patches:
            if self.is_ours:
                patches.enter_context(patch.dict(os.environ, {"BACKPACK_LOCAL_URL": rest_url}))
            else:
                patches.enter_context(patch.object(self.constants, "REST_URL", f"{rest_url}/"))
                patches.enter_context(patch.object(self.constants, "WSS_URL", ws_url))
            yield

    def connector(self, api_key: str, api_secret: str, pairs: list[str]) -> Any:
        return self.connector_class(
            backpack_api_key=api_key,
            backpack_api_secret=api_secret,
            trading_pairs=pairs,
            domain=self.constants.LOCAL_DOMAIN if self.is_ours else "exchange",
        )

    # -- market data ---------------------------------------------------------------------------------------------------

    def decode_snapshot(self, connector: Any, pair: str, raw: bytes) -> Any:
        """The bytes of ``GET /depth`` as what ``apply_snapshot`` takes; for the built-in, aiohttp reads their JSON."""
        if self.is_ours:
            wire = importlib.import_module(f"{self._package}.wire")
            return wire.read_depth_snapshot(raw, "snapshot")
        book_module = importlib.import_module(f"{self._package}.backpack_order_book")
        return book_module.BackpackOrderBook.snapshot_message_from_exchange(
            json.loads(raw.decode()), time.time(), metadata={"trading_pair": pair}
        )

    async def fetch_snapshot(self, connector: Any, pair: str) -> Any:
        """The same by the data source's own request."""
        if self.is_ours:
            return await connector._orderbook_ds._snapshot(pair.replace("-", "_"))
        return await connector._orderbook_ds._order_book_snapshot(pair)

    def apply_snapshot(self, connector: Any, book: Any, snapshot: Any, pair: str) -> None:
        if self.is_ours:
            importlib.import_module(f"{self._package}.backpack_api_order_book_data_source")._replace(book, snapshot)
        else:
            book.apply_snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)

    # -- signing -------------------------------------------------------------------------------------------------------

    def order_signer(self, connector: Any, body: dict[str, Any]) -> Callable[[], Any]:
        """Makes the signature of this order's request: the text and what signs it, not the look at the clock."""
        if self.is_ours:
            clock = SimpleNamespace(time=lambda: 1_700_000_000.0)
            auth = type(connector._auth)(connector._api_key, connector._api_secret, time_provider=clock)
            return lambda: auth._signed("orderExecute", body)
        return lambda: connector._auth.generate_signature(body, 1_700_000_000_000, 5000, "orderExecute")

    def order_request(self, connector: Any, body: dict[str, Any]) -> RESTRequest:
        """As it is handed to ``rest_authenticate``."""
        if self.is_ours:
            url = connector._web_assistants_factory.venue.rest_url + self.constants.PLACE_ORDER.path
        else:
            url = f"{self.constants.REST_URL}{self.constants.ORDER_PATH_URL}"
            body = {"instruction": "orderExecute"} | body
        return RESTRequest(
            method=RESTMethod.POST,
            url=url,
            data=json.dumps(body),
            headers={"Content-Type": "application/json"},
            is_auth_required=True,
        )

    # -- account -------------------------------------------------------------------------------------------------------

    def hear(self, connector: Any, frame: dict[str, Any]) -> None:
        """A frame of the private stream, right after it was read."""
        connector._user_stream_tracker.user_stream.put_nowait(frame)

    # -- the rate budget -----------------------------------------------------------------------------------------------

    def limit_ids(self) -> SimpleNamespace:
        """Which limits an order, a cancel and a query draw on."""
        constants = self.constants
        if self.is_ours:
            return SimpleNamespace(
                order=constants.PLACE_ORDER.limit_id,
                cancel=constants.CANCEL_ORDER.limit_id,
                query=constants.OPEN_ORDERS.limit_id,
            )
        order = constants.ORDER_PATH_URL
        return SimpleNamespace(order=order, cancel=order, query=constants.BALANCE_PATH_URL)

    def throttler(self, connector: Any, interval_s: float | None = None) -> Any:
        """A new one as the connector's own; with ``interval_s`` its windows are that long."""
        limits = [
            RateLimit(limit.limit_id, limit.limit, interval_s or limit.time_interval, limit.weight, limit.linked_limits)
            for limit in connector.rate_limits_rules
        ]
        return type(connector._throttler)(limits)

    async def fill(self, throttler: Any, limit_id: str, requests: int) -> None:
        """So many requests at once. Hummingbot's throttler would take seconds for its checks, which are left out."""
        for _ in range(requests):
            context = throttler.execute_task(limit_id)
            if hasattr(context, "_log_acquired_task"):
                context._log_acquired_task()
            else:
                async with context:
                    pass

    def unlimited(self, connector: Any) -> None:
        """Where requests are counted and not timed, the budget of a minute must not make it a matter of minutes."""
        throttler = connector._throttler
        throttler.set_rate_limits([
            RateLimit(limit.limit_id, 10**9, 0.001, limit.weight, limit.linked_limits)
            for limit in connector.rate_limits_rules
        ])  # fmt: skip


def _package_of_backpack(connector_class: type) -> str:
    """The package that a connector class, or the one it extends, is written in."""
    for base in inspect.getmro(connector_class):
        package = base.__module__.rpartition(".")[0]
        if package and importlib.util.find_spec(f"{package}.backpack_constants"):
            return package
    raise UnknownConnector(f"expected a connector for Backpack, {connector_class.__name__} is none")


# -- books: alike in all connectors -----------------------------------------------------------------------------------


def applied_id(book: Any) -> int:
    """The update that the book stands at; -1 before the first."""
    return max(book.last_diff_uid, book.snapshot_uid)


def shown_levels(book: Any) -> tuple[dict[Decimal, float], dict[Decimal, float]]:
    bids, asks = (
        {Decimal(str(row.price)): row.amount for row in side} for side in (book.bid_entries(), book.ask_entries())
    )
    return bids, asks


def note_updates(connector: Any) -> None:
    """From now on new books note, as ``book.applied``, when (CLOCK_MONOTONIC) they have applied which update."""
    source = connector._orderbook_ds
    plain = type(source.order_book_create_function())

    def apply_and_note(self: Any, bids: Any, asks: Any, update_id: int) -> None:
        plain.apply_diffs(self, bids, asks, update_id)
        self.applied.append((update_id, time.monotonic()))

    def first(self: Any, *arguments: Any) -> None:
        plain.__init__(self, *arguments)
        self.applied = []

    members = {"__init__": first, "apply_diffs": apply_and_note}
    source._order_book_create_function = type("NotingOrderBook", (plain,), members)


@contextmanager
def no_waiting_between_pairs() -> Iterator[None]:
    """Hummingbot's tracker sleeps a second after each pair's first snapshot. Where the start is not what is measured,
    nobody waits for it."""

    async def no_sleep(delay: float) -> None:
        return None

    with patch.object(OrderBookTracker, "_sleep", staticmethod(no_sleep)):
        yield


def own_orders(connector: Any) -> Iterable[Any]:
    return list(connector.in_flight_orders.values())
