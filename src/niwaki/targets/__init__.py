"""Targets: what runs a network and prices it: `cpu` measures, `size` packs and counts. No torch."""

from niwaki.targets._base import TARGETS as TARGETS, Target as Target
from niwaki.targets._doctor import examine as examine
from niwaki.targets._load import load_warning as load_warning
from niwaki.targets._machine import machine_info as machine_info, versions as versions
from niwaki.targets._openvino import openvino_runner as openvino_runner
from niwaki.targets._profile import (
    LayerProfile as LayerProfile,
    Profile as Profile,
    profile as profile,
)
from niwaki.targets._prune import prune as prune
from niwaki.targets._roof import core_distance as core_distance, rooflines as rooflines
from niwaki.targets._timing import Runner as Runner, Timing as Timing, interleave as interleave
from niwaki.targets._work import LayerWork as LayerWork, total as total, work as work
from niwaki.targets._zeros import (
    Level as Level,
    Peer as Peer,
    ZerosStudy as ZerosStudy,
    break_even as break_even,
    study_zeros as study_zeros,
)
from niwaki.targets.cpu import (
    callable_runner as callable_runner,
    engine_runner as engine_runner,
    noise as noise,
    onnxruntime_runner as onnxruntime_runner,
)
from niwaki.targets.size import packed_bytes as packed_bytes
