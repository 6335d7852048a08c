"""Call torch's exporters: quietly, with a free batch, and with errors that say what to do."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.onnx import errors

from niwaki._capture_markers import TRANSLATIONS
from niwaki.errors import InputError, NiwakiError, UnsupportedOpError
from niwaki.graph.functions import OPSET

if TYPE_CHECKING:
    from collections.abc import Generator

    import onnx_ir as ir
    from torch import Tensor, nn

_FIX = "Use static shapes and no branches on tensor values in forward"


def as_inputs(example_inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return example inputs as a tuple of tensors.

    Raises:
        InputError: There are none, or one isn't a tensor with a batch of at least 1.
    """
    inputs = tuple(example_inputs) if isinstance(example_inputs, Sequence) else (example_inputs,)
    for item in inputs or (None,):
        if not isinstance(item, torch.Tensor) or item.ndim == 0 or item.shape[0] == 0:
            raise InputError(
                "example_inputs",
                "every input must be a tensor with a batch of at least 1",
                got=tuple(item.shape) if isinstance(item, torch.Tensor) else type(item).__name__,
            )
    # Copied: where an axis has length 1 (a picture that was NHWC) its stride may be anything, and
    # the exporter would take it for another memory format and gather the values one by one.
    return tuple(item.clone(memory_format=torch.contiguous_format) for item in inputs)


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put a module into eval mode meanwhile; every part gets its own mode back."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def export_program(
    module: nn.Module, inputs: tuple[Tensor, ...], *, dynamic: bool
) -> torch.export.ExportedProgram:
    """Trace a module with ``torch.export`` (``strict=False``).

    Args:
        module: In eval mode.
        inputs: Example inputs.
        dynamic: Whether the batch stays free.

    Raises:
        InputError: The module can't run on the inputs, or can't be traced.
    """
    shapes = None
    if dynamic:
        # A batch of 1 would be taken for a constant.
        inputs = tuple(torch.cat([item, item]) if len(item) == 1 else item for item in inputs)
        shapes = tuple({0: torch.export.Dim("N")} for _ in inputs)
    with torch.no_grad():
        try:
            module(*inputs)
        except NiwakiError:
            raise
        except Exception as error:
            raise InputError(
                "example_inputs",
                f"the module must run on them: {_cause(error)}",
                got=", ".join(str(tuple(item.shape)) for item in inputs),
            ) from error
        with _quiet():
            try:
                return torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
            except Exception as error:
                raise InputError(
                    "to_graph",
                    f"torch.export must be able to trace the module: {_cause(error)}",
                    got=type(module).__name__,
                    fix=_FIX,
                ) from error


def to_onnx(
    program: torch.export.ExportedProgram, where: str
) -> tuple[torch.export.ExportedProgram, ir.Model]:
    """Translate an exported program; return it, decomposed as it was translated, and the model.

    Raises:
        UnsupportedOpError: An operation has no ONNX form; names it.
    """
    with _quiet():
        try:
            result: Any = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                custom_translation_table=TRANSLATIONS,
                optimize=True,
                verbose=False,
            )
        except errors.OnnxExporterError as error:
            raise UnsupportedOpError(
                where,
                "every operation must have an ONNX form",
                got=_untranslated(error),
                fix="Write the layer with other operations",
            ) from error
    return result.exported_program, result.model


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Hold back what torch's exporter says about itself on every call."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)  # "torchvision is not installed"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _untranslated(error: BaseException) -> str:
    """Return operation and node that the exporter stopped at, or else its innermost error."""
    cause: BaseException | None = error
    while cause is not None:
        found = re.search(r"translating node %(\w+) .*?target=([\w.]+)", str(cause))
        if found:
            return f"{found[2]} (node {found[1]})"
        cause = cause.__cause__
    return _cause(error)


def _cause(error: BaseException) -> str:
    """Return the first line of the innermost error's text."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."
