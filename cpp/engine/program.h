// The program: layers over values, read from a container with every number checked as if hostile.
// What an op asks of its inputs, attributes and tensors is checked by the op (ops_*.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/container.h"
#include "engine/json.h"
#include "engine/layouts.h"

namespace niwaki {

enum class DType { kF16, kF32, kF64, kU8, kS8, kU16, kS16, kS32, kS64, kU64, kU1 };
enum class Layout { kPlanes, kWords };

const char* dtype_name(DType dtype);
size_t dtype_bytes(DType dtype);  // of one element; u1 values are counted in words instead

// Axes of a value, the batch aside.
inline constexpr size_t kMaxRank = 6;

// Sizes without the batch: (C, H, W), or (C,) with height = width = 1 and `flat`. A tensor of
// another rank keeps its sizes in `general`, and is seen as an image of as many elements: the first
// axis, the axes between, the last.
struct Shape {
  int64_t channels = 1, height = 1, width = 1;
  bool flat = false;
  std::optional<std::vector<int64_t>> general = std::nullopt;

  static Shape of(const std::vector<int64_t>& sizes);

  int64_t pixels() const { return height * width; }
  int64_t elements() const { return channels * pixels(); }
  int64_t words_per_pixel() const { return (channels + 63) / 64; }
  std::vector<int64_t> sizes() const;
  std::string text() const;
  bool operator==(const Shape&) const = default;
};

struct Value {
  std::string name;
  DType dtype = DType::kF32;
  Layout layout = Layout::kPlanes;
  Shape shape;

  size_t bytes() const;  // of one image
};

struct Tensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;    // 64-byte aligned, inside the container or Program::widened
  const uint8_t* stored = nullptr;  // as the file holds it, and in how many bytes
  size_t stored_bytes = 0;

  int64_t elements() const;
  size_t bytes() const { return static_cast<size_t>(elements()) * dtype_bytes(dtype); }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

struct Layer {
  std::string op, name;
  std::vector<std::string> roles;  // of `inputs`: "x", "bits", "residual"; or "inputs" for each
  std::vector<int> inputs;         // value ids
  int output = 0;
  Json attrs;
  std::vector<std::string> tensor_roles;
  std::vector<int> tensors;  // indices into Program::tensors

  int input(std::string_view role) const;  // value id, or -1
};

struct Program {
  Container container;  // owns what the tensors point at, but for those held in 16 bits:
  std::vector<AlignedBytes> widened;  // these are floats here, and nothing else sees kF16
  std::string form, name;
  std::vector<Value> values;
  std::vector<Tensor> tensors;
  std::vector<Layer> layers;
  std::vector<int> inputs, outputs;
  Json choices;                      // times that the file remembers (Chooser::remember), or null
  std::vector<ValueLayout> layouts;  // by value id; chosen when all is read (layouts.h)
  // Chosen as well (pixels.h). By layer: the threshold whose bits it writes, and for a threshold
  // the layer that does so, or -1. By value: whether nobody but such a threshold reads it, so that
  // it isn't made unless a caller asks for it.
  std::vector<int> writes_bits, written_by;
  std::vector<bool> unneeded;
};

// Throws Error (kFormat, kUnsupportedOp, kValueDomain for a NaN in a tensor).
Program load_program(Container container);

}  // namespace niwaki
