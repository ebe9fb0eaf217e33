"""What ``hummingbot.connector.test_support`` imports from Hummingbot's own ``test`` package, which no wheel carries.

The root ``conftest.py`` makes it importable under that name.
"""

from unittest import IsolatedAsyncioTestCase


class IsolatedAsyncioWrapperTestCase(IsolatedAsyncioTestCase):
    """A test case whose coroutines run in a loop of its own; ``setUp`` already sees that loop as the current one."""
