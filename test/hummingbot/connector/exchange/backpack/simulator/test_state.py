"""An account that is saved and loaded is the same account."""

from decimal import Decimal
from pathlib import Path

import pytest

from hummingbot.connector.exchange.backpack.simulator.clock import ManualClock
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.model import OrderRequest, OrderType, Side
from hummingbot.connector.exchange.backpack.simulator.state import BadState, load, save, state_of


def exchange_with(name: str, balances: dict[str, str]) -> Exchange:
    exchange = Exchange(ManualClock())
    exchange.add_account(name, {asset: Decimal(amount) for asset, amount in balances.items()})
    exchange.add_account("street", {"USDC": Decimal(1_000_000), "SOL": Decimal(1_000)})
    return exchange


def limit(exchange: Exchange, account: str, side: Side, quantity: str, price: str, client_id: int) -> None:
    exchange.submit(
        OrderRequest(
            account=account,
            symbol="SOL_USDC",
            side=side,
            order_type=OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=Decimal(price),
            client_id=client_id,
        )
    )


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Exchange, Path]:
    """An account with a partly filled bid, an open ask, a cancelled and a filled order, written down."""
    exchange = exchange_with("demo", {"USDC": "10000", "SOL": "10"})
    limit(exchange, "demo", Side.BID, "3", "150", 1)
    limit(exchange, "street", Side.ASK, "1", "150", 9)
    limit(exchange, "demo", Side.ASK, "2", "160", 2)
    limit(exchange, "demo", Side.BID, "1", "120", 3)
    exchange.cancel("demo", "SOL_USDC", client_id=3)
    limit(exchange, "street", Side.ASK, "1", "155", 9)
    limit(exchange, "demo", Side.BID, "1", "155", 4)
    save(state_of(exchange, "demo"), tmp_path / "demo.json")
    return exchange, tmp_path / "demo.json"


def restored(path: Path) -> Exchange:
    state = load(path)
    exchange = exchange_with("demo", {})
    for asset, amount in state.balances.items():
        exchange.deposit("demo", asset, amount)
    exchange.restore("demo", state.orders, state.fills)
    return exchange


def test_balances_locks_orders_and_fills_come_back(kept: tuple[Exchange, Path]) -> None:
    before, path = kept
    after = restored(path)
    assert after.ledger.balances("demo") == before.ledger.balances("demo")
    assert after.fills("demo") == before.fills("demo")
    as_rows = [(o.id, o.client_id, o.status, o.remaining, o.price) for o in before.order_history("demo")]
    assert [(o.id, o.client_id, o.status, o.remaining, o.price) for o in after.order_history("demo")] == as_rows
    assert after.depth("SOL_USDC").bids == ((Decimal(150), Decimal(2)),)


def test_a_restored_order_trades_and_ids_go_on(kept: tuple[Exchange, Path]) -> None:
    before, path = kept
    after = restored(path)
    highest = max(order.id for order in before.order_history("demo"))
    limit(after, "street", Side.ASK, "2", "150", 10)
    assert after.open_order("demo", "SOL_USDC", client_id=1) is None, "it was at the touch and is filled now"
    newest = after.fills("demo")[0]
    assert newest.quantity == 2
    assert newest.trade_id not in {fill.trade_id for fill in before.fills("demo")}
    limit(after, "demo", Side.BID, "1", "130", 11)
    assert after.order_history("demo")[0].id > highest


def test_money_is_conserved_over_the_restart(kept: tuple[Exchange, Path]) -> None:
    _, path = kept
    after = restored(path)
    after.cancel_all("demo", "SOL_USDC")
    balances = after.ledger.balances("demo")
    assert all(balance.locked == 0 for balance in balances.values())
    state = load(path)
    assert {asset: balance.available for asset, balance in balances.items()} == state.balances


@pytest.mark.parametrize(
    "text, told",
    [
        pytest.param("", "JSONDecodeError", id="empty"),
        pytest.param("[]", "TypeError", id="not an object"),
        pytest.param('{"version": 2}', "expected version 1, was 2", id="another version"),
        pytest.param('{"version": 1, "balances": {"USDC": "x"}, "orders": [], "fills": []}', "Invalid", id="no number"),
        pytest.param('{"version": 1, "balances": {}, "orders": [{}], "fills": []}', "KeyError", id="half an order"),
    ],
)
def test_a_file_that_is_no_state_says_so(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "demo.json"
    path.write_text(text)
    with pytest.raises(BadState, match=told):
        load(path)
