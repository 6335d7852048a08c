"""The forms of a finished network: torch module, Graph and program; float, or integer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from niwaki import capture, runtime
from niwaki.graph import integer
from niwaki.train.integer import IntegerNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import onnx_ir as ir
    from torch import nn

    from niwaki.runtime import Program
    from niwaki.train._compress_job import Job

_BATCH = 128


@dataclass(frozen=True)
class Forms:
    """Hold one finished network in all its forms."""

    network: nn.Module
    """What torch runs in the comparison of latency: the deployable network in float."""
    trained: nn.Module
    """What was trained last, and holds the final weights: `network`, or its integer imitation."""
    graph: ir.Model
    recorder: Callable[[np.ndarray], dict[str, np.ndarray]]
    """Images to torch's value of every value of the Graph."""
    program: Program


def float_forms(network: nn.Module, job: Job) -> Forms:
    """Export a converted network and compile it."""
    network.eval()
    model, recorder = capture.to_graph(network, job.example())
    return Forms(network, network, model, recorder, pack(model, job))


def integer_network(found: Forms, job: Job) -> IntegerNetwork:
    """Calibrate a float network on training images and return its integer imitation."""
    ranges = integer.calibrate(
        found.graph,
        _calibration(job),
        record=found.recorder,
        quantile=job.recipe.integer.quantile,
    )
    return IntegerNetwork(found.graph, ranges).eval()


def integer_forms(found: Forms, imitation: IntegerNetwork, job: Job) -> Forms:
    """Write and compile the integer Graph of an imitation, trained or not."""
    imitation.eval()
    model = imitation.to_graph()
    return Forms(found.network, imitation, model, imitation.values, pack(model, job))


def pack(model: ir.Model, job: Job) -> Program:
    """Compile a Graph, with the preprocessing and the class names inside."""
    return runtime.compile_graph(
        model,
        preprocess=job.data.preprocess,
        classes=list(job.data.classes),
        name=job.model_name,
    )


def _calibration(job: Job) -> Iterator[np.ndarray]:
    """Yield the first training images, as the network gets them and not augmented."""
    count = min(job.recipe.integer.calibration_images, len(job.data.train))
    size = min(_BATCH, count)
    batches = job.data.batches("train", size, train=False)
    for x, _ in itertools.islice(batches, count // size):
        yield x.numpy()
