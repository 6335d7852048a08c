"""The Graph: ONNX in QONNX's dialect, held as ``onnx_ir.Model``. No torch below this line."""

from niwaki.graph.evaluate import Evaluator as Evaluator, evaluate as evaluate
from niwaki.graph.functions import attach_functions as attach_functions
from niwaki.graph.io import load as load, save as save, to_proto as to_proto
