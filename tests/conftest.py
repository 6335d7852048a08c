"""What holds for every test: the cost table of the user's machine is neither read nor written."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("NIWAKI_CACHE_DIR")
    os.environ["NIWAKI_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["NIWAKI_CACHE_DIR"]
    else:
        os.environ["NIWAKI_CACHE_DIR"] = before
