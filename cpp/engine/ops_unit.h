// conv and linear of bits only: the sums are finished where they are made (kernels/unit_b1).
#pragma once

#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "engine/ops.h"

namespace niwaki {

// Whether build_unit is the builder: a unit (pixels.h) whose values lie channels last.
bool runs_as_unit(const Program& program, const Layer& layer);

// The output fits the window already.
StepPtr build_unit(const LayerReader& reader, const KernelChoice& choice,
                   const kernels::Window& window);

}  // namespace niwaki
