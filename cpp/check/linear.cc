// Linear layers: dense and sparse, in floats and integers.
#include "linear/linear.h"

#include "check/check.h"
#include "check/window.h"

namespace niwaki::check {
namespace {

using namespace kernels;

template <class T>
std::vector<T> numbers(Random& random, std::int64_t count) {
  if constexpr (std::is_same_v<T, float>) {
    return reals(random, count);
  } else {
    constexpr bool kActivation = std::is_same_v<T, std::int16_t>;
    return integers<T>(random, count, -128, kActivation ? 255 : 127);
  }
}

template <class X, class W, class Acc>
struct Rows : Problem {
  using Output = Acc;
  static constexpr bool kExact = !std::is_same_v<Acc, float>;
  std::int64_t images, inputs, count = 0, stride, output_stride = 0;
  std::vector<X> input;
  std::vector<W> weights;

  explicit Rows(Random& random)
      : images(random.integer(0, 3)),
        inputs(std::max<std::int64_t>(random.awkward(), 1)),
        stride(inputs + random.pick({0, 5})),
        input(numbers<X>(random, images * stride)) {}
  std::size_t outputs() const { return static_cast<std::size_t>(images * output_stride); }
  void make_absolute() {
    take_absolute(input);
    take_absolute(weights);
  }
};

template <class Op, class X, class W, class Acc>
struct DenseProblem : Rows<X, W, Acc> {
  explicit DenseProblem(Random& random) : Rows<X, W, Acc>(random) {
    this->count = random.awkward();
    this->output_stride = this->count + random.pick({0, 3});
    this->weights = numbers<W>(random, this->count * this->inputs);
  }
  void run(const KernelEntry& kernel, Acc* output) const {
    call<Op>(kernel, {this->input.data(), this->images, this->stride, this->inputs,
                      this->weights.data(), this->count, output, this->output_stride});
  }
};

template <class Op, class X, class W, class Acc>
struct SparseProblem : Rows<X, W, Acc> {
  std::vector<std::int32_t> starts, columns;

  explicit SparseProblem(Random& random) : Rows<X, W, Acc>(random), starts(draw_starts(random)) {
    this->count = static_cast<std::int64_t>(starts.size()) - 1;
    this->output_stride = this->count + random.pick({0, 3});
    columns = integers<std::int32_t>(random, starts.back(), 0, this->inputs - 1);
    this->weights = numbers<W>(random, starts.back());
  }
  void run(const KernelEntry& kernel, Acc* output) const {
    call<Op>(kernel,
             {this->input.data(), this->images, this->stride, columns.data(), this->weights.data(),
              starts.data(), this->count, output, this->output_stride});
  }
};

using DenseF32 = DenseProblem<LinearDenseF32, float, float, float>;
using DenseI16 = DenseProblem<LinearDenseI16, std::int16_t, std::int8_t, std::int32_t>;
using SparseF32 = SparseProblem<LinearSparseF32, float, float, float>;
using SparseI16 = SparseProblem<LinearSparseI16, std::int16_t, std::int8_t, std::int32_t>;

NIWAKI_CHECK(LinearDenseF32, DenseF32)
NIWAKI_CHECK(LinearDenseI16, DenseI16)
NIWAKI_CHECK(LinearSparseF32, SparseF32)
NIWAKI_CHECK(LinearSparseI16, SparseI16)

}  // namespace
}  // namespace niwaki::check
