"""The account: A1 to A10."""

import base64
import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from hummingbot.core.data_type.common import OrderType, TradeType
from test.hummingbot.connector.exchange.backpack.reliability.rig import Pace, Rig, faults
from test.hummingbot.connector.exchange.backpack.reliability.rows import Phase, row

ORDERS_STREAM = "account.orderUpdate"
BALANCE_STREAM = "account.balanceUpdate"
PRIVATE = "account."
CAPITAL_PATH = "/api/v1/capital"
LEND_PATH = "/api/v1/borrowLend/positions"
AWAY, TOUCH = "140", "149.5"
SIGNATURE = "[A-Za-z0-9+/]{86}=="  # 64 bytes in base64, whatever they sign
LIVE_S = 1.0  # a balance that the stream brings


def _lend(rig: Rig, asset: str, amount: str | None = None) -> None:
    available = rig.sim.exchange.ledger.balance(rig.account.name, asset).available
    rig.sim.exchange.lend(rig.account.name, asset, available if amount is None else Decimal(amount))


def _total(rig: Rig, asset: str) -> Decimal:
    return rig.connector.get_all_balances().get(asset, Decimal(0))


def _is_private_stream_up(rig: Rig) -> bool:
    return any(ORDERS_STREAM in socket.streams for socket in rig.sim.sessions)


async def _balances_right(rig: Rig, timeout_s: float) -> None:
    await rig.until(lambda: not rig.wrong_balances(), timeout_s, f"the ledger's balances: {rig.wrong_balances()}")


# -- A1, A2, A3: lent funds --------------------------------------------------------------------------------------------


@row("A1", Phase.AT_START, "everything is lent out: GET /capital answers {}", start=False)
async def all_lent(rig: Rig) -> None:
    for asset in ("USDC", "SOL", "BTC"):
        _lend(rig, asset)
    await rig.start_connector()
    await _balances_right(rig, 2)


@row("A2", Phase.BEFORE_THE_ANSWER, "an order needs funds that are lent out, and is then filled", start=False)
async def order_redeems(rig: Rig) -> None:
    _lend(rig, "USDC")
    _lend(rig, "SOL", "9999")
    await rig.start_connector()
    buy = await rig.resting(price=TOUCH)
    await rig.resting("100", "160", TradeType.SELL)
    await _balances_right(rig, 12)
    rig.street_takes(buy)
    await rig.until(lambda: rig.told.of("BuyOrderCompleted", buy), 5, "the order completed")
    await _balances_right(rig, 12)


@row("A2", Phase.BEFORE_THE_ANSWER, "the same, with the switch off", start=False, options={"auto_lend_redeem": False})
async def order_must_not_redeem(rig: Rig) -> None:
    _lend(rig, "USDC")
    await rig.start_connector(wait=True)
    assert rig.connector.available_balances.get("USDC") == 0, "lent funds are not there for orders"
    order_id = rig.buy("1", AWAY)
    await rig.until(lambda: rig.told.of("OrderFailure", order_id), 5, "the order failed")
    assert rig.sim.exchange.ledger.balance(rig.account.name, "USDC").lent == 1_000_000, "lent funds were redeemed"
    rig.sim.exchange.redeem(rig.account.name, "USDC", Decimal(1_000_000))


@row("A2", Phase.WHILE_QUIET, "the exchange lends idle funds out, and takes them back, on its own", start=False)
async def lent_while_running(rig: Rig) -> None:
    _lend(rig, "USDC", "10")
    await rig.start_connector()
    for _ in range(2):
        _lend(rig, "USDC", "500000")
        await _balances_right(rig, 2)
        rig.sim.exchange.redeem(rig.account.name, "USDC", Decimal(500_000))
        await _balances_right(rig, 15)


@row("A3", Phase.WHILE_QUIET, "what is lent cannot be asked for a while", start=False, pace=Pace())
async def lending_not_answered(rig: Rig) -> None:
    _lend(rig, "SOL", "9000")
    await rig.start_connector()
    await _balances_right(rig, 2)
    failing = rig.sim.faults.arm(faults.ServerError(), path=LEND_PATH)
    rig.sim.exchange.deposit(rig.account.name, "SOL", Decimal(7))
    await rig.until(lambda: failing.fired > 1, 10, "lent funds were asked for twice in vain")
    assert _total(rig, "SOL") == 10_007, "lent funds vanished"
    rig.sim.faults.clear(failing)


@row("A3", Phase.AT_START, "what is lent cannot be asked at first", start=False)
async def lending_not_answered_at_start(rig: Rig) -> None:
    _lend(rig, "SOL")
    rig.sim.faults.arm(faults.ServerError(), path=LEND_PATH, count=2)
    await rig.start_connector()


# -- A4: balances ------------------------------------------------------------------------------------------------------


@row("A4", Phase.WHILE_FILLING, "balances follow orders, fills and deposits, live")
async def live_balances(rig: Rig) -> None:
    order_id = await rig.resting("4", TOUCH)
    await _balances_right(rig, LIVE_S)
    rig.street_takes(order_id, "1")
    await _balances_right(rig, LIVE_S)
    rig.sim.exchange.deposit(rig.account.name, "USDC", Decimal("12.5"))
    await _balances_right(rig, LIVE_S)
    rig.buy("1", "151.5", OrderType.MARKET)
    await rig.until(lambda: len(rig.told.fills) == 2, 5, "the market order is filled")
    await _balances_right(rig, LIVE_S)


@row("A4", Phase.AT_START, "the balance stream is not offered: balances are polled", start=False)
async def no_balance_stream(rig: Rig) -> None:
    refused = rig.sim.faults.arm(faults.SubscribeRefused(), stream=BALANCE_STREAM)
    await rig.start_connector()
    order_id = await rig.resting("4", TOUCH)
    rig.street_takes(order_id, "1")
    rig.sim.exchange.deposit(rig.account.name, "SOL", Decimal(3))
    await _balances_right(rig, 15)
    rig.sim.faults.clear(refused)


@row("A4", Phase.WHILE_QUIET, "balance frames are lost, nothing else tells of the deposit", pace=Pace())
async def balance_frames_lost(rig: Rig) -> None:
    rig.sim.faults.arm(faults.DropUpdate(), stream=BALANCE_STREAM, count=1)
    rig.sim.exchange.deposit(rig.account.name, "USDC", Decimal("12.5"))
    await _balances_right(rig, 8)


@row("A4", Phase.WHILE_QUIET, "a new asset arrives while an older answer of REST is on its way", pace=Pace())
async def new_asset(rig: Rig) -> None:
    late = rig.sim.faults.arm(faults.LateAnswer(event="balanceUpdate"), path=CAPITAL_PATH, count=1)
    await rig.until(lambda: late.fired, 10, "balances are asked for")
    rig.sim.exchange.deposit(rig.account.name, "ETH", Decimal(2))
    await rig.until(lambda: _total(rig, "ETH") == 2, LIVE_S, "the stream has told of the new asset")
    for _ in range(10):
        await rig.pass_time(0.05)
        assert _total(rig, "ETH") == 2, "the older answer has undone what the stream told"


@row("A4", Phase.WHILE_RECONNECTING, "an order is placed while the private stream is away and balances cannot be asked")
async def available_without_stream(rig: Rig) -> None:
    away = rig.sim.faults.arm(faults.RefuseConnection(rest=False))
    await rig.resting("1", AWAY)
    rig.sim.faults.arm(faults.ResetConnection(), stream=PRIVATE, count=1)
    await rig.until(lambda: not _is_private_stream_up(rig), 2, "the private stream is gone")
    silent = rig.sim.faults.arm(faults.ServerError(), path=CAPITAL_PATH)
    await rig.resting("2", AWAY)
    true = rig.sim.exchange.ledger.balance(rig.account.name, "USDC").available
    estimated = rig.connector.get_available_balance("USDC")
    assert 0 <= true - estimated < 1, f"strategies are told {estimated} USDC, of {true}; only a fee may lie between"
    rig.sim.faults.clear(silent)
    await _balances_right(rig, 10)
    rig.sim.faults.clear(away)


# -- A5: fees ----------------------------------------------------------------------------------------------------------


@row("A5", Phase.WHILE_FILLING, "the account has fees of its own, maker a rebate", start=False)
async def own_fees(rig: Rig) -> None:
    trader = rig.sim.exchange.account(rig.account.name)
    trader.maker_fee_bps, trader.taker_fee_bps = Decimal(-2), Decimal("4.5")
    await rig.start_connector()
    for is_maker, percent in ((True, Decimal("-0.0002")), (False, Decimal("0.00045"))):
        fee = rig.connector.get_fee(
            "SOL", "USDC", OrderType.LIMIT, TradeType.BUY, Decimal(1), Decimal(150), is_maker=is_maker
        )
        assert fee.percent == percent, f"maker {is_maker}: expected {percent}, was {fee.percent}"
    order_id = await rig.resting(price=TOUCH)
    rig.street_takes(order_id)
    rig.sell("1", "148.5")
    await rig.until(lambda: len(rig.told.fills) == 2, 10, "both fills are told")


@row("A5", Phase.AT_START, "fees cannot be asked at first", start=False)
async def fees_not_answered_at_start(rig: Rig) -> None:
    rig.sim.exchange.account(rig.account.name).maker_fee_bps = Decimal(3)
    rig.sim.faults.arm(faults.ServerError(), path="/api/v1/account", count=2)
    await rig.start_connector()

    def maker_fee() -> Decimal:
        return rig.connector.get_fee(
            "SOL", "USDC", OrderType.LIMIT, TradeType.BUY, Decimal(1), Decimal(150), is_maker=True
        ).percent  # type: ignore[no-any-return]

    await rig.until(lambda: maker_fee() == Decimal("0.0003"), 10, "the account's own fees")


# -- A6, A7: the private stream ----------------------------------------------------------------------------------------


@row("A6", Phase.AT_START, "the private subscription is refused at first", start=False)
async def refused_at_start(rig: Rig) -> None:
    refused = rig.sim.faults.arm(faults.SubscribeRefused(4003, "Invalid signature"), stream=ORDERS_STREAM)
    await rig.start_connector(wait=False)
    await rig.until(lambda: refused.fired, 10, "the subscription was refused")
    await rig.pass_time(0.5)
    assert not rig.connector.ready, "ready without the private stream"
    rig.sim.faults.clear(refused)
    await rig.until(lambda: rig.connector.ready, 10, "the connector is ready")


@row("A6", Phase.WHILE_RECONNECTING, "the private subscription is refused after a reconnect")
async def refused_after_reconnect(rig: Rig) -> None:
    refused = rig.sim.faults.arm(faults.SubscribeRefused(4003, "Invalid signature"), stream=ORDERS_STREAM, count=2)
    rig.sim.faults.arm(faults.ResetConnection(), stream=PRIVATE, count=1)
    await rig.until(lambda: refused.fired, 5, "the subscription was refused")
    assert not rig.connector.ready, "ready without the private stream"
    await rig.until(lambda: rig.connector.ready, 15, "the connector is ready")


@row("A6", Phase.WHILE_RECONNECTING, "the clock has jumped when the private stream is to be signed for again")
async def clock_wrong_at_reconnect(rig: Rig) -> None:
    skew = rig.sim.faults.arm(faults.ClockSkew(900.0))
    rig.sim.faults.arm(faults.CloseFrame(), stream=PRIVATE, count=1)
    await rig.until(lambda: not _is_private_stream_up(rig), 2, "the private stream is gone")
    await rig.until(lambda: _is_private_stream_up(rig), 10, "the private stream is back")
    await rig.resting()
    rig.sim.faults.clear(skew)


@row("A7", Phase.WHILE_RECONNECTING, "a fill, a cancel by hand and a deposit happen while the private stream is away")
async def private_stream_away(rig: Rig) -> None:
    filled, cancelled = await rig.resting(price=TOUCH), await rig.resting(price=AWAY)
    away = rig.sim.faults.arm(faults.RefuseConnection(rest=False))
    rig.sim.faults.arm(faults.ResetConnection(), stream=PRIVATE, count=1)
    await rig.until(lambda: not _is_private_stream_up(rig), 2, "the private stream is gone")
    rig.street_takes(filled)
    gone = rig.venue_order(cancelled)
    rig.sim.exchange.cancel(rig.account.name, gone.symbol, order_id=gone.id)
    rig.sim.exchange.deposit(rig.account.name, "USDC", Decimal("12.5"))
    rig.sim.faults.clear(away)
    await rig.until(lambda: _is_private_stream_up(rig), 10, "the private stream is back")
    await rig.settled(2.0)


@row("A7", Phase.WHILE_FILLING, "the private stream breaks in the middle of the fills of an order")
async def breaks_while_filling(rig: Rig) -> None:
    order_id = await rig.resting("3", TOUCH)
    rig.street_takes(order_id, "1")
    rig.sim.faults.arm(faults.ResetConnection(), stream=ORDERS_STREAM, count=1)
    rig.street_takes(order_id, "1")
    rig.street_takes(order_id, "1")
    await rig.until(lambda: rig.told.of("BuyOrderCompleted", order_id), 10, "the order completed")


@row("A7", Phase.WHILE_RECONNECTING, "REST fails just when the private stream is back")
async def rest_fails_after_reconnect(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    failing = rig.sim.faults.arm(faults.ServerError(), method="GET")
    rig.sim.faults.arm(faults.ResetConnection(), stream=PRIVATE, count=1)
    rig.street_takes(order_id)
    await rig.until(lambda: not _is_private_stream_up(rig), 2, "the private stream is gone")
    await rig.until(lambda: _is_private_stream_up(rig), 10, "the private stream is back")
    await rig.pass_time(0.5)
    assert not rig.connector.ready, "ready without knowing what was missed"
    rig.sim.faults.clear(failing)


# -- A8: clocks --------------------------------------------------------------------------------------------------------


@row("A8", Phase.AT_START, "the two clocks differ by minutes", start=False)
async def clock_differs(rig: Rig) -> None:
    skew = rig.sim.faults.arm(faults.ClockSkew(-1200.0))
    await rig.start_connector()
    await rig.resting()
    rig.sim.faults.clear(skew)


@row("A8", Phase.BEFORE_THE_ANSWER, "the exchange's clock jumps between two requests, there and back")
async def clock_jumps(rig: Rig) -> None:
    for seconds in (30.0, -30.0):
        rig.sim.faults.arm(faults.ClockJump(seconds), method="POST", path="/api/v1/order", count=1)
        order_id = await rig.resting()
        rig.connector.cancel(rig.pairs[0], order_id)
        await rig.until(lambda order_id=order_id: rig.told.of("OrderCancelled", order_id), 10, "the order is cancelled")
    assert not rig.told.of("OrderFailure"), "an order failed because of the clock"


# -- A9, A10: keys -----------------------------------------------------------------------------------------------------


@row("A9", Phase.AT_START, "secrets that cannot work are refused on entry, in words that do not repeat them")
async def bad_secrets(rig: Rig) -> None:
    key, secret = rig.account.api_key, rig.account.api_secret
    seed = base64.b64decode(secret)
    other = base64.b64encode(secrets.token_bytes(32)).decode()
    for bad_key, bad_secret, why in (
        (key, secret[:-8], "too short"),
        (key, seed.hex(), "hexadecimal"),
        (key, "not base64 at all!", "not base64"),
        (key, other, "another pair's secret"),
        (key, base64.b64encode(seed + secrets.token_bytes(32)).decode(), "two halves that do not match"),
        (secret, key, "swapped"),
        (key, "", "missing"),
        ("", secret, "key missing"),
    ):
        try:
            rig.another_connector(bad_key, bad_secret)
        except ValueError as refusal:
            words = str(refusal)
            assert words.endswith(".") and len(words) > 20, f"{why}: {words}"
            assert not any(part in words for part in (bad_key, bad_secret) if part), f"{why}: the text repeats it"
        else:
            raise AssertionError(f"a secret that is {why} was accepted")
    rig.another_connector(key, base64.b64encode(seed + base64.b64decode(key)).decode())


@contextmanager
def _heard_by_the_log() -> Iterator[list[str]]:
    """Everything that any logger says, from DEBUG on, with tracebacks, as a log file would have it."""
    lines: list[str] = []

    class _Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, listener = logging.getLogger(), _Listener()
    loggers = [root, *(logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger))]
    before, disabled = [(logger, logger.level) for logger in loggers], root.manager.disable
    logging.disable(logging.NOTSET)
    root.addHandler(listener)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logging.disable(disabled)
        root.removeHandler(listener)
        for logger, level in before:
            logger.setLevel(level)


@row("A10", Phase.WHILE_RECONNECTING, "key, secret and signatures stay out of the log, whatever fails")
async def nothing_secret_in_the_log(rig: Rig) -> None:
    with _heard_by_the_log() as lines:
        for trouble in (faults.Reject("INVALID_CLIENT_REQUEST", "Invalid signature"), faults.ResetConnection(),
                        faults.ServerError(), faults.GzipGarbage()):  # fmt: skip
            rig.sim.faults.arm(trouble, account=rig.account.name, path="/api/v1/", count=2)
            order_id = rig.buy("1", AWAY)
            await rig.until(
                lambda order_id=order_id: rig.is_open(order_id) or rig.told.of("OrderFailure", order_id),
                30,
                "an outcome",
            )
        rig.sim.faults.arm(faults.SubscribeRefused(4003, "Invalid signature"), stream=PRIVATE, count=1)
        rig.sim.faults.arm(faults.ResetConnection(), stream=PRIVATE, count=1)
        await rig.pass_time(0.5)
        await rig.settled()
    assert lines, "nothing was logged: the test hears nothing"
    for secret in (re.escape(rig.account.api_secret), re.escape(rig.account.api_key), SIGNATURE):
        told = [line for line in lines if re.search(secret, line)]
        assert not told, f"the log shows a secret: {told[0][:300]}"
