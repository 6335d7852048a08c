// "cpo" and "cps": activation-sparse convolution (kernels/cpo_f32), weights dense. Two stages an
// image: file its non-zeros, then multiply. Pays where few inputs are non-zero, see estimate().
#include <algorithm>
#include <cstring>

#include "cpo_f32/cpo_f32.h"
#include "engine/conv/conv.h"

namespace niwaki::conv {
namespace {

using namespace kernels;

constexpr int64_t kRows = 2;              // output rows of a task: weights are read once for them
constexpr int64_t kBlock = kCpoChannels;  // channels of a block: its weights stay near L1

int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

// Parts of Call::shared that lie behind one another, 64-byte aligned.
class Parts {
 public:
  size_t add(int64_t bytes) {
    const size_t at = end_;
    end_ += (static_cast<size_t>(bytes) + 63) / 64 * 64;
    return at;
  }
  size_t end() const { return end_; }

 private:
  size_t end_ = 0;
};

template <class Encode, class Multiply>
class Cpo final : public Algorithm {
 public:
  static constexpr bool kSets = std::is_same_v<Encode, CpsEncodeF32>;

  Cpo(const Problem& problem, const Tuning& tuning)
      : problem_(problem),
        overlaps_(cpo_overlaps(problem.window.kernel_w, problem.window.stride_w)),
        slots_(cpo_slots(problem.output.width, overlaps_)),
        blocks_(blocks_of(problem.inputs_per_group(), kBlock)),
        output_blocks_(blocks_of(problem.outputs_per_group(), kCpoOutputs)),
        column_blocks_(blocks_of(problem.input.width, kCpoColumns)),
        capacity_(problem.input.height * kBlock + 16),
        encode_(select_kernel<Encode>(problem.isa)),
        multiply_(select_kernel<Multiply>(problem.isa)),
        store_(select_kernel<CpoStoreF32>(problem.isa)) {
    const Planes& out = problem_.output;
    rows_ = std::clamp<int64_t>(tuned(tuning, "rows", kRows), 1,
                                std::max<int64_t>(1, std::min<int64_t>(out.height, 64)));
    chunks_ = blocks_of(out.height, rows_);
    pack_weights();
    place_parts();
    thread_bytes = static_cast<size_t>(rows_ * slots_ * kCpoOutputs) * sizeof(float);
    packed_bytes = weights_.size() * sizeof(float);
    kernel = std::string(encode_.entry->name) + " + " + std::string(multiply_.entry->name) + " + " +
             std::string(store_.entry->name);
    problem_.weights = nullptr;
  }

  // Image by image, so that only one is held encoded.
  int stages() const override { return static_cast<int>(2 * problem_.max_images); }

  int64_t tasks(int stage, int64_t images) const override {
    if (stage / 2 >= images) return 0;
    if (stage % 2 == 0) return problem_.groups * blocks_ * column_blocks_;
    return problem_.groups * output_blocks_ * chunks_;
  }

  void run(const Call& call, int stage, int64_t task, uint8_t* scratch) const override {
    if (stage % 2 == 0) {
      encode(call, stage / 2, task / column_blocks_, task % column_blocks_ * kCpoColumns);
    } else {
      const int64_t first = task % chunks_ * rows_;
      multiply(call, stage / 2, task / chunks_, first,
               std::min(rows_, problem_.output.height - first), reinterpret_cast<float*>(scratch));
    }
  }

 private:
  void place_parts() {
    const int64_t columns = problem_.groups * blocks_ * problem_.input.width;
    const int64_t starts = columns * (problem_.input.height + 1) * int64_t{sizeof(int32_t)};
    Parts parts;
    values_at_ = parts.add(columns * capacity_ * int64_t{sizeof(float)});
    places_at_ = parts.add(columns * capacity_ * int64_t{sizeof(uint16_t)});
    starts_at_ = parts.add(starts);
    words_at_ = parts.add(kSets ? starts : 0);
    shared_bytes = parts.end();
  }

  // Floats of one output's tap weights in a block of `width` outputs, in the order of cpo_f32.h.
  int64_t area() const { return problem_.window.kernel_h * problem_.window.kernel_w; }

  int64_t output_width(int64_t block) const {  // of a block of outputs, in whole 16s
    const int64_t left = problem_.outputs_per_group() - block * kCpoOutputs;
    return std::min(kCpoOutputs, blocks_of(left, 16) * 16);
  }

  // [group][block of outputs][block of inputs][kernel row][input][tap][output]
  float* weights_of(int64_t group, int64_t output_block, int64_t block) {
    return weights_.data() + weights_at(group, output_block, block);
  }

  int64_t weights_at(int64_t group, int64_t output_block, int64_t block) const {
    const int64_t inputs = blocks_ * kBlock;
    const int64_t outputs = (output_blocks_ - 1) * kCpoOutputs + output_width(output_blocks_ - 1);
    return (group * outputs + output_block * kCpoOutputs) * inputs * area() +
           block * kBlock * area() * output_width(output_block);
  }

  void pack_weights() {
    const Window& window = problem_.window;
    const int64_t inputs = problem_.inputs_per_group();
    weights_.assign(static_cast<size_t>(weights_at(problem_.groups, 0, 0)), 0);
    std::vector<int64_t> order(static_cast<size_t>(window.kernel_w));  // of taps: cpo_f32.h
    int64_t next = 0;
    for (int64_t p = 0; p < window.stride_w; ++p) {
      for (int64_t q = p; q < window.kernel_w; q += window.stride_w) order[q] = next++;
    }
    const EntryLists& lists = *problem_.weights;
    for (int64_t o = 0; o < problem_.output.channels; ++o) {
      const int64_t group = o / problem_.outputs_per_group();
      const int64_t within = o % problem_.outputs_per_group();
      const int64_t width = output_width(within / kCpoOutputs);
      for (int32_t e = lists.starts[o]; e < lists.starts[o + 1]; ++e) {
        const int64_t input = lists.entries[e].position % inputs;
        const int64_t tap = lists.entries[e].position / inputs;
        const int64_t row = tap / window.kernel_w * kBlock + input % kBlock;
        const int64_t at = row * window.kernel_w + order[tap % window.kernel_w];
        weights_of(group, within / kCpoOutputs, input / kBlock)[at * width + within % kCpoOutputs] =
            lists.entries[e].value;
      }
    }
  }

  template <class T>
  T* part(const Call& call, size_t at) const {
    return reinterpret_cast<T*>(call.shared + at);
  }

  // Files kCpoColumns columns of a block of channels; `block` counts over groups.
  void encode(const Call& call, int64_t n, int64_t block, int64_t first_column) const {
    const Planes& in = problem_.input;
    const int64_t inputs = problem_.inputs_per_group();
    const int64_t within = block % blocks_ * kBlock;
    const int64_t column = block * in.width + first_column;
    CpoEncodeF32Args args = {};
    args.input =
        call.input + n * in.image + (block / blocks_ * inputs + within) * in.plane + first_column;
    args.plane = in.plane;
    args.row = in.row;
    args.channels = std::min(kBlock, inputs - within);
    args.block = kBlock;
    args.height = in.height;
    args.columns = std::min(kCpoColumns, in.width - first_column);
    args.capacity = capacity_;
    args.values = part<float>(call, values_at_) + column * capacity_;
    args.places = part<uint16_t>(call, places_at_) + column * capacity_;
    args.starts = part<int32_t>(call, starts_at_) + column * (in.height + 1);
    args.words = kSets ? part<int32_t>(call, words_at_) + column * (in.height + 1) : nullptr;
    encode_(args);
  }

  // Output rows [first, first + rows) of a block of outputs; it counts over groups.
  void multiply(const Call& call, int64_t n, int64_t output_block, int64_t first, int64_t rows,
                float* sums) const {
    const Planes& in = problem_.input;
    const Window& window = problem_.window;
    const int64_t group = output_block / output_blocks_;
    const int64_t width = output_width(output_block % output_blocks_);
    std::memset(sums, 0, static_cast<size_t>(rows * slots_ * width) * sizeof(float));
    for (int64_t b = 0; b < blocks_; ++b) {
      const int64_t column = (group * blocks_ + b) * in.width;
      CpoMultiplyF32Args args = {};
      args.values = part<float>(call, values_at_) + column * capacity_;
      args.places = part<uint16_t>(call, places_at_) + column * capacity_;
      args.starts = part<int32_t>(call, starts_at_) + column * (in.height + 1);
      args.words = kSets ? part<int32_t>(call, words_at_) + column * (in.height + 1) : nullptr;
      args.capacity = capacity_;
      args.height = in.height;
      args.columns = in.width;
      args.kernel_w = window.kernel_w;
      args.stride_w = window.stride_w;
      args.pad_left = window.pad_left;
      args.windows = problem_.output.width;
      args.weights = weights_.data() + weights_at(group, output_block % output_blocks_, b);
      args.outputs = width;
      for (int64_t y = 0; y < rows; ++y) {
        const int64_t top = (first + y) * window.stride_h - window.pad_top;
        args.first_row = std::clamp<int64_t>(top, 0, in.height);
        args.last_row = std::clamp<int64_t>(top + window.kernel_h, 0, in.height);
        args.shift = top * kBlock;
        args.sums = sums + y * slots_ * width;
        multiply_(args);
      }
    }
    store(call, n, output_block, first, rows, sums);
  }

  void store(const Call& call, int64_t n, int64_t output_block, int64_t first, int64_t rows,
             const float* sums) const {
    const Planes& out = problem_.output;
    const Planes& res = problem_.residual;
    const int64_t within = output_block % output_blocks_ * kCpoOutputs;
    const int64_t o = output_block / output_blocks_ * problem_.outputs_per_group() + within;
    CpoStoreF32Args args = {};
    args.slots = slots_;
    args.first_slot = overlaps_ - 1;
    args.outputs = output_width(output_block % output_blocks_);
    args.channels = std::min(kCpoOutputs, problem_.outputs_per_group() - within);
    args.width = out.width;
    args.row = out.row;
    args.output_plane = out.plane;
    args.bias = problem_.bias == nullptr ? nullptr : problem_.bias + o;
    args.store.residual_plane = res.plane;
    args.store.activation = problem_.activation;
    args.store.mask = problem_.mask;
    // A residual with rows of another length is on another flat axis: row by row, then.
    const bool together = !problem_.has_residual || res.row == out.row;
    args.rows = together ? rows : 1;
    args.store.pixels = args.rows * out.row;
    for (int64_t y = 0; y < rows; y += args.rows) {
      args.sums = sums + y * slots_ * args.outputs;
      args.output = call.output + n * out.image + o * out.plane + (first + y) * out.row;
      args.residual = problem_.has_residual
                          ? call.residual + n * res.image + o * res.plane + (first + y) * res.row
                          : nullptr;
      store_(args);
    }
  }

  Problem problem_;  // its `weights` is gone by the first run
  int64_t overlaps_, slots_;
  int64_t blocks_, output_blocks_;  // of one group
  int64_t column_blocks_;
  int64_t capacity_;  // entries of a column of a block
  Kernel<Encode> encode_;
  Kernel<Multiply> multiply_;
  Kernel<CpoStoreF32> store_;
  int64_t rows_ = 1, chunks_ = 1;
  size_t values_at_ = 0, places_at_ = 0, starts_at_ = 0, words_at_ = 0;
  std::vector<float> weights_;
};

// Places must fit 16 bits (15 for CPS). Narrow groups would fill a fraction of the lanes.
bool applies_up_to(const Problem& problem, int64_t places) {
  const Window& window = problem.window;
  return problem.isa != Isa::reference && window.kernel_h * window.kernel_w > 1 &&
         window.dilation_h == 1 && window.dilation_w == 1 &&
         cpo_overlaps(window.kernel_w, window.stride_w) <= kCpoMostWindows &&
         problem.input.height * kBlock <= places && problem.input.width > 0 &&
         (problem.groups == 1 || problem.outputs_per_group() >= 4);
}
bool applies_cpo(const Problem& problem) { return applies_up_to(problem, 1 << 16); }
bool applies_cps(const Problem& problem) { return applies_up_to(problem, kCpsPrefix); }

std::unique_ptr<Algorithm> build_cpo(const Problem& problem, const Tuning& tuning) {
  return std::make_unique<Cpo<CpoEncodeF32, CpoMultiplyF32>>(problem, tuning);
}
std::unique_ptr<Algorithm> build_cps(const Problem& problem, const Tuning& tuning) {
  return std::make_unique<Cpo<CpsEncodeF32, CpsMultiplyF32>>(problem, tuning);
}

std::vector<Tuning> tunings(const Problem&) { return {{{"rows", 2}}, {{"rows", 4}}}; }

// Zen 4, 3x3, 56x56, 64 to 64: 0.25 ns an input to encode, 18 ns a window of a block of channels
// for sums in and out and the loop's end, then 40 GMAC/s on non-zeros. An unknown density (1) makes
// it slower than "direct", so that only a measured one chooses it.
double estimate(const Problem& problem, double encode_ns, double gmacs) {
  const Planes& in = problem.input;
  const double padded = static_cast<double>(blocks_of(problem.outputs_per_group(), 16) * 16) /
                        static_cast<double>(problem.outputs_per_group());
  const double steps = static_cast<double>(problem.output.height * problem.output.width) *
                       static_cast<double>(problem.groups) *
                       static_cast<double>(blocks_of(problem.inputs_per_group(), kBlock)) *
                       static_cast<double>(blocks_of(problem.outputs_per_group(), kCpoOutputs));
  const double inputs = static_cast<double>(in.channels) * static_cast<double>(in.pixels());
  const double slower = problem.isa >= Isa::x86_avx2 ? 1 : 6;
  return slower * (inputs * encode_ns * 1e-6 + steps * 18e-6 +
                   problem.multiplications() * problem.activation_density * padded / gmacs * 1e-6);
}
double estimate_cpo(const Problem& problem) { return estimate(problem, 0.25, 40); }
double estimate_cps(const Problem& problem) { return estimate(problem, 0.6, 32); }

}  // namespace

Row row_of_cpo() { return {"cpo", applies_cpo, build_cpo, tunings, estimate_cpo}; }
Row row_of_cps() { return {"cps", applies_cps, build_cps, tunings, estimate_cps}; }

}  // namespace niwaki::conv
