"""Labelled pictures from names, files, folders and `torch.utils.data.Dataset`s.

`load` takes what ``--data`` takes and gives a `DataSet`. A named set is one file here, which
registers itself.
"""

from niwaki.train.data._batches import (
    batches as batches,
    batches_per_epoch as batches_per_epoch,
    normalize_tensor as normalize_tensor,
)
from niwaki.train.data._load import load as load
from niwaki.train.data._registry import (
    NamedSet as NamedSet,
    names as names,
    register_data as register_data,
)
from niwaki.train.data._types import DataSet as DataSet, Images as Images, Split as Split
