"""ONNX Runtime's CPU provider, all graph optimisations on."""

import onnxruntime


def load(path, threads, batch):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name
    return lambda x: session.run(None, {source: x})[0], onnxruntime.__version__
