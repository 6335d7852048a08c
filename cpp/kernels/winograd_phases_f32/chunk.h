// One chunk of rows of tiles. Compiled once per instruction set, hence the anonymous namespace.
#pragma once

#include <algorithm>

#include "winograd_phases_f32/patches.h"
#include "winograd_phases_f32/store_quads.h"

namespace niwaki::kernels {
namespace {

template <class S, int kSide>
class PhaseChunk {
 public:
  explicit PhaseChunk(const WinogradPhasesF32Args& args)
      : args_(args),
        sizes_(winograd_phases_of(kSide, args.in, args.out, args.stride_h, args.stride_w)),
        v_(args.scratch),
        split_(v_ + sizes_.v(args.tile_rows)),
        down_(split_ + sizes_.split(args.tile_rows)),
        sums_(down_ + sizes_.down()) {}

  void run() {
    PhasePatches<S, kSide>(args_, sizes_, v_, split_, down_).run();
    QuadStore<S> store(args_, sizes_);
    const std::int64_t vectors = (args_.tile_rows * sizes_.tiles() + kLanes - 1) / kLanes;
    for (std::int64_t vector = 0; vector < vectors; ++vector) {
      store.place(vector);
      for (std::int64_t o = 0; o < args_.out.channels; o += kPhaseOutputs) {
        const std::int64_t outputs = std::min(kPhaseOutputs, args_.out.channels - o);
        multiply(vector, o, outputs);
        for (std::int64_t k = 0; k < outputs; ++k) finish(o, k, store);
      }
    }
    for (std::int64_t o = 0; o < args_.out.channels; ++o) store.clear_behind(o);
  }

 private:
  using Vector = typename S::Vector;
  static constexpr std::int64_t kLanes = S::kLanes;
  static constexpr int kPart = winograd_phases_part(kSide);
  // Outputs at a time: a column of sums each, one vector of V, and some to spare.
  static constexpr int kColumns = std::max(1, (S::kRegisters - 2) / kPart);

  // sums[output][row][b]
  float* sums(std::int64_t output, std::int64_t row, std::int64_t b) const {
    return sums_ + ((output * kPhaseTile + row) * kSide + b) * kLanes;
  }

  void multiply(std::int64_t vector, std::int64_t o, std::int64_t outputs) {
    for (std::int64_t b = 0; b < kSide; ++b) {
      multiply_part<0>(vector, o, outputs, b);
      if constexpr (kPart < kSide) multiply_part<kPart>(vector, o, outputs, b);
    }
  }

  template <int kFirst>
  void multiply_part(std::int64_t vector, std::int64_t o, std::int64_t outputs, std::int64_t b) {
    const std::int64_t size = sizes_.weights_of_output();
    const float* v = v_ + (vector * size + sizes_.at(b, 0, kFirst)) * kLanes;
    const float* weights = args_.weights + o * size + sizes_.at(b, 0, kFirst);
    std::int64_t k = 0;
    for (; k + kColumns <= outputs; k += kColumns) {
      multiply_columns<kFirst, kColumns>(v, weights + k * size, sums(k, 0, b));
    }
    for (; k < outputs; ++k) multiply_columns<kFirst, 1>(v, weights + k * size, sums(k, 0, b));
  }

  // Points [kFirst, kFirst + kPart) of a column, of kOutputs outputs, transformed while still in
  // registers. Out of line, or the transform's constants take the sums' registers.
  template <int kFirst, int kOutputs>
  __attribute__((noinline)) void multiply_columns(const float* v, const float* weights,
                                                  float* sums) const {
    const float* from[kOutputs];
    Vector acc[kOutputs][kPart];
    NIWAKI_UNROLL for (int x = 0; x < kOutputs; ++x) {
      from[x] = weights + x * sizes_.weights_of_output();
      NIWAKI_UNROLL for (int a = 0; a < kPart; ++a) acc[x][a] = S::zero();
    }
    const std::int64_t count = sizes_.channels * kPart;
    for (std::int64_t at = 0; at < count; at += kPart) {
      NIWAKI_UNROLL for (int a = 0; a < kPart; ++a) {
        const Vector d = S::load(v + (at + a) * kLanes);
        NIWAKI_UNROLL for (int x = 0; x < kOutputs; ++x) {
          acc[x][a] = S::fma(d, S::broadcast(from[x][at + a]), acc[x][a]);
        }
      }
    }
    NIWAKI_UNROLL for (int x = 0; x < kOutputs; ++x) {
      float* to = sums + x * kPhaseTile * kSide * kLanes;
      Vector y[kPhaseTile];
      if constexpr (kFirst > 0) {
        NIWAKI_UNROLL for (int row = 0; row < kPhaseTile; ++row) {
          y[row] = S::load(to + row * kSide * kLanes);
        }
      }
      toom_transform_output<S, kFirst, kPart>(acc[x], y);
      NIWAKI_UNROLL for (int row = 0; row < kPhaseTile; ++row) {
        S::store(to + row * kSide * kLanes, y[row]);
      }
    }
  }

  NIWAKI_INLINE void finish(std::int64_t o, std::int64_t k, const QuadStore<S>& store) {
    for (int row = 0; row < kPhaseTile; ++row) {
      Vector m[kSide];
      Vector y[kPhaseTile];
      NIWAKI_UNROLL for (int b = 0; b < kSide; ++b) m[b] = S::load(sums(k, row, b));
      toom_transform_output<S, 0, kSide>(m, y);
      store.run(o + k, row, y);
    }
  }

  const WinogradPhasesF32Args& args_;
  WinogradPhases sizes_;
  float* v_;
  float* split_;
  float* down_;
  float* sums_;
};

template <class S>
void winograd_phases(const WinogradPhasesF32Args& args) {
  switch (args.side) {
    case 5:
      return PhaseChunk<S, 5>(args).run();
    case 6:
      return PhaseChunk<S, 6>(args).run();
    case 7:
      return PhaseChunk<S, 7>(args).run();
    default:
      return PhaseChunk<S, 8>(args).run();
  }
}

}  // namespace
}  // namespace niwaki::kernels
