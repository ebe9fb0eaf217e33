"""Profit and loss is money: rows worked out by hand, and the promise that it is what the balances changed by."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot_backpack.reckoning import Fill
from hummingbot_backpack.report.figures import Account, figures_of, nearest
from hummingbot_backpack.report.records import MarketRecord, Mid, OrderLife, Trade


def fill(side: str, quantity: str, price: str, fee: str = "0", fee_asset: str = "USDC") -> Fill:
    return Fill(
        trade_id="1", side=side, base="SOL", quote="USDC", price=Decimal(price), quantity=Decimal(quantity),
        fee=Decimal(fee), fee_asset=fee_asset,
    )  # fmt: skip


def booked(*fills: Fill) -> Account:
    account = Account()
    for one in fills:
        account.book(one)
    return account


@pytest.mark.parametrize(
    ("fills", "held", "average", "realised", "fees"),
    [
        pytest.param([("BUY", "1", "100"), ("BUY", "1", "110")], "2", "105", "0", "0", id="buys average"),
        pytest.param([("BUY", "2", "100"), ("SELL", "1", "110")], "1", "100", "10", "0", id="half is sold"),
        pytest.param([("SELL", "2", "100"), ("BUY", "2", "90")], "0", "100", "20", "0", id="a short is bought back"),
        pytest.param([("BUY", "1", "100"), ("SELL", "3", "110")], "-2", "110", "10", "0", id="through zero"),
        pytest.param([("BUY", "1", "100", "0.1", "SOL")], "0.9", "100", "0", "10", id="a fee in the base asset"),
        pytest.param([("SELL", "1", "100", "-0.5")], "-1", "100", "0", "-0.5", id="a rebate"),
    ],
)
def test_average_cost(fills, held, average, realised, fees):
    account = booked(*(fill(*row) for row in fills))
    assert account.position.quantity == Decimal(held)
    assert account.position.average_price == Decimal(average)
    assert account.position.realised == Decimal(realised)
    assert account.fees == Decimal(fees)


def test_a_fee_in_a_third_asset_is_told_apart():
    account = booked(fill("BUY", "1", "100", "2", "BP"))
    assert account.fees == 0 and account.other_fees == {"BP": 2}


amounts = st.decimals("0.01", "100", places=2)
fills = st.builds(
    lambda side, quantity, price, fee, asset: fill(side, str(quantity), str(price), str(fee), asset),
    st.sampled_from(["BUY", "SELL"]), amounts, st.decimals("1", "500", places=2),
    st.decimals("-0.01", "0.5", places=4), st.sampled_from(["SOL", "USDC"]),
)  # fmt: skip


@given(st.lists(fills, max_size=30), st.decimals("1", "500", places=2))
def test_net_profit_is_what_the_balances_changed_by(session: list[Fill], price: Decimal):
    account = booked(*session)
    base = sum((one.changes().get("SOL", Decimal(0)) for one in session), Decimal(0))
    quote = sum((one.changes().get("USDC", Decimal(0)) for one in session), Decimal(0))
    assert account.position.quantity == base
    assert account.net(price) == pytest.approx(quote + base * price, abs=Decimal("1e-15"))


def record(trades: list[tuple[float, Fill]], mids: list[tuple[float, str]] = (), orders: list[OrderLife] = ()):
    return MarketRecord(
        "backpack_local", "SOL", "USDC",
        [Trade(time_s, "7", one) for time_s, one in trades], list(orders), [Mid(t, Decimal(p)) for t, p in mids],
    )  # fmt: skip


def test_spread_captured_counts_what_was_both_bought_and_sold():
    figures = figures_of(record([(1, fill("BUY", "2", "99")), (2, fill("SELL", "1", "101"))]))
    assert figures.spread is not None
    assert (figures.spread.quantity, figures.spread.difference, figures.spread.earned) == (1, 2, 2)
    assert figures.spread.basis_points == 200


def test_no_spread_with_fills_on_one_side():
    assert figures_of(record([(1, fill("BUY", "2", "99"))])).spread is None


def test_edge_is_measured_at_the_nearest_mid():
    figures = figures_of(record([(4, fill("BUY", "1", "99")), (60, fill("BUY", "1", "1"))], [(0, "200"), (5, "100")]))
    assert figures.edge is not None
    assert (figures.edge.basis_points, figures.edge.fills) == (100, 1)  # the second fill has no mid near it


@pytest.mark.parametrize(
    ("time_s", "expected"), [(0, "100"), (2.4, "100"), (2.6, "105"), (14.9, "105"), (15.1, None), (-11, None)]
)
def test_nearest_mid(time_s, expected):
    found = nearest([Mid(0, Decimal(100)), Mid(5, Decimal(105))], time_s)
    assert found == (None if expected is None else Decimal(expected))


def test_without_mids_the_last_fill_marks_what_is_held():
    figures = figures_of(record([(1, fill("BUY", "1", "100")), (2, fill("BUY", "1", "110"))]))
    assert not figures.has_mids and figures.price == 110 and figures.net == 10


def test_with_mids_the_last_mid_marks_what_is_held():
    figures = figures_of(record([(1, fill("BUY", "1", "100"))], [(0, "100"), (3, "90")]))
    assert figures.price == 90 and figures.net == -10


def test_a_fill_after_the_last_mid_is_not_a_mid():
    figures = figures_of(record([(4, fill("BUY", "1", "90"))], [(0, "100")]))
    assert figures.price == 100 and figures.net == 10


def test_lives_of_orders():
    orders = [OrderLife(str(n), 0, n, "OrderCancelled") for n in range(1, 11)]
    orders += [OrderLife("x", 5, None, "BuyOrderCreated"), OrderLife("y", 5, 4, "OrderFailure")]
    lives = figures_of(record([], orders=orders)).lives
    assert (lives.cancelled, lives.failed, lives.filled, lives.still_open) == (10, 1, 0, 1)
    assert min(lives.seconds) == 0  # the start is to the tick, so it may lie after the end
    assert lives.quantile(0.5) == 5 and lives.quantile(1.0) == 10
