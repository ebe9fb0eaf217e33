"""``hummingbot-backpack report``: a page that needs nothing else, a picture, and one sentence when it cannot be."""

import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hummingbot_backpack.__main__ import main
from hummingbot_backpack.report.picture import MOST_VECTORS
from test.hummingbot_backpack.report.session import Written, a_session
from test.hummingbot_backpack.report.test_records import LOG


def text_of(page: str) -> str:
    """What a reader sees."""
    pieces: list[str] = []
    parser = HTMLParser()
    parser.handle_data = pieces.append  # type: ignore[method-assign]
    parser.feed(page)
    return re.sub(r"\s+", " ", " ".join(pieces))


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    a_session().to(tmp_path / "practice" / "data" / "mine.sqlite")
    (tmp_path / "practice" / "logs").mkdir()
    (tmp_path / "practice" / "logs" / "logs_mine.log").write_text(LOG)
    row = {"account": "bot", "symbol": "SOL_USDC", "fee": "0", "feeAsset": "USDC", "isMaker": True}
    rows = [
        row | {"side": "Bid", "price": "150", "quantity": "1", "tradeId": 1},
        row | {"side": "Bid", "price": "152", "quantity": "1", "tradeId": 2, "isMaker": False},
        row | {"side": "Ask", "price": "154", "quantity": "1.5", "fee": "0.231", "tradeId": 3},
    ]
    ledger = tmp_path / "practice" / "data" / "mine.ledger.json"
    ledger.write_text(json.dumps({"balances": {"bot": {}}, "fills": rows}))
    return tmp_path


def test_the_newest_session_with_all_that_belongs_to_it(instance: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--instance", str(instance), "report"]) == 0
    page, picture = (instance / "practice" / "data" / f"mine.{kind}" for kind in ("html", "png"))
    assert capsys.readouterr().out.splitlines() == [str(page), str(picture)]
    text = text_of(page.read_text())
    # Bought 2 at 151 on average, sold 1.5 at 154: 4.5 realised; 0.5 left at a mid of 155: 2 marked; 0.231 of fees.
    for words in (
        "3: 2 bought, 1 sold", "Realised +4.5000 USDC", "Marked +2.0000 USDC at 155.0000", "Net +6.2690 USDC",
        "Fees 0.2310 USDC", "Spread captured +4.5000 USDC (+196.7 bp on 1.5000 SOL)", "Inventory +0.5000 SOL",
        "5: 3 filled, 1 cancelled, 1 still open", "Order life median 2.0 s",
        "Reconnects 1, 3.8 s down in all; 1 lost and not seen to come back",
        "Exchange's ledger the same 3 fills", "As maker 2 of 3 fills", "about every 5 s",
    ):  # fmt: skip
        assert words in text, words


def test_the_page_needs_no_network_and_runs_no_script(instance: Path):
    main(["--instance", str(instance), "report"])
    page = (instance / "practice" / "data" / "mine.html").read_text()
    assert "<svg" in page and "<script" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!#)[^"']*["']|url\((?!#)[^)]*\)|@import""", page)


def test_the_picture_is_large_enough_to_read(instance: Path):
    main(["--instance", str(instance), "report", "--output", str(instance / "out")])
    picture = (instance / "out" / "mine.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert width >= 1200 and height >= 1200


def test_without_mids_log_and_ledger_it_says_so(tmp_path: Path):
    written = a_session()
    written.rows = [row for row in written.rows if type(row).__name__ != "MarketData"]
    assert main(["report", str(written.to(tmp_path / "bare.sqlite"))]) == 0
    text = text_of((tmp_path / "bare.html").read_text())
    assert "No mid price was recorded" in text and "no log, so not known" in text and "ledger" not in text


def test_orders_without_a_fill_are_a_session(tmp_path: Path):
    written = Written()
    written.order("1", 0, 3)
    assert main(["report", str(written.to(tmp_path / "quiet.sqlite"))]) == 0
    assert "no fills" in text_of((tmp_path / "quiet.html").read_text())


def test_two_markets_make_two_pictures(tmp_path: Path):
    written = a_session()
    written.order("8", 0, 1, market="backpack_local_2")
    assert main(["report", str(written.to(tmp_path / "two.sqlite"))]) == 0
    assert sorted(file.name for file in tmp_path.glob("*.png")) == [
        "two-backpack_local-SOL-USDC.png", "two-backpack_local_2-SOL-USDC.png",
    ]  # fmt: skip


def test_a_long_session_does_not_make_a_heavy_page(tmp_path: Path):
    written = a_session()
    for number in range(4, MOST_VECTORS + 4):
        written.mid(number * 5, f"{150 + number % 7}")
    assert main(["report", str(written.to(tmp_path / "long.sqlite"))]) == 0
    page = (tmp_path / "long.html").read_text()
    assert "data:image/png;base64" in page and len(page) < 500_000


def test_names_from_outside_are_shown_and_not_obeyed(tmp_path: Path):
    written = a_session()
    written.fill("<b>9", 3, "BUY", "150", "1", "0", "<i>X")
    written.order("<b>9", 3, 4)
    assert main(["report", str(written.to(tmp_path / "odd.sqlite"))]) == 0
    page = (tmp_path / "odd.html").read_text()
    assert "<b>9" not in page and "<i>X" not in page and "&lt;b&gt;9" in page


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "There is no trade database"),
        (b"", "is not a trade database of Hummingbot"),
        (b"no database at all, but long enough to have a header" * 40, "is not a trade database of Hummingbot"),
    ],
)
def test_a_wrong_file_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, expected: str
):
    file = tmp_path / "x.sqlite"
    if content is not None:
        file.write_bytes(content)
    assert main(["report", str(file)]) == 2
    complained = capsys.readouterr().err
    assert expected in complained and complained.count("\n") == 1


def test_an_empty_session_is_one_sentence_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(Written().to(tmp_path / "x.sqlite"))]) == 2
    assert "nothing was traded in this session" in capsys.readouterr().err


def test_an_instance_without_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--instance", str(tmp_path), "report"]) == 2
    assert "There is no trade database in" in capsys.readouterr().err
