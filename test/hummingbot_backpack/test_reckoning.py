"""The comparison that ends a practice session must see every kind of difference."""

import json
import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from hummingbot_backpack.reckoning import Fill, TradeDatabase, balances_after, differences

BUY = Fill(
    trade_id="11",
    side="BUY",
    base="SOL",
    quote="USDC",
    price=Decimal("150.25"),
    quantity=Decimal("0.5"),
    fee=Decimal("0.0004"),
    fee_asset="SOL",
)
SELL = replace(BUY, trade_id="12", side="SELL", price=Decimal("150.5"), fee=Decimal("0.0602"), fee_asset="USDC")
OPENING = {"SOL": Decimal(10), "USDC": Decimal(1000)}
CLOSING = {"SOL": Decimal("9.9996"), "USDC": Decimal("1000.0648")}


def test_balances_follow_from_fills():
    assert balances_after(OPENING, [BUY, SELL]) == CLOSING


def test_no_difference():
    assert differences([BUY, SELL], [SELL, BUY], OPENING, CLOSING, open_orders=0) == []


@pytest.mark.parametrize(
    ("recorded", "ledger", "closing", "open_orders", "expected"),
    [
        pytest.param([SELL], [BUY, SELL], CLOSING, 0, "fill 11: on the exchange", id="a fill that Hummingbot missed"),
        pytest.param([BUY, SELL], [SELL], CLOSING, 0, "fill 11: in Hummingbot", id="a fill that never was"),
        pytest.param(
            [BUY, replace(SELL, price=Decimal("150.51"))],
            [BUY, SELL],
            CLOSING,
            0,
            "fill 12: price is 150.51 in Hummingbot, 150.5 on the exchange",
            id="another price",
        ),
        pytest.param(
            [replace(BUY, fee=Decimal("0.0005")), SELL],
            [BUY, SELL],
            CLOSING,
            0,
            "balance of SOL: 9.9995 by Hummingbot's fills, 9.9996 on the exchange",
            id="another fee, hence another balance",
        ),
        pytest.param([BUY, SELL, SELL], [BUY, SELL], CLOSING, 0, "balance of SOL: 9.4996", id="a fill recorded twice"),
        pytest.param([BUY, SELL], [BUY, SELL], CLOSING | {"BTC": Decimal(1)}, 0, "balance of BTC: 0", id="new money"),
        pytest.param([BUY, SELL], [BUY, SELL], CLOSING, 2, "2 orders are still open", id="orders left behind"),
    ],
)
def test_differences(recorded, ledger, closing, open_orders, expected):
    found = differences(recorded, ledger, OPENING, closing, open_orders)
    assert any(sentence.startswith(expected) for sentence in found), found


def test_the_database_is_read_in_its_own_units_as_it_grows(tmp_path: Path):
    file = tmp_path / "trades.sqlite"
    trades = TradeDatabase(file, "backpack_local")
    assert trades.read() == []
    with sqlite3.connect(file) as database:
        assert trades.read() == []
        database.execute(
            "CREATE TABLE TradeFill (market TEXT, exchange_trade_id TEXT, trade_type TEXT, base_asset TEXT,"
            " quote_asset TEXT, price BIGINT, amount BIGINT, trade_fee JSON)"
        )
        fee = json.dumps({"fee_type": "DeductedFromReturns", "flat_fees": [{"token": "SOL", "amount": "0.0004"}]})
        here, elsewhere = "backpack_local", "backpack_local_2"
        row = ("BUY", "SOL", "USDC", 150_250_000, 500_000, fee)
        database.execute("INSERT INTO TradeFill VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (here, "11", *row))
        database.execute("INSERT INTO TradeFill VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (elsewhere, "7", *row))
        database.commit()
        assert trades.read() == [BUY]
        assert trades.read() == [BUY]
        database.execute("INSERT INTO TradeFill VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (here, "12", *row))
    assert trades.read() == [BUY, replace(BUY, trade_id="12")]
