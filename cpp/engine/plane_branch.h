// The x branch of a convolution: dense or sparse, float or integer, on flat padded planes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/plane_layout.h"
#include "common/table.h"
#include "engine/kernel_choice.h"
#include "engine/layer_reader.h"
#include "engine/ops.h"
#include "engine/weights.h"

namespace niwaki {

struct PlaneBranch {
  kernels::PlaneLayout layout;
  DType dtype = DType::kF32;  // of x
  bool sparse = false;        // or grouped: a stream of entries
  bool in_place = false;      // the image is its own scratch
  StreamF32 stream_f32;
  StreamI16 stream_i16;
  std::vector<int32_t> offsets;  // of the taps, dense
  std::vector<float> dense_f32;
  std::vector<int16_t> dense_i16;
  const kernels::KernelEntry* pad = nullptr;
  const kernels::KernelEntry* conv = nullptr;

  size_t scratch_bytes() const;  // of the padded planes; 0 in place
  size_t packed_bytes() const;   // of the decoded weights

  // Copies the image into its padded planes.
  void fill(const uint8_t* image, uint8_t* scratch) const;

  // Stores `outputs` accumulator planes (f32 or s32, layout.acc_stride apart) from output `first`
  // on, a multiple of kDenseBlock. `planes` is the scratch, or the image in place.
  void accumulate(const uint8_t* planes, int64_t first, int64_t outputs, uint8_t* acc) const;
};

// Reads the weights and chooses the kernels. `storage` is dense or sparse; `bound` becomes the
// largest |sum| in the integer form; density and macs go to `step`.
std::unique_ptr<PlaneBranch> build_planes(const LayerReader& reader, const KernelChoice& choice,
                                          int x, const kernels::Window& window, const Shape& out,
                                          const std::string& storage, Step& step, double& bound);

}  // namespace niwaki
