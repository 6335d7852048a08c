"""The inlined file in another project's executor: same bits out of the same bits in."""

from __future__ import annotations

import numpy as np

from niwaki import graph


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
