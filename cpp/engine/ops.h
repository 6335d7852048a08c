// What an op gives the engine: a builder that checks a layer as if hostile, and the step it
// becomes.
//
// An op is one row of the table in ops.cc and one builder in an ops_*.cc file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "engine/kernel_choice.h"
#include "engine/program.h"
#include "engine/run.h"

namespace niwaki {

class LayerReader;

// A layer made ready: weights decoded for the image's width, kernels chosen, scratch known.
class Step {
 public:
  virtual ~Step() = default;

  // Runs one image; all of Run::images() at once where batched. Allocates nothing.
  virtual void run(Run& run) const = 0;
  virtual bool batched() const { return false; }
  // Whether run() leaves zeros in the pad rows of its output; else the engine clears them.
  virtual bool clears_pads() const { return false; }

  // Steps that can run band by band (bands.h): output rows [first, last) of one image, on one
  // thread; and how many of an input's rows the first `rows` output rows need, -1 where the input
  // isn't read by rows.
  virtual bool bands() const { return false; }
  virtual void run_rows(const Run&, int64_t, int64_t) const {}
  virtual int64_t rows_needed(int, int64_t) const { return -1; }
  // The lowest row of an input that run_rows may read from output row `first` on (it may be
  // negative), a row less than what `first` needs: steps may make some pixels of the row before
  // again. kAnyRow where that isn't known.
  virtual int64_t lowest_row(int, int64_t) const { return kAnyRow; }
  static constexpr int64_t kAnyRow = std::numeric_limits<int64_t>::min();

  size_t shared_bytes = 0;             // scratch of one image, for all threads together
  size_t thread_bytes = 0;             // scratch of each thread
  size_t packed_bytes = 0;             // weights as decoded for the kernels
  std::string kernel;                  // names of the chosen kernels, joined by " + "
  std::string reason;                  // why these
  std::string algorithm_name, tuning;  // of a float convolution
  int skips = -1;    // a layer in front whose work it does itself, in a run of the whole network
  int64_t macs = 0;  // multiplications of the dense or sparse branch, for one image
  int64_t binary_macs = 0;  // of the binary branch
  double density = -1;      // share of non-zeros; -1 where there are no such weights
};

// Scratch is cut at this boundary.
inline size_t align_bytes(size_t bytes) { return (bytes + 63) / 64 * 64; }

using StepPtr = std::unique_ptr<Step>;
using Builder = StepPtr (*)(const Program&, const Layer&, int index, const KernelChoice&);

// Says which values of a layer the step takes as padded planes (layouts.h). Called before the
// builder, so with a layer that may be anything.
using Wisher = void (*)(const LayerReader&, LayoutWish&);

struct OpRow {
  std::string_view name;
  Builder build;
  Wisher wish = nullptr;  // nullptr: everything compact
};

// The op's row, or nullptr.
const OpRow* find_op(std::string_view name);

// All names, for messages.
std::string op_names();

void wish_conv(const LayerReader&, LayoutWish&);
void wish_pool(const LayerReader&, LayoutWish&);
void wish_elementwise(const LayerReader&, LayoutWish&);
void wish_threshold(const LayerReader&, LayoutWish&);
void wish_concat(const LayerReader&, LayoutWish&);

StepPtr build_conv(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_linear(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_max_pool(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_average_pool(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_sum_pool(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_global_max_pool(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_global_average_pool(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_add(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_requantize(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_affine(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_activation(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_softmax(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_quantize_input(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_dequantize(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_threshold(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_unpack_bits(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_concat(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_reshape(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_slice(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_binary(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_mul(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_unary(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_reduce(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_transpose(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_expand(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_strided_slice(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_tensor_pad(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_gather(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_matmul(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_taps(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_conv_transpose(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_quantize_linear(const Program&, const Layer&, int index, const KernelChoice&);
StepPtr build_pad(const Program&, const Layer&, int index, const KernelChoice&);

}  // namespace niwaki
