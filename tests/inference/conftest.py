"""Engines for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_desk import EngineDesk as Desk


@pytest.fixture(scope="module")
def shared() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def desk(shared: Desk) -> Desk:
    """The same engine for most tests, which also shows that none of them leaves it in disorder."""
    shared.forget()
    return shared


@pytest.fixture
def fresh() -> Iterator[Desk]:
    """An engine of the test's own."""
    made = Desk()
    yield made
    made.close()
