"""The networks that are timed: what is pruned, how much, and that the file runs."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper


@pytest.fixture
def networks():
    import networks

    return networks


def matrix(seed=0, shape=(10, 40)):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_the_largest_stay(networks):
    pruned = networks.prune_array(np.float32([[1, -4, 2, -3]]), 0.5, "unstructured")
    gain = np.sqrt((1 + 16 + 4 + 9) / (16 + 9))
    np.testing.assert_allclose(pruned, [[0, -4 * gain, 0, -3 * gain]], rtol=1e-6)


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.98])
def test_the_share_of_zeros_is_exact(networks, sparsity):
    pruned = networks.prune_array(matrix(), sparsity, "unstructured")
    assert np.count_nonzero(pruned) == round((1 - sparsity) * 400)


def test_ties_do_not_keep_more(networks):
    pruned = networks.prune_array(np.ones((4, 25), np.float32), 0.9, "unstructured")
    assert np.count_nonzero(pruned) == 10


def test_blocks_of_four_outputs_share_their_zeros(networks):
    pruned = networks.prune_array(matrix(), 0.75, "4x1")
    alive = pruned != 0
    for first in (0, 4):
        assert (alive[first : first + 4] == alive[first]).all()
    assert alive[:8].sum() == 80
    assert alive[8:].sum() == 20  # two outputs are left over: pruned one by one


def test_a_channel_keeps_its_norm(networks):
    weight = matrix()
    pruned = networks.prune_array(weight, 0.8, "unstructured")
    np.testing.assert_allclose(
        np.linalg.norm(pruned, axis=1), np.linalg.norm(weight, axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("structure", ["unstructured", "4x1"])
def test_stem_and_depthwise_layers_stay_dense(networks, tmp_path, structure):
    path = networks.make("mobilenet-v1-0.25", 0.9, tmp_path, structure)
    model = onnx.load(path)
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        weight = weights[node.input[1]]
        group = next((a.i for a in node.attribute if a.name == "group"), 1)
        is_dense = group > 1 or node.input[0] == model.graph.input[0].name
        assert np.mean(weight == 0) == pytest.approx(0 if is_dense else 0.9, abs=0.01)
    session = onnxruntime.InferenceSession(path)
    x = matrix(shape=(1, 3, 224, 224))
    (logits,) = session.run(None, {session.get_inputs()[0].name: x})
    assert np.isfinite(logits).all()
    assert 1e-3 < np.abs(logits).max() < 1e3
    assert "GlobalAveragePool" in {node.op_type for node in model.graph.node}
    # Made once: the second call finds it.
    before = path.stat().st_mtime_ns
    assert networks.make("mobilenet-v1-0.25", 0.9, tmp_path, structure) == path
    assert path.stat().st_mtime_ns == before


def test_what_is_no_pruning_is_refused(networks, tmp_path):
    with pytest.raises(ValueError, match=r"2x2 at 0\.5"):
        networks.make("resnet18", 0.5, tmp_path, "2x2")
    with pytest.raises(ValueError, match="unstructured at 1"):
        networks.make("resnet18", 1.0, tmp_path)
