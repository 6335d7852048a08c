// Bands: runs of layers that pass through the cache together.
//
// Layer by layer, a map larger than the L2 cache is written to memory and fetched again by the next
// layer. In a group of layers run band by band, the first layer makes a few rows, the next one the
// rows that these allow, and so on, before the first goes on: rows are still in the cache when they
// are read. Each layer keeps the rows that its next band needs ("keep-halo": nothing is computed
// twice); full-size buffers stay, which maps share row by row (band_memory.h). So only the order of
// calls changes, and no bit of a result.
//
// A model of bytes decides, after the fusion of "A Data-Reuse Aware Accelerator for Large-Scale
// Convolutional Networks" (Peemen, Mesman, Corporaal, 2014) [recalled]: a value that doesn't stay
// in the cache costs its bytes each time it is written or read; inside a group, nothing. Groups are
// chosen by dynamic programming over the layers. Departure: their intermediate maps have no memory
// behind them; ours are written back in the background, once, which the model leaves out
// (`background` counts it).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/ops.h"
#include "engine/schedule.h"

namespace niwaki {

inline constexpr int kMostBandLayers = 12;

struct BandGroup {
  int first = 0, last = 0;  // layers [first, last)
  int64_t rows = 1;         // that the first layer makes in one band
  // By layer: the value over whose rows its output is written, or -1 (band_memory.h).
  std::vector<int> over;
};

// Bytes of a run of layers through a cache.
struct Traffic {
  double unfused = 0, fused = 0;  // written and read, by the model
  double background = 0;          // of the fused form: intermediate maps written back
};

// A core's L2, and how much of it a band may take: other data pass through, too.
struct Cache {
  int64_t bytes = 1024 * 1024;
  int64_t band = 768 * 1024;
};

// The traffic of layers [first, last), and the rows of a band that fits (0: none does).
Traffic band_traffic(const Program& program, const std::vector<StepPtr>& steps, int first, int last,
                     const Cache& cache = {}, int64_t* rows = nullptr);

// The groups of one segment's layers, in order; single layers are none. Their `over` is left to
// share_rows.
std::vector<BandGroup> choose_bands(const Program& program, const std::vector<StepPtr>& steps,
                                    const Segment& segment, const Cache& cache = {});

// Runs a group on one image (Run::image), on one thread. `done` is scratch: a number per layer.
void run_bands(const Program& program, const std::vector<StepPtr>& steps, const BandGroup& group,
               const Run& run, int64_t* done);

}  // namespace niwaki
