"""DeepSparse 1.8, the last of its kind: closed source, Python 3.11 at most."""

import deepsparse


def load(path, threads, batch):
    engine = deepsparse.compile_model(path, batch_size=batch, num_cores=threads)
    return lambda x: engine.run([x])[0], deepsparse.__version__
