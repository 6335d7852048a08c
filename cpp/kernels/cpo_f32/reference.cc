#include "cpo_f32/cpo_f32.h"

namespace niwaki::kernels {
namespace {

// Writes one column of CPO, or of CPS where `sets`.
void encode_column(const CpoEncodeF32Args& args, std::int64_t x, bool sets) {
  float* values = args.values + x * args.capacity;
  std::uint16_t* places = args.places + x * args.capacity;
  std::int32_t count = 0;
  std::int32_t words = 0;
  for (std::int64_t i = 0; i < args.height; ++i) {
    args.starts[x * (args.height + 1) + i] = count;
    if (sets) args.words[x * (args.height + 1) + i] = words;
    for (std::int64_t first = 0; first < args.channels; first += 4) {
      unsigned set = 0;
      const std::int32_t before = count;
      for (std::int64_t c = first; c < first + 4 && c < args.channels; ++c) {
        const float value = args.input[c * args.plane + i * args.row + x];
        if (value == 0) continue;
        set |= 1U << (c - first);
        values[count++] = value;
      }
      const std::int64_t place = i * args.block + first;
      if (sets && count - before >= 3) {
        places[words++] = static_cast<std::uint16_t>(kCpsPrefix | place);
        places[words++] = static_cast<std::uint16_t>(set);
        continue;
      }
      for (int bit = 0; bit < 4; ++bit) {
        if ((set >> bit & 1U) != 0) places[words++] = static_cast<std::uint16_t>(place + bit);
      }
    }
  }
  args.starts[x * (args.height + 1) + args.height] = count;
  if (sets) args.words[x * (args.height + 1) + args.height] = words;
}

// Adds one entry's products to every window that reads its column.
void add_entry(const CpoMultiplyF32Args& args, std::int64_t column, float value,
               std::int64_t place) {
  const std::int64_t overlaps = cpo_overlaps(args.kernel_w, args.stride_w);
  const float* row = args.weights + (place - args.shift) * args.kernel_w * args.outputs;
  std::int64_t tap = 0;
  for (std::int64_t p = 0; p < args.stride_w; ++p) {
    for (std::int64_t q = p; q < args.kernel_w; q += args.stride_w, ++tap) {
      const std::int64_t from = column + args.pad_left - q;
      if (from % args.stride_w != 0) continue;
      const std::int64_t w = from / args.stride_w;
      if (w < 0 || w >= args.windows) continue;
      for (std::int64_t o = 0; o < args.outputs; ++o) {
        args.sums[(w + overlaps - 1) * args.outputs + o] += value * row[tap * args.outputs + o];
      }
    }
  }
}

void multiply(const CpoMultiplyF32Args& args, bool sets) {
  for (std::int64_t x = 0; x < args.columns; ++x) {
    const std::int64_t line = x * (args.height + 1);
    const float* value = args.values + x * args.capacity + args.starts[line + args.first_row];
    const std::int32_t* starts = sets ? args.words : args.starts;
    const std::uint16_t* places = args.places + x * args.capacity;
    for (std::int32_t e = starts[line + args.first_row]; e < starts[line + args.last_row]; ++e) {
      if (!sets || (places[e] & kCpsPrefix) == 0) {
        add_entry(args, x, *value++, places[e]);
        continue;
      }
      const std::int64_t place = places[e] & (kCpsPrefix - 1);
      ++e;
      for (int bit = 0; bit < 4; ++bit) {
        if ((places[e] >> bit & 1U) != 0) add_entry(args, x, *value++, place + bit);
      }
    }
  }
}

}  // namespace

void cpo_encode_f32_f32_f32_reference(const CpoEncodeF32Args& args) {
  for (std::int64_t x = 0; x < args.columns; ++x) encode_column(args, x, false);
}

void cps_encode_f32_f32_f32_reference(const CpoEncodeF32Args& args) {
  for (std::int64_t x = 0; x < args.columns; ++x) encode_column(args, x, true);
}

void cpo_multiply_f32_f32_f32_reference(const CpoMultiplyF32Args& args) { multiply(args, false); }
void cps_multiply_f32_f32_f32_reference(const CpoMultiplyF32Args& args) { multiply(args, true); }

void cpo_store_f32_f32_f32_reference(const CpoStoreF32Args& args) {
  for (std::int64_t o = 0; o < args.channels; ++o) {
    for (std::int64_t y = 0; y < args.rows; ++y) {
      for (std::int64_t x = 0; x < args.row; ++x) {
        const std::int64_t p = y * args.row + x;
        float value[1] = {0};
        if (x < args.width) {
          value[0] = args.sums[(y * args.slots + args.first_slot + x) * args.outputs + o];
          if (args.bias != nullptr) value[0] += args.bias[o];
          if (args.residual != nullptr) {
            value[0] += args.residual[o * args.store.residual_plane + p];
          }
          activate<1>(value, args.store.activation);
        }
        args.output[o * args.output_plane + p] = value[0];
      }
    }
  }
}

}  // namespace niwaki::kernels
