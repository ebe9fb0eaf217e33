"""What a session left behind is read as it was written."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from hummingbot_backpack.problem import Problem
from hummingbot_backpack.report.records import interruptions, read_database, read_ledger
from test.hummingbot_backpack.report.session import BEGAN_MS, Written, a_session

LOG = """\
2026-11-23 18:10:07,832 - 1 - h.D - INFO - backpack_local market stream live (attempt 1, 0.1 s down)
2026-11-23 18:11:20,702 - 1 - h.D - WARNING - The websocket connection was closed (backpack_local market stream lost \
after 73 s: The WS connection was closed unexpectedly. Close code = 1006 msg data: None; next attempt in 1.1 s)
2026-11-23 18:11:21,900 - 1 - h.D - WARNING - The websocket connection was closed (backpack_local market stream lost \
after 0 s: Cannot connect; next attempt in 2.1 s)
2026-11-23 18:11:24,500 - 1 - h.D - INFO - backpack_local market stream live (attempt 2, 3.8 s down)
2026-11-23 18:12:00,000 - 1 - h.U - WARNING - backpack_local private stream lost after 99 s: gone; next attempt in 1 s
nothing to do with it
"""


def test_the_database_is_read_in_hummingbots_units(tmp_path: Path):
    [record] = read_database(a_session().to(tmp_path / "s.sqlite"))
    assert (record.market, record.trading_pair) == ("backpack_local", "SOL-USDC")
    first, *_, last = record.trades
    assert (first.time_s, first.fill.price, first.fill.quantity) == (BEGAN_MS / 1000 + 1, Decimal(150), Decimal(1))
    assert (last.fill.side, last.fill.fee, last.fill.fee_asset) == ("SELL", Decimal("0.231"), "USDC")
    assert [mid.price for mid in record.mids] == [Decimal(p) for p in ("150.5", "151.5", "153", "155")]
    assert record.mids[1].time_s == BEGAN_MS / 1000 + 5
    assert [order.ended_s is None for order in sorted(record.orders, key=lambda order: order.order_id)] == [
        False, False, False, False, True,
    ]  # fmt: skip


def test_each_market_is_a_record_of_its_own(tmp_path: Path):
    written = a_session()
    written.order("8", 0, 1, market="backpack_local_2")
    written.fill("8", 1, "SELL", "151", "1", "0", "USDC", market="backpack_local_2")
    records = read_database(written.to(tmp_path / "s.sqlite"))
    assert sorted((record.market, len(record.trades)) for record in records) == [
        ("backpack_local", 3), ("backpack_local_2", 1),
    ]  # fmt: skip


def test_interruptions_end_when_the_stream_is_live_again():
    market, private = interruptions(LOG.splitlines())
    assert market.stream == "backpack_local market" and market.reason.startswith("The WS connection was closed")
    assert (market.down_s, market.attempts) == (3.8, 2)  # the failed attempt in between is part of it
    assert private.stream == "backpack_local private" and private.down_s is None


def ledger_row(trade_id: int, account: str = "bot") -> dict[str, object]:
    return {
        "account": account, "symbol": "SOL_USDC", "side": "Bid", "price": "150", "quantity": "1", "fee": "0",
        "feeAsset": "USDC", "tradeId": trade_id, "isMaker": trade_id == 1,
    }  # fmt: skip


def test_the_ledger_of_the_only_account_is_taken(tmp_path: Path):
    file = tmp_path / "ledger.json"
    file.write_text(json.dumps({"balances": {"bot": {}}, "fills": [ledger_row(1), ledger_row(2)]}))
    ledger = read_ledger(str(file), None)
    assert (ledger.account, len(ledger.fills)) == ("bot", 2)
    assert ledger.maker_trades == {("1", "BUY")}


@pytest.mark.parametrize(
    ("content", "account", "expected"),
    [
        ("[]", None, "is not the ledger of a local exchange"),
        ("not json", None, "is not the ledger of a local exchange"),
        ('{"balances": {"a": {}, "b": {}}, "fills": []}', None, "has the accounts a, b; name the session's"),
        ('{"balances": {"a": {}}, "fills": []}', "b", "has the accounts a; name the session's"),
    ],
)
def test_a_wrong_ledger_is_told_in_a_sentence(tmp_path: Path, content: str, account: str | None, expected: str):
    file = tmp_path / "ledger.json"
    file.write_text(content)
    with pytest.raises(Problem, match=expected):
        read_ledger(str(file), account)


def test_an_exchange_that_is_gone_is_told_in_a_sentence():
    with pytest.raises(Problem, match=r"The ledger http://127.0.0.1:9 cannot be read: .*refused"):
        read_ledger("http://127.0.0.1:9", None)


def test_no_trades_is_told_in_a_sentence(tmp_path: Path):
    with pytest.raises(Problem, match="nothing was traded"):
        read_database(Written().to(tmp_path / "s.sqlite"))
