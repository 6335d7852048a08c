"""The inlined file in another project's executor: same bits out of the same bits in."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from niwaki import graph, methods, models
from niwaki.capture import to_graph
from niwaki.runtime import Engine, compile_graph


def test_the_integer_graph_gives_the_same_bits(run_qonnx, integer_graph, rng):
    x = rng.standard_normal((2, 2, 7, 6)).astype(np.float32)
    want = graph.evaluate(integer_graph, {"x": x})["logits"]
    got = run_qonnx(integer_graph, {"x": x})["logits"]
    np.testing.assert_array_equal(got, want)
    assert len(np.unique(want)) > 1


def test_a_float_binary_unit_gives_the_same(run_qonnx, parse, rng):
    model = parse("""
    g (float[N,2,4,4] x) => (float[N,1,4,4] y)
    <float[2,1,1] level = {0.25, -0.5}, float one = {1.0}, float zero = {0.0},
     float[1,2,1,1] latent = {1.0, -1.0}, float[1,2,1,1] w = {0.5, 0.0}, float[1,1,1] t = {0.1}>
    {
      over = GreaterOrEqual(x, level)
      number = Cast <to = 1> (over)
      bits = qonnx.custom_op.general.Quant <signed = 0, narrow = 0, rounding_mode = "ROUND">
        (number, one, zero, one)
      v = qonnx.custom_op.general.BipolarQuant(latent, one)
      binary = Conv(bits, v)
      scaled = Mul(binary, t)
      sparse = Conv(x, w)
      sum = Add(sparse, scaled)
      y = Relu(sum)
    }""")
    x = rng.standard_normal((3, 2, 4, 4)).astype(np.float32)
    x[0, 0, 0] = 0.25  # on the threshold: a bit
    got = run_qonnx(model, {"x": x})["y"]
    np.testing.assert_allclose(got, graph.evaluate(model, {"x": x})["y"], atol=1e-6)


@pytest.mark.parametrize(("name", "side"), [("sibnn-small", 8), ("vgg-small", 8)])
def test_si_bnn_runs_there_and_comes_back_with_nothing_lost(run_qonnx, tmp_path, rng, name, side):
    torch.manual_seed(2)
    model, method = models.create(name, input_size=side, seed=0), methods.create("si-bnn")
    channels = models.defaults(name).in_channels
    x = rng.standard_normal((3, channels, side, side)).astype(np.float32)
    method.prepare(model, torch.from_numpy(x))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.from_numpy(x))
    method.convert(model.eval())
    captured, _ = to_graph(model, torch.from_numpy(x))
    (want,) = graph.evaluate(captured, {"x": x}).values()
    (got,) = run_qonnx(captured, {"x": x}).values()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert float(np.ptp(want)) > 1e-4

    graph.save(captured, tmp_path / "qonnx.onnx", inline=True)
    ops = {node.op_type for node in onnx.load(tmp_path / "qonnx.onnx").graph.node}
    assert {"Quant", "BipolarQuant"} <= ops
    mine = compile_graph(captured, name="same")
    back = compile_graph(graph.load(tmp_path / "qonnx.onnx"), name="same")
    assert set(back.tensors) == set(mine.tensors)
    for key, array in mine.tensors.items():
        np.testing.assert_array_equal(back.tensors[key], array, err_msg=key)
    np.testing.assert_array_equal(Engine(back)(x), Engine(mine)(x))
