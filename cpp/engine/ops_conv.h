// The two files of conv: floats on padded planes (ops_conv_float.cc), and the branches of integers
// and bits on compact values (ops_conv.cc).
#pragma once

#include <string>

#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "engine/ops.h"

namespace niwaki {

// Whether a conv layer runs as a convolution algorithm: floats in and out, and bits perhaps.
bool is_float_conv(const Program& program, const Layer& layer);

// The window fits the output already, and x and storage agree.
StepPtr build_float_conv(const LayerReader& reader, const KernelChoice& choice,
                         const kernels::Window& window, const std::string& storage);

}  // namespace niwaki
