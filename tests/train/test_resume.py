"""A run that is killed at any moment and resumed gives the uninterrupted run's weights."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from niwaki import models
from niwaki.errors import InputError
from niwaki.train import Session, TrainSettings, checkpoint, fit, total_steps

SETTINGS = TrainSettings(epochs=3, batch_size=128, lr=2e-3, distill=0.3)

# One process that trains; the pause lets a kill hit inside a step, between two, and in a write.
TRAIN = """
import sys, time
import torch
torch.set_num_threads(1)
from niwaki import models
from niwaki.train import Session, TrainSettings, checkpoint, data, fit, total_steps
folder, pause = sys.argv[1], float(sys.argv[2])
digits = data.load("digits")
settings = TrainSettings(epochs=3, batch_size=128, lr=2e-3, distill=0.3)
model, teacher = models.create("digits-cnn", seed=0), models.create("digits-cnn", seed=1)
x = next(digits.batches("test", 4))[0]
session = Session(model, "bap", 0.95, total_steps=total_steps(digits, settings), example_inputs=x)
class Slow(Session):
    def step(self):
        super().step()
        print("step", flush=True)
        time.sleep(pause)
session.__class__ = Slow
print("begin", flush=True)
fit(model, digits, settings, session, teacher, checkpoint_dir=folder, checkpoint_steps=3)
print("hash", checkpoint.weights_hash(model), session.steps_done, flush=True)
"""


def session_of(model, digits, settings):
    x = next(digits.batches("test", 4))[0]
    steps = total_steps(digits, settings)
    return Session(model, "bap", 0.95, total_steps=steps, example_inputs=x)


def uninterrupted(digits):
    model, teacher = models.create("digits-cnn", seed=0), models.create("digits-cnn", seed=1)
    fit(model, digits, SETTINGS, session_of(model, digits, SETTINGS), teacher)
    return checkpoint.weights_hash(model)


def start(folder, pause):
    paths = [str(Path(path).resolve()) for path in sys.path if path]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(folder), str(pause)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if line != "begin\n":
        pytest.fail(line + process.communicate()[1])
    return process


@pytest.mark.slow
def test_kill_9_at_three_moments_and_resume(digits, tmp_path):
    want = uninterrupted(digits)
    draw = random.Random(20)
    kills = 0
    for _ in range(3):
        process = start(tmp_path / "c", 0.03)
        # By steps first, so that a busy machine can't hold up the whole test; then at any moment.
        for _ in range(draw.randint(4, 11)):
            assert process.stdout.readline() == "step\n"
        time.sleep(draw.uniform(0.0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 3  # none ended before it was hit
    assert checkpoint.load(tmp_path / "c") is not None
    process = start(tmp_path / "c", 0.0)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.split()[-3:] == ["hash", want, str(total_steps(digits, SETTINGS))]


class _KilledError(Exception):
    """Stands for a kill: nothing of the loop runs after it."""


def test_every_position_in_the_epoch_resumes(digits, tmp_path, monkeypatch):
    settings = dataclasses.replace(SETTINGS, epochs=2, batch_size=479, distill=0.0)
    model = models.create("digits-cnn", seed=0)
    whole = fit(model, digits, settings, session_of(model, digits, settings))
    want, steps = checkpoint.weights_hash(model), total_steps(digits, settings)
    assert steps == 2 * 3 or steps == 2 * 4
    for stop in range(1, steps + 1):
        folder = tmp_path / str(stop)
        model = models.create("digits-cnn", seed=0)
        session = session_of(model, digits, settings)
        done = session.step

        def step_then_die(session=session, done=done, stop=stop):
            done()
            if session.steps_done == stop + 1:
                raise _KilledError

        monkeypatch.setattr(session, "step", step_then_die)
        if stop < steps:
            with pytest.raises(_KilledError):
                fit(model, digits, settings, session, checkpoint_dir=folder, checkpoint_steps=1)
            assert [p.name for p in folder.iterdir()] == [f"step-{stop:08d}"]
        else:
            fit(model, digits, settings, session, checkpoint_dir=folder, checkpoint_steps=1)
        model = models.create("digits-cnn", seed=0)
        session = session_of(model, digits, settings)
        history = fit(model, digits, settings, session, checkpoint_dir=folder)
        assert checkpoint.weights_hash(model) == want, stop
        for a, b in zip(history.epochs, whole.epochs, strict=True):
            assert dataclasses.replace(a, seconds=0) == dataclasses.replace(b, seconds=0)


def test_other_settings_are_refused_and_resume_can_be_off(digits, tmp_path):
    settings = dataclasses.replace(SETTINGS, epochs=1, distill=0.0)
    fit(models.create("digits-cnn", seed=0), digits, settings, checkpoint_dir=tmp_path)
    other = dataclasses.replace(settings, lr=0.5)
    with pytest.raises(InputError, match=r"a run with the same lr, 0.5, got 0.002 in"):
        fit(models.create("digits-cnn", seed=0), digits, other, checkpoint_dir=tmp_path)
    model = models.create("digits-cnn", seed=4)
    fit(model, digits, settings, checkpoint_dir=tmp_path, resume=False)
    again = models.create("digits-cnn", seed=4)
    fit(again, digits, settings)
    assert torch.equal(model.conv2.weight, again.conv2.weight)
