// How tests and benchmarks hand NumPy arrays to a kernel by name.
//
// An adapter exists per op (bindings/kernels_<family>.cc): it reads named arguments, fills the op's
// Args, runs the kernel through `run` (once, or timed many times), and returns the output. Inputs
// are copied into buffers of exactly their size, so that AddressSanitizer sees every read beyond
// them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/plane_layout.h"
#include "common/table.h"
#include "epilogue/epilogue.h"

namespace niwaki {

namespace nb = nanobind;

// Throw ValueError with the house's text: [where] what must hold.
[[noreturn]] void refuse(const std::string& must);

inline void require(bool holds, const char* must) {
  if (!holds) {
    refuse(must);
  }
}

template <class T>
struct Array {
  std::vector<T> data;
  std::vector<std::int64_t> shape;

  std::int64_t size() const { return static_cast<std::int64_t>(data.size()); }
};

// The keyword arguments of one call; a missing or mistyped one is a ValueError that names it.
class Arguments {
 public:
  explicit Arguments(nb::kwargs values) : values_(std::move(values)) {}

  bool has(const char* key) const { return values_.contains(key) && !values_[key].is_none(); }
  nb::object object(const char* key) const;
  std::int64_t integer(const char* key) const;
  double number(const char* key) const;

  // A C-contiguous array of that dtype and rank.
  template <class T>
  Array<T> array(const char* key, std::size_t rank) const {
    return to_array<T>(object(key), key, rank);
  }

  template <class T>
  static Array<T> to_array(const nb::object& value, const char* key, std::size_t rank) {
    nb::ndarray<const T, nb::numpy, nb::c_contig, nb::device::cpu> view;
    if (!nb::try_cast(value, view, /*convert=*/false) || view.ndim() != rank) {
      refuse(std::string(key) + " must be a C-contiguous array of the right dtype, " +
             std::to_string(rank) + "-D");
    }
    Array<T> array;
    array.data.assign(view.data(), view.data() + view.size());
    for (std::size_t k = 0; k < rank; ++k) {
      array.shape.push_back(static_cast<std::int64_t>(view.shape(k)));
    }
    return array;
  }

  // From kernel, strides, dilations (pairs; dilations may be absent) and pads (top, left, bottom,
  // right).
  kernels::Window window() const;

 private:
  nb::kwargs values_;
};

// A buffer that a kernel writes: filled with a pattern first, with a guard behind it unless
// AddressSanitizer watches.
template <class T>
class Output {
 public:
  explicit Output(std::int64_t size) : size_(size), data_(size + kGuard, kFill) {}

  T* data() { return data_.data(); }

  nb::object to_numpy(std::initializer_list<std::int64_t> shape) {
    for (std::int64_t k = size_; k < size_ + kGuard; ++k) {
      require(data_[k] == kFill, "a kernel must not write behind its output");
    }
    std::vector<std::size_t> sizes(shape.begin(), shape.end());
    T* copy = new T[static_cast<std::size_t>(size_) + 1];
    std::copy(data_.begin(), data_.begin() + size_, copy);
    nb::capsule owner(copy, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T>(copy, sizes.size(), sizes.data(), owner));
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::int64_t kGuard = 0;
#else
  static constexpr std::int64_t kGuard = 64;
#endif
  static constexpr T kFill = static_cast<T>(77);

  std::int64_t size_;
  std::vector<T> data_;
};

using Run = std::function<void(const std::function<void()>&)>;
using Adapter =
    std::function<nb::object(const kernels::KernelEntry&, const Arguments&, const Run&)>;
using Adapters = std::map<std::string_view, Adapter>;

// Run `entry`, which must be a kernel of Op.
template <class Op>
void run_kernel(const kernels::KernelEntry& entry, const typename Op::Args& args, const Run& run) {
  run([&] { kernels::Kernel<Op>{&entry}(args); });
}

// An activation by its name in a program, and its numbers (alpha, beta, lo, hi).
kernels::ActivationKind activation_kind(const std::string& name);

void add_planes_adapters(Adapters& adapters);  // planes_f32
void add_dense_adapters(Adapters& adapters);   // dense_conv_f32, depthwise_f32, winograd_f32
void add_conv_adapters(Adapters& adapters);    // pad_planes, conv_f32, conv_i16, conv_b1
void add_cpo_adapters(Adapters& adapters);     // cpo_f32
void add_linear_adapters(Adapters& adapters);  // linear, threshold
void add_tiled_adapters(Adapters& adapters);   // bcsc, bits_gemm
void add_store_adapters(Adapters& adapters);   // epilogue, pool
void add_sparse_adapters(Adapters& adapters);  // sparse_conv_f32, split_phases
void add_unit_adapters(Adapters& adapters);    // unit_b1, pool_b1
void add_slices_adapters(Adapters& adapters);  // slices_b1
void add_pixels_adapters(Adapters& adapters);  // pixels_f32
void add_winograd_phases_adapters(Adapters& adapters);

}  // namespace niwaki
