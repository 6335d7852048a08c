"""OpenVINO in float32, one stream, tuned for latency."""

import openvino

PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}


def load(path, threads, batch, precision=PRECISION):
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([batch, *(int(str(side)) for side in list(model.input(0).partial_shape)[1:])])
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", settings | precision).create_infer_request()

    def run(x):
        request.infer({0: x}, share_inputs=True, share_outputs=True)
        return request.get_output_tensor(0).data

    return run, openvino.__version__.split("-")[0]
