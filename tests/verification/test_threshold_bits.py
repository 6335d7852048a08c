"""Bits at their threshold: counted and let off in the float form, and only there."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from niwaki import graph
from niwaki.runtime import nwk
from niwaki.verification import check_files


@pytest.fixture
def case(float_parts, tmp_path):
    """Files whose engine has a level moved to somewhere behind one of torch's values."""
    from safetensors.numpy import save_file

    (tmp_path / "golden").mkdir()
    graph.save(float_parts.model, tmp_path / "model.onnx")
    save_file({"x": float_parts.x}, tmp_path / "golden/inputs.safetensors")
    save_file(float_parts.golden, tmp_path / "golden/torch.safetensors")

    def check(beyond: float):
        program = copy.deepcopy(float_parts.program)
        layer = next(one for one in program.layers if one["op"] == "threshold")
        source = program.values[layer["inputs"]["x"]]["name"]
        level = program.tensors[layer["tensors"]["level"]].copy()
        # The last channel's sign is +1: its bit is x >= level.
        x = float_parts.golden[source][:, -1]
        value = np.sort(x[x >= level[-1]])[0]
        level[-1] = value + beyond
        program.tensors[layer["tensors"]["level"]] = level
        nwk.write(tmp_path / "model.nwk", program)
        return check_files(tmp_path, form="float")

    return check


def test_a_bit_at_its_threshold_is_counted_and_let_off(case):
    result = case(5e-5)
    bits = [check for check in result.layers if check.bits]
    assert result.bits >= 1
    assert all(check.ok and check.part == "engine" for check in bits)
    end = next(end for end in result.end_to_end if end.part == "engine")
    assert 1 <= end.images == end.excused
    assert result.ok or not result.files  # nothing else differs
    assert result.first_difference is None


def test_a_bit_beyond_its_threshold_is_not(case):
    result = case(3e-4)
    assert result.first_difference is not None
    assert result.first_difference.part == "engine"
    assert not result.ok
