"""What ``--model`` takes."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from niwaki import models
from niwaki.errors import InputError, RegistryError, ToolMissingError

EXAMPLE = Path(__file__).parents[2] / "examples" / "user_network.py"


def write(folder, text):
    path = folder / "net.py"
    path.write_text(text)
    return path


def test_a_name():
    model = models.from_spec("lenet5", num_classes=3, in_channels=3, input_size=32)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    with pytest.raises(RegistryError, match="must be one of"):
        models.from_spec("lenet6")


def test_the_example_gets_the_numbers_that_it_names():
    model = models.from_spec(f"{EXAMPLE}:make", num_classes=4, in_channels=1, input_size=16)
    assert model.eval()(torch.zeros(2, 1, 16, 16)).shape == (2, 4)
    assert models.default_ignore(model) == ["stem.0", "head"]


def test_make_is_the_default_callable_and_a_seed_decides():
    first = models.from_spec(str(EXAMPLE), seed=1).state_dict()
    second = models.from_spec(f"{EXAMPLE}:make", seed=1).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_callable_without_parameters(tmp_path):
    path = write(tmp_path, "import torch\ndef build():\n    return torch.nn.Linear(2, 2)\n")
    assert isinstance(models.from_spec(f"{path}:build", num_classes=9), torch.nn.Linear)


def test_a_missing_file():
    with pytest.raises(InputError, match=r"a known name, FILE\.py:CALLABLE .*, got none\.py"):
        models.from_spec("none.py:make")


def test_a_missing_callable_lists_what_is_there(tmp_path):
    path = write(tmp_path, "def build(): ...\ndef _hidden(): ...\n")
    with pytest.raises(InputError, match=r"must define a callable 'make', got only build"):
        models.from_spec(f"{path}:make")


def test_what_is_no_module_is_refused(tmp_path):
    path = write(tmp_path, "def make(): return 3\n")
    with pytest.raises(InputError, match=r"must return a torch\.nn\.Module, got int"):
        models.from_spec(f"{path}:make")


def test_a_file_that_fails_says_how(tmp_path):
    path = write(tmp_path, "raise OSError('no')\n")
    with pytest.raises(InputError, match=r"the file must import, got OSError: no"):
        models.from_spec(f"{path}:make")


def test_a_callable_that_fails_says_how(tmp_path):
    path = write(tmp_path, "def make(): return 1 / 0\n")
    with pytest.raises(InputError, match=r"got ZeroDivisionError: division by zero"):
        models.from_spec(f"{path}:make")


def test_timm_is_asked_for_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ToolMissingError, match="pip install timm"):
        models.from_spec("timm:resnet18")


def test_timm_makes_the_network(monkeypatch):
    asked = {}

    def create_model(name, pretrained, **arguments):
        if name != "resnet18":
            raise RuntimeError(f"Unknown model ({name})")
        asked.update(arguments)
        return torch.nn.Linear(1, 1)

    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    models.from_spec("timm:resnet18", num_classes=3, in_channels=1, input_size=64)
    assert asked == {"num_classes": 3, "in_chans": 1}
    with pytest.raises(InputError, match=r"one that timm knows, got .*Unknown model \(vgg99\)"):
        models.from_spec("timm:vgg99")
