// Float convolution algorithms: one interface, one file per algorithm, one list (algorithms.inc).
//
//   output[n][o] = act(sum over (c, i, j) of weight[o][c][i][j] * input[n][...] + bias[o]
//                      + residual[n][o])
//
// on padded planes (kernels/common/planes.h), in one pass: bias, residual, activation and the zeros
// of the pad columns belong to the algorithm's store. To add one: write conv/<name>.cc with
// `Row row_of_<name>()` (see reference.cc) and add its line to algorithms.inc; the tests over the
// registry (tests/runtime/test_conv_algorithms.py) then hold it to the reference at once.
//
// What an algorithm must do:
// - Take every Problem for which `applies` says yes, whatever the geometry: an input that
//   taps_lie_in_place denies (a stride, another row, missing pads) is copied into scratch first.
//   Input, output and residual may each be compact, padded, or a window of a concat's buffer (their
//   plane and image strides differ, but then row is the same).
// - Write output columns [width, row) as zeros (`mask`), and nothing at or behind pixel height *
// row
//   of a channel: the next channel, or another value's window, may begin there. Gaps between planes
//   are the engine's: it clears them after the last stage.
// - Give the same bits whatever the tuning, threads, number of images and order of tasks: each sum
//   in one fixed order.
// - Take a residual that lies in the output's memory (Call::residual == Call::output, one
// geometry):
//   read each of its elements before writing there. Only run_rows may rely on two memories.
// - Never allocate or throw in `run`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/isa.h"
#include "common/plane_layout.h"
#include "common/planes.h"
#include "engine/weights.h"
#include "epilogue/epilogue.h"

namespace niwaki::conv {

// A float convolution: all that doesn't change between runs.
struct Problem {
  kernels::Planes input, output, residual;  // residual: where has_residual
  bool has_residual = false;
  bool over_residual = false;  // the output is written over the residual
  // Of a map that others see whole: what depends on where its rows are cut must not differ.
  bool is_half = false;
  kernels::Window window;
  int64_t groups = 1;
  // The non-zeros, by output channel and rising position q = (i * kw + j) * (C / groups) + c.
  // Lives while building only: pack what you need.
  const EntryLists* weights = nullptr;
  // (O, C / groups, kh, kw); nullptr where the file stores them sparse (rebuild from `weights`).
  // Lives as long as the Algorithm, so that no second copy is forced.
  const float* dense = nullptr;
  const float* bias = nullptr;  // (O,), or nullptr: 0. Lives as long as the Algorithm
  kernels::Activation activation;
  double density = 1;             // share of non-zero weights, in [0, 1]
  double activation_density = 1;  // share of non-zero inputs where measured, else 1
  int threads = 1;
  kernels::Isa isa = kernels::Isa::reference;  // the best one allowed
  int64_t max_images = 1;  // Call::images is in [1, max_images]; scratch is sized for it
  // pixel_mask(output), or nullptr where row == width. Lives as long as the Algorithm.
  const uint32_t* mask = nullptr;

  int64_t inputs_per_group() const { return input.channels / groups; }
  int64_t outputs_per_group() const { return output.channels / groups; }
  int64_t row_size() const {  // positions of one output channel
    return inputs_per_group() * window.kernel_h * window.kernel_w;
  }
  // Whether tiles of so many rows lie as they would in the whole map.
  bool has_whole_tiles(int64_t rows) const { return !is_half || output.height % rows == 0; }
  double multiplications() const;  // of a dense run on one image
};

// Origins; buffers as planes.h says. `shared` is Algorithm::shared_bytes of scratch for all tasks,
// 64-byte aligned, kept between the stages of a run.
struct Call {
  const float* input = nullptr;
  float* output = nullptr;
  const float* residual = nullptr;
  int64_t images = 1;
  uint8_t* shared = nullptr;
};

// {{"tile", 8}, {"block", 64}}: the names are the algorithm's own; empty = its best guess.
using Tuning = std::vector<std::pair<std::string, int>>;

// The value of a key, or `fallback`.
int tuned(const Tuning& tuning, std::string_view key, int fallback);
std::string tuning_text(const Tuning& tuning);  // "tile=8 block=64"

class Algorithm {
 public:
  virtual ~Algorithm() = default;

  // Stages run one after the other, the tasks of one stage in any order and at once. Make tasks
  // even, some 20 us or more each, and at least a few per thread where the work allows it.
  virtual int stages() const { return 1; }
  virtual int64_t tasks(int stage, int64_t images) const = 0;
  // `scratch`: thread_bytes of the thread's own, 64-byte aligned, not kept between tasks.
  virtual void run(const Call& call, int stage, int64_t task, uint8_t* scratch) const = 0;

  // For running several layers band by band through the cache: output rows [first_row, last_row)
  // of all channels of one image (the call's first), on one thread, with the same bits as run().
  // The input rows that they read are there already; `scratch` is thread_bytes.
  virtual bool bands() const { return false; }
  virtual void run_rows(const Call& call, int64_t first_row, int64_t last_row,
                        uint8_t* scratch) const;

  // The same for pixels [first, last) of the output's flat axis, first a multiple of 256. It reads
  // the residual, which may lie in the output's memory, and writes, there only.
  virtual bool ranges() const { return false; }
  virtual void run_range(const Call& call, int64_t first, int64_t last, uint8_t* scratch) const;

  size_t shared_bytes = 0;  // for max_images
  size_t thread_bytes = 0;
  size_t packed_bytes = 0;  // weights as packed
  std::string kernel;       // names of the kernels, for explain()
};

// One algorithm of the registry.
struct Row {
  std::string_view name;
  bool (*applies)(const Problem&);
  // `tuning`: one of tunings(), or empty. An unknown key or a value that can't be is ignored or
  // clamped: choices come from a file.
  std::unique_ptr<Algorithm> (*build)(const Problem&, const Tuning&);
  std::vector<Tuning> (*tunings)(const Problem&);  // worth trying, best guess first; never empty
  double (*estimate)(const Problem&);  // milliseconds of one image on one thread, roughly
};

std::span<const Row> all_algorithms();
const Row* find_algorithm(std::string_view name);  // or nullptr

// Which algorithm runs a problem, and with which tuning.
struct Choice {
  const Row* row = nullptr;
  Tuning tuning;
  std::string reason;
};

// The one that applies with the least estimate.
Choice choose_by_estimate(const Problem& problem);

// What a Row's `tunings` returns where there is nothing to tune.
inline std::vector<Tuning> no_tunings(const Problem&) { return {Tuning{}}; }

}  // namespace niwaki::conv
