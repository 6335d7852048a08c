"""The loop: it learns, records, hands back, and refuses what can't be."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from niwaki import models
from niwaki.errors import ValueDomainError
from niwaki.train import Session, TrainSettings, evaluate, fit, total_steps
from niwaki.train.distill import training_loss
from niwaki.train.schedule import lr_factor

QUICK = TrainSettings(epochs=2, batch_size=32, lr=3e-3)


def net():
    return models.create("digits-cnn", seed=0)


def session_of(model, dataset, settings, method="bap", **options):
    x = next(dataset.batches("test", 4))[0]
    steps = total_steps(dataset, settings)
    return Session(model, method, 0.9, total_steps=steps, example_inputs=x, **options)


def test_learns_and_records(digits):
    model = net()
    before = torch.get_rng_state()
    history = fit(model, digits, QUICK)
    assert torch.equal(torch.get_rng_state(), before)  # the user's generator is left alone
    assert [record.epoch for record in history.epochs] == [0, 1]
    assert history.epochs[1].train_loss < history.epochs[0].train_loss
    assert history.test_accuracy > 0.6
    assert history.epochs[1].lr < history.epochs[0].lr <= QUICK.lr
    assert history.seconds > 0
    assert not model.training
    accuracy, loss = evaluate(model, digits)
    assert accuracy == history.test_accuracy
    assert loss == pytest.approx(history.epochs[-1].test_loss)


def test_is_the_same_twice_and_differs_by_seed(digits):
    runs = []
    for seed in (0, 0, 1):
        model = net()
        fit(model, digits, dataclasses.replace(QUICK, seed=seed, epochs=1))
        runs.append(model.conv2.weight.detach())
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_with_a_session(digits, capsys):
    model = net()
    session = session_of(model, digits, QUICK)
    history = fit(model, digits, QUICK, session)
    assert history.epochs[-1].sparsity == pytest.approx(0.9, abs=1e-4)
    session.convert()
    assert evaluate(model, digits)[0] == pytest.approx(history.test_accuracy, abs=0.01)
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "")  # silent where it isn't a terminal


def test_session_of_another_length_or_model(digits):
    model = net()
    session = session_of(model, digits, dataclasses.replace(QUICK, epochs=3))
    with pytest.raises(ValueDomainError, match="must have total_steps="):
        fit(model, digits, QUICK, session)
    with pytest.raises(ValueDomainError, match="of the model that is trained"):
        fit(net(), digits, QUICK, session_of(model, digits, QUICK))


def test_distillation_follows_the_teacher(digits):
    teacher = net()
    fit(teacher, digits, dataclasses.replace(QUICK, epochs=3))
    settings = dataclasses.replace(QUICK, distill=1.0)
    kept = {key: value.clone() for key, value in teacher.state_dict().items()}
    student, control = models.create("digits-cnn", seed=3), models.create("digits-cnn", seed=3)
    fit(student, digits, settings, teacher=teacher)
    fit(control, digits, dataclasses.replace(QUICK, epochs=0))
    for key, value in teacher.state_dict().items():
        assert torch.equal(value, kept[key]), key
    x = next(digits.batches("test", 64))[0]
    with torch.no_grad():
        want = teacher(x).argmax(1)
        assert (student(x).argmax(1) == want).float().mean() > 0.6


def test_distillation_loss_by_hand():
    logits, soft = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 0.0]])
    labels = torch.tensor([0])
    p = torch.softmax(soft / 2, 1)
    kl = float((p * (p.log() - torch.log_softmax(logits / 2, 1))).sum())
    hard = float(F.cross_entropy(logits, labels))
    got = float(training_loss(logits, labels, soft, distill=0.25, temperature=2.0))
    assert got == pytest.approx(0.75 * hard + 0.25 * 4 * kl, rel=1e-5)
    assert float(training_loss(logits, labels, None, distill=0.25)) == pytest.approx(hard)


def test_max_steps_stops_and_ends_the_schedule(digits):
    settings = dataclasses.replace(QUICK, max_steps=7)
    model = net()
    session = session_of(model, digits, settings, "magnitude")
    assert session.total_steps == 7
    history = fit(model, digits, settings, session)
    assert session.steps_done == 7
    assert len(history.epochs) == 1
    assert session.method.is_settled()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_other_optimizers(digits, optimizer):
    lr = 0.1 if optimizer == "sgd" else 3e-3
    settings = dataclasses.replace(QUICK, optimizer=optimizer, lr=lr, warmup=0.2)
    assert fit(net(), digits, settings).test_accuracy > 0.5


def test_mixed_precision_and_back(digits):
    settings = dataclasses.replace(QUICK, epochs=1, mixed_precision="bf16")
    model = net()
    forward = model.forward
    fit(model, digits, settings)
    assert model.forward == forward
    assert model(torch.zeros(1, 1, 8, 8)).dtype == torch.float32
    assert fit(net(), digits, dataclasses.replace(QUICK, epochs=1)).epochs


def test_augmentation_can_be_off(digits):
    on, off = net(), net()
    policy = type(digits.augment)(shift=1)
    shifted = dataclasses.replace(digits, augment=policy)
    settings = dataclasses.replace(QUICK, epochs=1)
    fit(on, shifted, settings)
    fit(off, shifted, dataclasses.replace(settings, augment=False))
    assert not torch.equal(on.conv1.weight, off.conv1.weight)


def test_tensorboard_logs(digits, tmp_path):
    fit(net(), digits, dataclasses.replace(QUICK, epochs=1), log_dir=tmp_path / "logs")
    (events,) = (tmp_path / "logs").iterdir()
    assert events.name.startswith("events.out.tfevents")
    assert b"test_accuracy" in events.read_bytes()


def test_weight_decay_leaves_biases_and_thresholds_alone(digits):
    model = net()
    settings = dataclasses.replace(QUICK, epochs=1, max_steps=1)
    session = session_of(model, digits, settings)
    session.prepare()
    from niwaki.train._run import Run

    run = Run(model, digits, settings, session, None)
    decayed, plain = run.optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (settings.weight_decay, 0.0)
    no_decay = {id(p) for p in session.method.no_decay_parameters()}
    assert no_decay <= {id(p) for p in plain["params"]}
    assert all(p.dim() >= 2 for p in decayed["params"])


def test_a_loss_that_explodes_is_told(digits):
    model = net()
    with torch.no_grad():
        model.fc.weight.fill_(float("inf"))
    with pytest.raises(ValueDomainError, match=r"the loss must stay finite, got .* at step 0"):
        fit(model, digits, QUICK)


def test_dropout_is_drawn_from_the_step(digits):
    def run():
        torch.manual_seed(torch.initial_seed() % 1000 + 1)  # another state of the user's generator
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
        with torch.no_grad():
            model[2].weight.zero_()
            model[2].bias.zero_()
        fit(model, digits, dataclasses.replace(QUICK, epochs=1))
        return model[2].weight.detach()

    assert torch.equal(run(), run())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", -1),
        ("batch_size", 0),
        ("warmup", 1.5),
        ("distill", -0.1),
        ("optimizer", "lion"),
        ("temperature", 0.0),
        ("label_smoothing", 1.0),
    ],
)
def test_settings_out_of_range(field, value):
    with pytest.raises(ValueDomainError, match=rf"\[train\] {field} must be .*, got {value!r}"):
        TrainSettings(**{field: value})


def test_schedule():
    assert lr_factor(0, 100) == 1.0
    assert lr_factor(50, 100) == pytest.approx(0.5)
    assert lr_factor(99, 100) < 1e-3
    assert lr_factor(3, 100, warmup=8) == 0.5
    assert lr_factor(70, 100, "constant", 8) == 1.0
