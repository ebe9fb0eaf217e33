"""Every recorded payload says where it comes from, and none is left over."""

import json
from datetime import date

import pytest

from test.hummingbot.connector.exchange.backpack.support import FIXTURES

FILES = sorted(FIXTURES.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_provenance(file):
    fixture = json.loads(file.read_text())
    assert set(fixture) == {"call", "seen", "source", "synthetic", "payload"}
    assert fixture["call"] and fixture["source"]
    if not fixture["synthetic"]:
        year = int(fixture["seen"][:4])
        assert 2025 <= year <= date.today().year


def test_every_fixture_is_used():
    code = "".join(file.read_text() for file in FIXTURES.parent.glob("test_*.py"))
    assert [file.stem for file in FILES if f'"{file.stem}"' not in code] == []
