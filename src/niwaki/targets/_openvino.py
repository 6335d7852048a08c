"""OpenVINO as a peer: the same ONNX file, dense, in floats and in 8 bits (NNCF's quantisation)."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from niwaki.errors import InputError, NiwakiError, ToolMissingError
from niwaki.targets._timing import Runner

if TYPE_CHECKING:
    import numpy as np

OPENVINO_RUNNER = "openvino"
OPENVINO_INT8_RUNNER = "openvino int8"
CALIBRATION_IMAGES = 4


def openvino_runner(
    path: str | Path, x: np.ndarray, *, threads: int = 1, form: Literal["f32", "int8"] = "f32"
) -> Runner:
    """Return a runner of OpenVINO's CPU plugin.

    In 8 bits the network is quantised on the input given, repeated: ranges don't change the time,
    only the accuracy, which isn't looked at here.

    Args:
        path: The ``.onnx`` file.
        x: Input. Shape (N, C, H, W), float32.
        threads: Threads of inference.
        form: Arithmetic.

    Raises:
        ToolMissingError: openvino isn't installed, or nncf for 8 bits.
        InputError: The file is missing, or OpenVINO or NNCF can't take it.
    """
    if not Path(path).is_file():
        raise InputError("bench", "the model must be a file that exists", got=str(path))
    try:
        import openvino  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ToolMissingError(
            "bench", "openvino must be installed", fix="pip install openvino"
        ) from error
    try:
        core: Any = openvino.Core()
        model: Any = core.read_model(str(path))
        model.reshape(list(x.shape))
        if form == "int8":
            model = _quantized(model, x)
        settings: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if form == "f32":  # 8 bits leave the rest to the plugin, as a user would
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        request: Any = core.compile_model(model, "CPU", settings).create_infer_request()
        request.infer({0: x}, share_inputs=True, share_outputs=True)
    except NiwakiError:
        raise
    except Exception as error:  # its own tree of exceptions, one of them per plugin
        reason = " ".join(str(error).split())[:200]
        raise InputError("bench", "OpenVINO must be able to run the file", got=reason) from error

    def call() -> object:
        return request.infer({0: x}, share_inputs=True, share_outputs=True)

    name = OPENVINO_INT8_RUNNER if form == "int8" else OPENVINO_RUNNER
    return Runner(name, call, threads, importlib.metadata.version("openvino"))


def _quantized(model: Any, x: np.ndarray) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # its bars would go into a result on stdout
        try:
            import nncf  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError as error:
            raise ToolMissingError(
                "bench", "nncf must be installed", fix="pip install nncf"
            ) from error
        logging.getLogger("nncf").setLevel(logging.ERROR)
        dataset: Any = nncf.Dataset([x] * CALIBRATION_IMAGES)
        return nncf.quantize(model, dataset, subset_size=CALIBRATION_IMAGES)
