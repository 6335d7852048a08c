#include "slices_b1/bits.h"
#include "slices_b1/finish.h"

namespace niwaki::kernels {
namespace {

// What the compiler makes a vector of wherever the CPU has any.
struct Plain {
  using Type = std::uint64_t __attribute__((vector_size(16)));
  static constexpr int kBytes = 16;
  static constexpr int kLanes = 4;
  static constexpr int kMaskPlanes = 0;
  using Ints = std::int32_t __attribute__((vector_size(16)));
  using Floats = float __attribute__((vector_size(16)));

  static NIWAKI_INLINE Ints ints(const std::uint8_t* bytes) {
    return Ints{bytes[0], bytes[1], bytes[2], bytes[3]};
  }

  static NIWAKI_INLINE Type load(const char* p) {
    Type x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  static NIWAKI_INLINE Type zero() { return Type{}; }
  static NIWAKI_INLINE Type exclusive_or(Type a, Type b) { return a ^ b; }
  static NIWAKI_INLINE Type both(Type a, Type b) { return a & b; }
  static NIWAKI_INLINE Type sum(Type a, Type b, Type c) { return b ^ c ^ a; }
  static NIWAKI_INLINE Type carry(Type a, Type b, Type c) {
    const Type differ = b ^ c;
    return (differ & a) | (~differ & b);
  }
  static void spread(const Type* planes, std::uint8_t* bytes) {
    std::memset(bytes, 0, 8 * kBytes);
    for (int plane = 0; plane < 8; ++plane) {
      std::uint8_t source[kBytes];
      std::memcpy(source, &planes[plane], sizeof source);
      for (int b = 0; b < kBytes; ++b) {
        for (int k = 0; k < 8; ++k) {
          bytes[8 * b + k] =
              static_cast<std::uint8_t>(bytes[8 * b + k] | (source[b] >> k & 1) << plane);
        }
      }
    }
  }
  static constexpr int place(int b) { return 16 * b; }
};

// Bits of the floats that pass (bits.h).
struct Test {
  static constexpr int kLanes = 8;

  NIWAKI_INLINE std::uint8_t operator()(const float* x, float level, bool falling) const {
    unsigned bits = 0;
    for (int k = 0; k < kLanes; ++k) {
      bits |= static_cast<unsigned>(falling ? x[k] <= level : x[k] >= level) << k;
    }
    return static_cast<std::uint8_t>(bits);
  }
};

}  // namespace

void slice_base_u1_portable(const SliceBaseArgs& args) { slice_base(args); }
void slice_threshold_f32_u1_portable(const SliceThresholdArgs& args) {
  slice_threshold(args, Test{});
}
void slice_bits_u1_portable(const SliceBitsArgs& args) { slice_bits(args); }
void slice_ones_u1_i32_portable(const SliceOnesArgs& args) { slice_ones<Plain>(args); }
void slices_u1_b1_f32_portable(const SlicesB1Args& args) { add_slices<Plain>(args); }

}  // namespace niwaki::kernels
