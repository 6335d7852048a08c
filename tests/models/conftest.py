"""Fixtures of the model tests."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def data_root() -> Path:
    root = os.environ.get("NIWAKI_DATA")
    if not root:
        pytest.skip("NIWAKI_DATA names no folder of real data sets")
    return Path(root)
