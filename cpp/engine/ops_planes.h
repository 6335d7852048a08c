// Elementwise layers, pools and concats of float maps, on padded planes.
#pragma once

#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "engine/ops.h"
#include "pool/pool.h"

namespace niwaki {

// add, affine, activation and mul (a gate): whether they run on planes; the wish and the step
// agree.
bool is_planes_map(const Program& program, const Layer& layer);
StepPtr build_planes_map(const LayerReader& reader, const KernelChoice& choice);

// max_pool, average_pool and the global ones of floats.
bool is_planes_pool(const Program& program, const Layer& layer);
StepPtr build_planes_pool(const LayerReader& reader, const KernelChoice& choice,
                          const kernels::Window& window, bool average, bool count_include_pad);

// concat of channels.
bool is_planes_concat(const Program& program, const Layer& layer);
StepPtr build_planes_concat(const LayerReader& reader);

}  // namespace niwaki
