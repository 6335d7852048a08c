// Layers between convolutions of bits, on maps that lie channels last (pixels.h).
#pragma once

#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "engine/ops.h"

namespace niwaki {

// average_pool and global_average_pool; the output fits the window already.
StepPtr build_pixels_average(const LayerReader& reader, const KernelChoice& choice,
                             const kernels::Window& window, bool count_include_pad);

// activation and add: element by element, whatever the order.
StepPtr build_pixels_map(const LayerReader& reader, const KernelChoice& choice);

}  // namespace niwaki
