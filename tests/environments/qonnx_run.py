"""Run a model in the executor of the ``qonnx`` package, in an environment of its own.

Usage: python qonnx_run.py MODEL.onnx INPUTS.npz OUTPUTS.npz
"""

import sys

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx


def main(model_path: str, inputs_path: str, outputs_path: str) -> None:
    model = ModelWrapper(model_path)
    with np.load(inputs_path) as file:
        feeds = dict(file)
    # The executor allocates every tensor beforehand: give the free batch its size.
    batch = len(next(iter(feeds.values())))
    graph = model.graph
    for info in (*graph.input, *graph.value_info, *graph.output):
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param == "N":
                dim.dim_value = batch
    np.savez(outputs_path, **execute_onnx(model, feeds))


if __name__ == "__main__":
    main(*sys.argv[1:])
