"""The Graph: ONNX in QONNX's dialect, held as ``onnx_ir.Model``. No torch from here down."""

from niwaki.graph.evaluate import Evaluator as Evaluator, evaluate as evaluate
from niwaki.graph.functions import attach_functions as attach_functions
from niwaki.graph.io import (
    from_proto as from_proto,
    load as load,
    save as save,
    to_proto as to_proto,
)
from niwaki.graph.passes import run_passes as run_passes
