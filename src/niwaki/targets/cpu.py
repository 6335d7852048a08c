"""The `cpu` target: latency on this machine, of the engine and beside its peers. Measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from niwaki.errors import InputError, ToolMissingError
from niwaki.targets._base import TARGETS, Target
from niwaki.targets._timing import Runner, interleave

if TYPE_CHECKING:
    from collections.abc import Callable

    from niwaki.runtime import Engine, Program

ENGINE_RUNNER = "niwaki"
ORT_RUNNER = "onnxruntime"


def engine_runner(
    model: str | Path | Program | Engine, x: np.ndarray | None = None, *, threads: int = 1
) -> Runner:
    """Return a runner of the niwaki engine.

    Args:
        model: A ``.nwk`` or ``.onnx`` file, a program, or an engine that is loaded already.
        x: Input. Shape (N, C, H, W), float32; None makes one image of noise (seed 0).
        threads: Threads of the engine; an engine that is loaded keeps its own.
    """
    import niwaki
    from niwaki.runtime import Engine

    if isinstance(model, (str, Path)) or hasattr(model, "header"):
        engine = Engine(cast("str | Path | Program", model), threads=threads)
    else:
        engine = cast("Engine", model)
    batch = noise(tuple(engine.input_shape)) if x is None else x

    def call() -> object:
        return engine(batch)

    return Runner(ENGINE_RUNNER, call, threads, niwaki.__version__)


def onnxruntime_runner(
    path: str | Path, x: np.ndarray | None = None, *, threads: int = 1
) -> Runner:
    """Return a runner of ONNX Runtime's CPU provider, all graph optimisations on.

    Args:
        path: The ``.onnx`` file.
        x: As for `engine_runner`.
        threads: Threads within an operator; operators run one after the other.

    Raises:
        ToolMissingError: onnxruntime isn't installed.
        InputError: The file is missing, or ONNX Runtime can't run it on this input.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ToolMissingError(
            "bench", "onnxruntime must be installed", fix="pip install 'niwaki[peers]'"
        ) from error
    if not Path(path).is_file():
        raise InputError("bench", "the model must be a file that exists", got=str(path))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    # Its threads otherwise spin for a while behind a run, in the way of whoever runs next.
    options.add_session_config_entry("session.force_spinning_stop", "1")

    def load(model: str | bytes) -> Any:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    try:
        session = load(str(path))
        source: Any = session.get_inputs()[0]
        batch = noise(tuple(source.shape[1:])) if x is None else x
        if isinstance(source.shape[0], int) and source.shape[0] != batch.shape[0]:
            session = load(_with_open_batch(path))
        feeds = {source.name: batch}
        session.run(None, feeds)
    except Exception as error:  # its exceptions have no class in common
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            "bench", "ONNX Runtime must be able to run the file", got=reason
        ) from error

    def call() -> object:
        return session.run(None, feeds)

    return Runner(ORT_RUNNER, call, threads, onnxruntime.__version__)


def _with_open_batch(path: str | Path) -> bytes:
    """Return a file's network with the batch left open: torch.onnx fixes it unless told not to."""
    import onnx

    model = onnx.load(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        if value.name not in weights and len(sizes) > 0:
            sizes[0].dim_param = "N"
    del model.graph.value_info[:]
    return model.SerializeToString()


def callable_runner(
    name: str, call: Callable[[np.ndarray], object], x: np.ndarray, *, threads: int, version: str
) -> Runner:
    """Return a runner of anything else, e.g. torch, which this package doesn't import.

    Args:
        name: Its short name, e.g. ``torch``.
        call: Takes the input and runs it; its threads are the caller's to set.
        x: The input.
        threads: How many threads it was told to use.
        version: Its version.
    """
    return Runner(name, lambda: call(x), threads, version)


def noise(shape: tuple[int, ...], batch: int = 1, seed: int = 0) -> np.ndarray:
    """Return a batch of standard normal noise. Shape (batch, *shape), float32."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, *shape)).astype(np.float32)


class CpuTarget(Target):
    """Price one image's latency in the engine on this machine, one thread."""

    name: ClassVar[str] = "cpu"
    bounds: ClassVar[tuple[str, ...]] = ("latency_ms",)
    measured: ClassVar[bool] = True

    def price(self, program: Program) -> dict[str, float]:
        """Return ``latency_ms``, the median of 50 runs at most (2 seconds)."""
        timing = interleave([engine_runner(program)], seconds=2.0)[ENGINE_RUNNER]
        return {"latency_ms": timing.median_ms}


TARGETS.register("cpu")(CpuTarget())
