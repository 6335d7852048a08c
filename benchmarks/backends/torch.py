"""torch, eager: the same random network, dense, made anew from its name."""

import sys
from pathlib import Path

import torch


def load(path, threads, batch):
    sys.path.append(str(Path(__file__).parents[1]))
    import networks

    torch.set_num_threads(threads)
    name, seed = networks.parse_dense(path)
    model = networks.torch_model(name, seed)

    def run(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return run, torch.__version__
