"""What importing may load, in a fresh process: the base has no torch, the engine no onnx."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

PROBE = """
import sys
{code}
loaded = [name for name in {names!r} if name in sys.modules]
assert not loaded, loaded
"""


def loads_none_of(names: list[str], code: str) -> None:
    """Run code in a fresh process, which then must have imported none of the names."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code, names=names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def nwk_file(tmp_path_factory):
    from niwaki import graph
    from niwaki.runtime import compile_graph, nwk

    path = tmp_path_factory.mktemp("imports") / "m.nwk"
    weight = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w")
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 6, 6])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 4, 4])],
            [weight],
        ),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 18)],
    )
    onnx.save(model, path.with_suffix(".onnx"))
    nwk.write(path, compile_graph(graph.load(path.with_suffix(".onnx"))))
    return path


def test_the_engine_runs_a_packed_file_without_torch_and_onnx(nwk_file):
    code = (
        "import numpy, niwaki, niwaki.runtime\n"
        f"y = niwaki.Engine({str(nwk_file)!r})(numpy.ones((3, 1, 6, 6), numpy.float32))\n"
        "assert y.shape == (3, 2, 4, 4) and (y == 9).all()"
    )
    loads_none_of(["torch", "onnx", "onnx_ir", "onnxscript", "pydantic"], code)


def test_what_lies_below_training_loads_no_torch(nwk_file):
    code = (
        "import niwaki.graph, niwaki.targets, niwaki.planner, niwaki.formats, niwaki.structures\n"
        "import niwaki.runtime.compile, niwaki.graph.integer, niwaki.graph.layers\n"
        "niwaki.targets.TARGETS.names(); niwaki.formats.FORMATS.names()\n"
        "niwaki.graph.passes.PASSES.names(); niwaki.Budget(size_kb=3)\n"
        f"niwaki.graph.load({str(nwk_file.with_suffix('.onnx'))!r})"
    )
    loads_none_of(["torch"], code)


def test_the_help_loads_nothing_heavy():
    code = (
        "from niwaki.cli import run_verb\n"
        "assert run_verb(['--help']) == 0 and run_verb(['compress', '--help']) == 0"
    )
    loads_none_of(["torch", "onnx", "onnx_ir", "numpy", "niwaki.recipe"], code)


def test_the_verbs_that_only_run_load_no_torch(nwk_file):
    code = f"from niwaki.cli import run_verb\nassert run_verb(['inspect', {str(nwk_file)!r}]) == 0"
    loads_none_of(["torch", "onnx", "onnx_ir"], code)


WITHOUT_TORCH = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""


@pytest.mark.parametrize(
    "arguments",
    [["compress", "--out", "o"], ["list", "methods"], ["list", "models"], ["list", "data"]],
    ids=" ".join,
)
def test_a_verb_that_needs_torch_says_so_in_one_line(arguments, tmp_path):
    code = f"{WITHOUT_TORCH}\nfrom niwaki.cli import main\nsys.argv[1:] = {arguments!r}\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    wanted = "[niwaki] torch must be installed. pip install 'niwaki[train]'."
    assert (done.returncode, done.stderr.strip()) == (2, wanted)
    assert list(tmp_path.iterdir()) == []


def test_the_face_says_what_to_install():
    code = (
        f"{WITHOUT_TORCH}\nimport niwaki\ntry:\n    niwaki.Session\n"
        "except niwaki.errors.ToolMissingError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    wanted = "[niwaki] torch must be installed. pip install 'niwaki[train]'."
    assert done.stdout.strip() == wanted, done.stderr
