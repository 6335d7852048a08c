"""Two CPU processes by ``accelerate launch`` (gloo): equal masks, and it learns."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from niwaki import models
from niwaki.train import Session, TrainSettings, distributed, fit, total_steps

TRAIN = """
import json, sys
import torch
torch.set_num_threads(1)
from niwaki import models
from niwaki.train import Session, TrainSettings, checkpoint, data, distributed, evaluate, fit
from niwaki.train import total_steps
digits = data.load("digits")
settings = TrainSettings(epochs=4, batch_size=64, lr=3e-3)
model = models.create("digits-cnn", seed=0)
x = next(digits.batches("test", 4))[0]
session = Session(model, "bap", 0.9, total_steps=total_steps(digits, settings), example_inputs=x)
history = fit(model, digits, settings, session, checkpoint_dir=sys.argv[1], checkpoint_steps=40)
rank = distributed.rank()
result = {
    "rank": rank,
    "world": distributed.world_size(),
    "masks": distributed.mask_hash(session.masks()),
    "weights": checkpoint.weights_hash(model),
    "sparsity": session.sparsity,
    "recorded": history.test_accuracy,
    "accuracy": evaluate(model, digits)[0],
}
with open(f"{sys.argv[1]}/rank{rank}.json", "w") as file:
    json.dump(result, file)
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(arguments):
    paths = [str(Path(path).resolve()) for path in sys.path if path]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    env["CUDA_VISIBLE_DEVICES"] = ""  # CPUs, wherever the test runs
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_two_processes_train_one_network(digits, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    both = tmp_path / "two"
    both.mkdir()
    # --cpu would ask for MPI; --multi_gpu means torch's own launcher, and without a GPU it is gloo.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", str(free_port()), "--num_cpu_threads_per_process", "1"]
    run([*launch, str(script), str(both)])
    first, second = (json.loads((both / f"rank{r}.json").read_text()) for r in (0, 1))
    assert (first["rank"], second["rank"]) == (0, 1)
    assert first["world"] == second["world"] == 2
    assert first["masks"] == second["masks"]
    assert first["weights"] == second["weights"]
    assert first["sparsity"] == pytest.approx(0.9, abs=1e-4)
    assert first["recorded"] == second["recorded"] == first["accuracy"]
    # One process, the same settings: the same ballpark (each rank's batch norm sees half a batch).
    settings = TrainSettings(epochs=4, batch_size=64, lr=3e-3)
    model = models.create("digits-cnn", seed=0)
    x = next(digits.batches("test", 4))[0]
    steps = total_steps(digits, settings)
    session = Session(model, "bap", 0.9, total_steps=steps, example_inputs=x)
    single = fit(model, digits, settings, session).test_accuracy
    assert min(first["accuracy"], single) > 0.8
    assert abs(first["accuracy"] - single) < 0.1


def test_without_a_process_group():
    masks = {"a": torch.ones(3, dtype=torch.bool)}
    distributed.agree(lambda: {"a": np.array([True, False, True])}, masks)
    assert masks["a"].tolist() == [True, False, True]
    distributed.check_equal_on_all_ranks(masks)
    distributed.barrier()
    distributed.broadcast_buffers(torch.nn.BatchNorm1d(2))
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert distributed.sum_over_ranks([1.0, 2.0]) == [1.0, 2.0]


def test_mask_hash_sees_names_and_values():
    mask = torch.tensor([True, False])
    hashes = {distributed.mask_hash({"a": mask}), distributed.mask_hash({"b": mask})}
    hashes.add(distributed.mask_hash({"a": ~mask}))
    assert len(hashes) == 3
