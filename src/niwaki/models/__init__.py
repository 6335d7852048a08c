"""Networks by name, the user's own by file, and their weights.

`names` and `create` read the registry: one file per family, which registers itself. `from_spec`
takes what ``--model`` takes, `load_weights` what ``--weights`` takes. `load_trained` makes networks
with weights that others trained for ImageNet.
"""

from niwaki.models._registry import (
    ModelFamily as ModelFamily,
    check_input as check_input,
    create as create,
    default_ignore as default_ignore,
    defaults as defaults,
    names as names,
    normalization as normalization,
    register_model as register_model,
)
from niwaki.models._spec import from_spec as from_spec
from niwaki.models._trained import (
    Trained as Trained,
    load_trained as load_trained,
    trained_names as trained_names,
)
from niwaki.models._weights import load_weights as load_weights
