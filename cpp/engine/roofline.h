// What this machine can do at most, measured: the roofs that layers are held against.
#pragma once

#include "common/isa.h"

namespace niwaki {

// Rates of one thread: 1e9 float multiply-adds, or bytes, a second.
struct Roofline {
  double fma_gmacs;                // multiply-adds from registers
  double load_gmacs;               // each with one unaligned load from the L1 cache
  double load_aligned_gmacs;       // each with one aligned load from it
  double l2_gb, l3_gb, memory_gb;  // reading 256 KiB, 4 MiB and 96 MiB
  double bits_gmacs;               // 1e9 bits a second: AND, popcount, addition from registers
};

// Takes about a fifth of a second, and 96 MiB while it runs.
Roofline measure_roofline(kernels::Isa isa);

}  // namespace niwaki
