// One layer's inputs, attributes and tensors, each checked where it is asked for.
//
// Every failure is an Error (kFormat) that names file, layer and check.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/plane_layout.h"
#include "engine/program.h"
#include "epilogue/epilogue.h"

namespace niwaki {

// Positions inside one image's values, scratches and weights fit an int32.
inline constexpr int64_t kMaxPositions = INT32_MAX;

class LayerReader {
 public:
  LayerReader(const Program& program, const Layer& layer, int index)
      : program_(program), layer_(layer), index_(index) {}

  [[noreturn]] void fail(const std::string& must, const std::string& got) const;
  void require(bool holds, const std::string& must, const std::string& got) const {
    if (!holds) fail(must, got);
  }

  const Program& program() const { return program_; }
  const Layer& layer() const { return layer_; }
  int index() const { return index_; }
  const Value& value(int id) const { return program_.values[id]; }

  // Value ids. The dtype must be one of `dtypes`.
  int input(std::string_view role, std::initializer_list<DType> dtypes) const;
  int optional_input(std::string_view role, std::initializer_list<DType> dtypes) const;  // or -1
  int output(std::initializer_list<DType> dtypes) const;
  void require_shape(int id, const Shape& wanted) const;
  void require_roles(std::initializer_list<std::string_view> roles) const;

  // Attributes. A missing one is `fallback`.
  int64_t integer(std::string_view key, int64_t low, int64_t high, int64_t fallback) const;
  double number(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::string word(std::string_view key, std::initializer_list<std::string_view> known) const;
  std::vector<int64_t> integers(std::string_view key, size_t count, int64_t low, int64_t high,
                                int64_t fallback) const;  // `count` 0: as many as there are

  // kernel, strides, dilations and pads; the kernel must be given.
  kernels::Window window(int64_t max_pad) const;
  kernels::Activation activation() const;
  // lo and hi, within the range of the output's dtype; missing ones are that range's ends.
  void limits(DType dtype, int64_t& lo, int64_t& hi) const;

  // Tensors. `sizes` are what the shape must be; -1 stands for any size.
  const Tensor* find_tensor(std::string_view role) const;
  const Tensor& tensor(std::string_view role, std::initializer_list<DType> dtypes,
                       std::initializer_list<int64_t> sizes) const;

 private:
  const Json* attr(std::string_view key) const { return layer_.attrs.find(key); }
  void check_dtype(int id, std::string_view role, std::initializer_list<DType> dtypes) const;

  const Program& program_;
  const Layer& layer_;
  int index_;
};

// Pixels of the output along one side; 0 where the window doesn't fit.
int64_t window_positions(int64_t size, int64_t pads, int64_t kernel, int64_t stride,
                         int64_t dilation);

}  // namespace niwaki
