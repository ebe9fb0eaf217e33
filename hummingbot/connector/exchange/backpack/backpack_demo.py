"""Demo mode: an exchange of one's own inside this process, which follows the real market.

The connector trades on it as on any other, signing and sockets included; only its address is different. No key is
needed, and nothing leaves the machine but requests for public prices.
"""

import asyncio
import atexit
import base64
import fcntl
import logging
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from nacl.signing import SigningKey
from pydantic import BaseModel, ConfigDict, ValidationError

from hummingbot import data_path  # type: ignore[attr-defined]  # the repository's own folder of that name is not it
from hummingbot.connector.exchange.backpack.backpack_web_utils import Venue
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.listing import DEFAULT_MARKETS
from hummingbot.connector.exchange.backpack.simulator.market import MarketSource
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.mirror import Mirror, MirrorState, addresses_of
from hummingbot.connector.exchange.backpack.simulator.model import BalanceChanged, Event, Market, OrderStatus, Side
from hummingbot.connector.exchange.backpack.simulator.recording import Recorded, RecordingError
from hummingbot.connector.exchange.backpack.simulator.source_words import SourceError
from hummingbot.connector.exchange.backpack.simulator.state import AccountState, BadState, load, save, state_of
from hummingbot.connector.exchange.backpack.wire import Balance, symbol_of

ACCOUNT = "demo"
CONFIG_FILE = "backpack_demo.yml"  # in Hummingbot's ``conf``
STATE_FILE = "backpack_demo.json"  # in its ``data``
# What a base asset that the settings do not name begins with, in the quote asset.
WORTH_OF_OTHERS = Decimal(1000)
SAVE_EVERY_S = 2.0

logger = logging.getLogger(__name__)


class BadDemoSettings(ValueError):
    """The configuration of the demo cannot be used; the text says what is wrong with it."""


class DemoInUse(BadDemoSettings):
    """The account that is kept between runs belongs to one demo at a time."""


class DemoConfigMap(BaseModel):
    """What ``conf/backpack_demo.yml`` may say; its lines are explained in the file that an instance folder is given."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    source: str = "https://api.backpack.exchange"
    balances: str = "USDC=10000, SOL=50, BTC=0.1, ETH=2"
    maker_fee_bps: str = "8"
    taker_fee_bps: str = "10"
    keep: bool = True

    @classmethod
    def read(cls) -> "DemoConfigMap":
        """The file's, or the defaults if there is none. Raises BadDemoSettings."""
        from hummingbot.client.settings import CONF_DIR_PATH  # known once Hummingbot has started

        try:
            text = (Path(CONF_DIR_PATH) / CONFIG_FILE).read_text(encoding="utf-8")
            return cls.model_validate(yaml.safe_load(text) or {})
        except FileNotFoundError:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "the file"
            raise BadDemoSettings(f"{CONFIG_FILE}: {name}: {first['msg']}.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadDemoSettings(f"{CONFIG_FILE} cannot be read: {error}") from None


@dataclass(frozen=True)
class DemoSettings:
    """``source``: an address or a file. Fees in basis points. ``state`` is None if nothing is kept between runs."""

    source: str
    balances: Mapping[str, Decimal]
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    state: Path | None

    @classmethod
    def of(cls, config: DemoConfigMap) -> "DemoSettings":
        """Raises BadDemoSettings."""
        return cls(
            source=config.source.strip(),
            balances=dict(_balance(entry) for entry in config.balances.split(",") if entry.strip()),
            maker_fee_bps=_number(config.maker_fee_bps, "maker_fee_bps"),
            taker_fee_bps=_number(config.taker_fee_bps, "taker_fee_bps"),
            state=_state_file() if config.keep else None,
        )


def _balance(entry: str) -> tuple[str, Decimal]:
    asset, equals, amount = (part.strip() for part in entry.partition("="))
    if not equals or not asset:
        raise BadDemoSettings(f"{CONFIG_FILE}: balances: expected entries like USDC=10000, found {entry.strip()!r}.")
    number = _number(amount, f"balances, {asset}")
    if number < 0:
        raise BadDemoSettings(f"{CONFIG_FILE}: balances: expected {asset} of 0 or more, found {number}.")
    return asset, number


def _number(text: str, name: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise BadDemoSettings(f"{CONFIG_FILE}: {name}: expected a number, found {text!r}.")
    return number


def _state_file() -> Path:
    return Path(data_path()) / STATE_FILE


@contextmanager
def _claimed(state: Path) -> Iterator[None]:
    """Nobody else uses the kept account meanwhile. Raises DemoInUse."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with state.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoInUse("Another strategy trades on the demo account of this instance folder: stop it.") from None
        yield


def reset() -> bool:
    """Forget the account that was kept, so that the next run begins anew; False if none was. Raises DemoInUse."""
    state = _state_file()
    with _claimed(state):
        was_kept = state.exists()
        state.unlink(missing_ok=True)
    return was_kept


class DemoExchange:
    """The exchange inside. ``api_key`` and ``api_secret`` are made on the spot and good for nothing else.

    Without ``config``, ``conf/backpack_demo.yml`` is read when it is needed, so that a slip there hurts nothing else.
    """

    def __init__(self, config: DemoConfigMap | None, trading_pairs: Iterable[str]):
        seed = secrets.token_bytes(32)
        self.api_secret = base64.b64encode(seed).decode()
        self.api_key = base64.b64encode(bytes(SigningKey(seed).verify_key)).decode()
        self._config = config
        self._symbols = [symbol_of(trading_pair) for trading_pair in trading_pairs]
        self._opening: asyncio.Task[Venue] | None = None
        self._exchange: SimulatedBackpack | None = None
        self._closing = AsyncExitStack()
        self._opening_or_closing = asyncio.Lock()
        self._chores: list[asyncio.Task[None]] = []
        self._changed = False

    @property
    def is_running(self) -> bool:
        return self._exchange is not None

    def balances(self) -> list[Balance]:
        """What the account begins with, or has if another object runs it or ran it; without network.

        Raises BadDemoSettings.
        """
        settings = DemoSettings.of(self._config or DemoConfigMap.read())
        kept = self._kept(settings)
        locked: defaultdict[str, Decimal] = defaultdict(Decimal)
        for order in kept.orders if kept is not None else ():
            if order.status.is_open and order.price is not None:
                base, quote = order.symbol.split("_")
                is_buy = order.side is Side.BID
                locked[quote if is_buy else base] += order.remaining * (order.price if is_buy else 1)
        totals = kept.balances if kept is not None else settings.balances
        return [
            Balance(asset, available=total - locked[asset], locked=locked[asset], staked=Decimal(0))
            for asset, total in totals.items()
        ]

    async def start(self) -> Venue:
        """Where it listens. Waits for the source of prices to answer, and goes on trying if the caller gives up.

        Raises BadDemoSettings.
        """
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        try:
            return await asyncio.shield(self._opening)
        except Exception:
            self._opening = None
            raise

    async def stop(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
            self._opening = None
        async with self._opening_or_closing:  # Hummingbot may stop twice at once, and start again meanwhile
            for task in self._chores:
                task.cancel()
            await asyncio.gather(*self._chores, return_exceptions=True)
            self._chores = []
            if self._exchange is not None:
                self._keep()
                self._exchange = None
                await self._closing.aclose()

    async def _open(self) -> Venue:
        async with self._opening_or_closing, AsyncExitStack() as closing:
            venue = await self._open_with(closing)
            self._closing = closing.pop_all()
            return venue

    async def _open_with(self, closing: AsyncExitStack) -> Venue:
        settings = DemoSettings.of(self._config or DemoConfigMap.read())
        if settings.state is not None:
            closing.enter_context(_claimed(settings.state))
        market, markets = await self._market(settings.source)
        sim = SimulatedBackpack(market=market, markets=markets)
        kept = self._kept(settings)
        sim.add_account(
            kept.balances if kept is not None else settings.balances,
            name=ACCOUNT,
            secret=self.api_secret,
            maker_fee_bps=settings.maker_fee_bps,
            taker_fee_bps=settings.taker_fee_bps,
        )
        if kept is not None:
            self._restore(sim.exchange, kept)
        sim.exchange.listeners.append(self._on_events)
        try:
            await sim.start()
        except (OSError, RecordingError) as error:
            raise BadDemoSettings(
                f"{CONFIG_FILE}: source: expected an address or a recording, found {error}."
            ) from None
        closing.push_async_callback(sim.stop)
        while isinstance(market, Mirror) and market.status()["state"] != MirrorState.LIVE:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # it says itself in the log what it waits for
        self._exchange = sim
        self._settings = settings
        # hbot's process ends right after the last cancels, without waiting for the networks of its connectors to stop.
        atexit.register(self._keep)
        closing.callback(atexit.unregister, self._keep)
        self._chores = [asyncio.ensure_future(self._keep_up())]
        if kept is None:
            self._chores.append(asyncio.ensure_future(self._fund_others(sim.exchange)))
        logger.warning(
            "DEMO: orders go to an exchange inside this process, which follows %s. No real money is at stake.",
            settings.source,
        )
        return Venue(sim.rest_url, sim.ws_url)

    async def _market(self, source: str) -> tuple[MarketSource, Iterable[Market]]:
        """Who brings prices, and the markets to trade in."""
        if not source.startswith(("http://", "https://")):
            return Recorded(Path(source)), DEFAULT_MARKETS
        mirror = Mirror(*addresses_of(source), self._symbols)
        try:
            return mirror, await mirror.prepare()
        except SourceError as error:
            raise BadDemoSettings(f"{CONFIG_FILE}: source: {error}") from None

    @staticmethod
    def _restore(exchange: Exchange, kept: AccountState) -> None:
        """Orders of markets that are not traded this time are over; what they had locked is free."""
        for order in kept.orders:
            if order.symbol not in exchange.markets and order.status.is_open:
                order.status = OrderStatus.CANCELLED
        fills = [fill for fill in kept.fills if fill.symbol in exchange.markets]
        exchange.restore(ACCOUNT, kept.orders, fills)

    async def _fund_others(self, exchange: Exchange) -> None:
        """Base assets that the settings do not name begin with something, too, once there is a price for them."""
        waiting = {market.symbol: market for market in exchange.markets.values()}
        while waiting:
            for symbol, market in list(waiting.items()):
                if market.base in self._settings.balances:
                    del waiting[symbol]
                    continue
                ticker = exchange.book_ticker(symbol)
                if ticker.bid is not None and ticker.ask is not None:
                    amount = WORTH_OF_OTHERS / ticker.ask[0] // market.step_size * market.step_size
                    exchange.deposit(ACCOUNT, market.base, amount)
                    del waiting[symbol]
            await asyncio.sleep(0.5)

    # -- between runs --------------------------------------------------------------------------------------------------

    def _kept(self, settings: DemoSettings) -> AccountState | None:
        if settings.state is None or not settings.state.exists():
            return None
        try:
            return load(settings.state)
        except (BadState, OSError) as error:
            raise BadDemoSettings(f"The demo's saved account cannot be read. Remove the file: {error}.") from None

    def _on_events(self, events: Sequence[Event]) -> None:
        self._changed |= any(isinstance(event, BalanceChanged) and event.account == ACCOUNT for event in events)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            if self._changed:
                self._keep()

    def _keep(self) -> None:
        self._changed = False
        if self._settings.state is not None and self._exchange is not None:
            save(state_of(self._exchange.exchange, ACCOUNT), self._settings.state)
