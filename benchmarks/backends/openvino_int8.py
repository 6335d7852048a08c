"""OpenVINO in 8 bits: the dense network after NNCF's post-training quantisation.

Quantised on noise, as random weights have seen nothing else: ranges, and so times, are as usual;
accuracies mean nothing here. Its preset and number of calibration steps are NNCF's defaults but for
the subset, which is smaller.
"""

import importlib.util
from pathlib import Path

import nncf
import numpy as np
import openvino

IMAGES = 16


def prepare(path, folder, threads):
    target = Path(folder, f"{Path(path).stem}.int8.xml")
    if target.exists():
        return str(target)
    model = openvino.Core().read_model(path)
    shape = [int(str(side)) for side in list(model.input(0).partial_shape)[1:]]
    model.reshape([1, *shape])
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal((1, *shape)).astype(np.float32) for _ in range(IMAGES)]
    quantized = nncf.quantize(model, nncf.Dataset(noise), subset_size=IMAGES)
    openvino.save_model(quantized, target, compress_to_fp16=False)
    return str(target)


def load(path, threads, batch):
    return _float_backend().load(path, threads, batch, precision={})


def _float_backend():
    """Load the file beside this one: its name is the package's, so it can't be imported by it."""
    where = Path(__file__).with_name("openvino.py")
    spec = importlib.util.spec_from_file_location("openvino_float", where)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
