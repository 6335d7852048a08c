#include "engine/plane_branch.h"

#include "engine/text.h"
#include "pad_planes/pad_planes.h"

namespace niwaki {

using namespace kernels;

constexpr int64_t kMaxRow = int64_t{1} << 26;  // positions of one output channel's weights

size_t PlaneBranch::scratch_bytes() const {
  if (in_place) return 0;
  const size_t element = dtype == DType::kF32 ? sizeof(float) : sizeof(int16_t);
  return align_bytes(static_cast<size_t>(layout.scratch_elements) * element);
}

size_t PlaneBranch::packed_bytes() const {
  return stream_f32.entries.size() * sizeof(SparseEntryF32) +
         stream_i16.entries.size() * sizeof(SparsePairI16) +
         (stream_f32.starts.size() + stream_i16.starts.size() + offsets.size()) * sizeof(int32_t) +
         dense_f32.size() * sizeof(float) + dense_i16.size() * sizeof(int16_t);
}

void PlaneBranch::fill(const uint8_t* image, uint8_t* scratch) const {
  if (in_place) return;
  if (dtype == DType::kF32) {
    Kernel<PadPlanesF32>{pad}(
        {reinterpret_cast<const float*>(image), reinterpret_cast<float*>(scratch), layout});
  } else if (dtype == DType::kU8) {
    Kernel<PadPlanesU8>{pad}({image, reinterpret_cast<int16_t*>(scratch), layout});
  } else {
    Kernel<PadPlanesS8>{pad}(
        {reinterpret_cast<const int8_t*>(image), reinterpret_cast<int16_t*>(scratch), layout});
  }
}

void PlaneBranch::accumulate(const uint8_t* planes, int64_t first, int64_t outputs,
                             uint8_t* acc) const {
  const int64_t pixels = layout.flat_pixels;
  const int64_t stride = layout.acc_stride;
  if (dtype == DType::kF32) {
    const auto* input = reinterpret_cast<const float*>(planes);
    auto* output = reinterpret_cast<float*>(acc);
    if (sparse) {
      Kernel<ConvSparseF32>{conv}({input, stream_f32.entries.data(),
                                   stream_f32.starts.data() + first, outputs, pixels, output,
                                   stride});
    } else {
      const auto taps = static_cast<int64_t>(offsets.size());
      Kernel<ConvDenseF32>{conv}({input, offsets.data(), taps, dense_f32.data() + first * taps,
                                  outputs, pixels, output, stride});
    }
    return;
  }
  const auto* input = reinterpret_cast<const int16_t*>(planes);
  auto* output = reinterpret_cast<int32_t*>(acc);
  if (sparse) {
    Kernel<ConvSparseI16>{conv}({input, stream_i16.entries.data(), stream_i16.starts.data() + first,
                                 outputs, pixels, output, stride});
  } else {
    const auto pairs = static_cast<int64_t>(offsets.size()) / 2;
    Kernel<ConvDenseI16>{conv}({input, offsets.data(), pairs, dense_i16.data() + first * pairs * 2,
                                outputs, pixels, output, stride});
  }
}

std::unique_ptr<PlaneBranch> build_planes(const LayerReader& reader, const KernelChoice& choice,
                                          int x, const Window& window, const Shape& out,
                                          const std::string& storage, Step& step, double& bound) {
  const Value& value = reader.value(x);
  const Shape& in = value.shape;
  const bool is_float = value.dtype == DType::kF32;
  const DType weight_dtype = is_float ? DType::kF32 : DType::kS8;
  const int64_t groups = reader.integer("groups", 1, in.channels, 1);
  reader.require(in.channels % groups == 0 && out.channels % groups == 0,
                 "groups must divide both channel counts", std::to_string(groups));
  auto branch = std::make_unique<PlaneBranch>();
  branch->dtype = value.dtype;
  branch->layout = make_plane_layout(in.channels, in.height, in.width, window);
  reader.require(branch->layout.scratch_elements <= kMaxPositions &&
                     branch->layout.acc_stride <= kMaxPositions / out.channels,
                 "scratch must have fewer than 2^31 elements", in.text());
  const int64_t inputs = in.channels / groups;
  const int64_t taps = window.kernel_h * window.kernel_w;
  reader.require(taps <= kMaxRow / inputs, "a channel must have at most 2^26 weights",
                 concat(inputs, " x ", taps));
  const int64_t row_size = inputs * taps;
  const bool stored_sparse = storage == "sparse";
  const EntryLists lists =
      stored_sparse ? entries_of_sparse(reader, out.channels, row_size, weight_dtype)
                    : entries_of_dense(
                          reader.tensor("weight", {weight_dtype},
                                        {out.channels, inputs, window.kernel_h, window.kernel_w}),
                          out.channels, inputs, taps);
  // A dense kernel shares each load among outputs that read the same inputs: groups don't.
  branch->sparse = stored_sparse || groups > 1;
  const TapOffsets tap_offsets(branch->layout, out.channels, groups);
  step.density =
      static_cast<double>(lists.entries.size()) / static_cast<double>(out.channels * row_size);
  step.macs =
      (stored_sparse ? static_cast<int64_t>(lists.entries.size()) : out.channels * row_size) *
      out.pixels();
  if (is_float) {
    branch->pad = choice.choose<PadPlanesF32>().entry;
    branch->in_place = is_identity(branch->layout);
  } else {
    branch->pad = value.dtype == DType::kU8 ? choice.choose<PadPlanesU8>().entry
                                            : choice.choose<PadPlanesS8>().entry;
    bound = lists.largest_row_sum() * (value.dtype == DType::kU8 ? 255 : 128);
    reader.require(bound < 2147483648.0, "a sum of products must fit 32 bits",
                   std::to_string(bound));
  }
  if (branch->sparse) {
    branch->conv =
        is_float ? choice.choose<ConvSparseF32>().entry : choice.choose<ConvSparseI16>().entry;
    if (is_float) {
      branch->stream_f32 = make_stream_f32(lists, tap_offsets);
    } else {
      branch->stream_i16 = make_stream_i16(lists, tap_offsets);
    }
    return branch;
  }
  branch->conv =
      is_float ? choice.choose<ConvDenseF32>().entry : choice.choose<ConvDenseI16>().entry;
  for (int64_t q = 0; q < row_size; ++q) {
    branch->offsets.push_back(tap_offsets(0, static_cast<int32_t>(q)));
  }
  if (is_float) {
    branch->dense_f32 = pack_dense_f32(lists, out.channels, row_size);
  } else {
    if (row_size % 2 != 0) branch->offsets.push_back(branch->offsets.back());
    branch->dense_i16 = pack_dense_i16(lists, out.channels, (row_size + 1) / 2);
  }
  return branch;
}

}  // namespace niwaki
