#include "engine/bands.h"

#include <algorithm>
#include <limits>

#include "engine/band_memory.h"

namespace niwaki {
namespace {

constexpr int64_t kLeastRows = 4;      // of a band, and pixels of each layer in it: fewer cost
constexpr int64_t kLeastPixels = 224;  // more in calls than they save
constexpr double kLeastSaved = 256 * 1024.0;  // bytes, for which a border is worth drawing

const Shape& shape_of(const Program& program, int id) { return program.values[id].shape; }

double bytes_of(const Program& program, int id) {
  return static_cast<double>(program.values[id].bytes());
}

// Which layer of [first, last) makes a value, or -1.
int maker_of(const Program& program, int id, int first, int last) {
  for (int index = first; index < last; ++index) {
    if (program.layers[index].output == id) return index;
  }
  return -1;
}

// Whether a layer's rows can be made in bands: by its step, in memory of its own.
bool can_band(const Program& program, const std::vector<StepPtr>& steps, int index) {
  const ValueLayout& layout = program.layouts[program.layers[index].output];
  return steps[index]->bands() && layout.has_planes && !layout.converts() &&
         layout.same_memory < 0 && shape_of(program, program.layers[index].output).height > 1;
}

// A layer may read a group's value only as rows of planes, and nobody may write over it.
bool fits_group(const Program& program, const std::vector<StepPtr>& steps, int first, int index) {
  if (!can_band(program, steps, index)) return false;
  for (int id : program.layers[index].inputs) {
    if (maker_of(program, id, first, index) < 0) continue;
    if (steps[index]->rows_needed(id, 1) < 0) return false;
  }
  return true;
}

bool is_read_outside(const Program& program, int id, int first, int last) {
  const int count = static_cast<int>(program.layers.size());
  for (int index = 0; index < count; ++index) {
    if (index >= first && index < last) continue;
    const auto& inputs = program.layers[index].inputs;
    if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) return true;
  }
  return std::find(program.outputs.begin(), program.outputs.end(), id) != program.outputs.end();
}

// Values that layers [first, last) touch, each once.
std::vector<int> touched(const Program& program, int first, int last) {
  std::vector<int> ids;
  for (int index = first; index < last; ++index) {
    for (int id : program.layers[index].inputs) ids.push_back(id);
    ids.push_back(program.layers[index].output);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// Rows of the first layer in a band whose rows of all values fit the cache, beside the weights.
int64_t fitting_rows(const Program& program, const std::vector<StepPtr>& steps, int first, int last,
                     const Cache& cache) {
  const auto height = static_cast<double>(shape_of(program, program.layers[first].output).height);
  double per_row = 0;  // bytes for each row of the first layer's output
  double fixed = 0;    // halos and weights
  for (int id : touched(program, first, last)) {
    const Shape& shape = shape_of(program, id);
    const double row =
        bytes_of(program, id) / static_cast<double>(std::max<int64_t>(shape.height, 1));
    per_row += row * static_cast<double>(shape.height) / height;
    fixed += 2 * row;
  }
  for (int index = first; index < last; ++index) {
    fixed += static_cast<double>(steps[index]->packed_bytes);
  }
  const double rows = (static_cast<double>(cache.band) - fixed) / per_row;
  return rows < 1 ? 0 : static_cast<int64_t>(std::min(rows, height));
}

}  // namespace

Traffic band_traffic(const Program& program, const std::vector<StepPtr>& steps, int first, int last,
                     const Cache& cache, int64_t* rows) {
  Traffic traffic;
  for (int index = first; index < last; ++index) {
    const Layer& layer = program.layers[index];
    double bytes = bytes_of(program, layer.output);
    for (int id : layer.inputs) bytes += bytes_of(program, id);
    // What fits the cache as a whole stays there from one layer to the next.
    if (bytes > static_cast<double>(cache.bytes)) traffic.unfused += bytes;
  }
  for (int id : touched(program, first, last)) {
    const bool inside = maker_of(program, id, first, last) >= 0;
    if (!inside || is_read_outside(program, id, first, last)) {
      traffic.fused += bytes_of(program, id);
    } else {
      traffic.background += bytes_of(program, id);
    }
  }
  if (rows != nullptr) *rows = fitting_rows(program, steps, first, last, cache);
  return traffic;
}

std::vector<BandGroup> choose_bands(const Program& program, const std::vector<StepPtr>& steps,
                                    const Segment& segment, const Cache& cache) {
  // best[k]: the least traffic of the segment's first k layers, the last group of which begins at
  // from[k].
  const int count = segment.last - segment.first;
  std::vector<double> best(static_cast<size_t>(count) + 1, 0);
  std::vector<int> from(best.size(), 0);
  std::vector<int64_t> rows(best.size(), 0);
  for (int end = 1; end <= count; ++end) {
    best[end] = std::numeric_limits<double>::infinity();
    for (int begin = end - 1; begin >= std::max(0, end - kMostBandLayers); --begin) {
      const int first = segment.first + begin;
      const int last = segment.first + end;
      int64_t fitting = 0;
      const Traffic traffic = band_traffic(program, steps, first, last, cache, &fitting);
      double cost = traffic.unfused;
      if (begin < end - 1) {
        const int64_t height = shape_of(program, program.layers[first].output).height;
        bool fits = fitting >= kLeastRows;
        for (int index = first; fits && index < last; ++index) {
          const Shape& shape = shape_of(program, program.layers[index].output);
          fits = fitting * shape.pixels() / height >= kLeastPixels &&
                 fits_group(program, steps, first, index);
        }
        if (!fits) continue;
        cost = std::min(traffic.fused, traffic.unfused) + kLeastSaved;
      }
      if (best[begin] + cost < best[end]) {
        best[end] = best[begin] + cost;
        from[end] = begin;
        rows[end] = begin < end - 1 ? fitting : 0;
      }
    }
  }
  std::vector<BandGroup> groups;
  for (int end = count; end > 0; end = from[end]) {
    if (rows[end] > 0) {
      groups.insert(groups.begin(),
                    {segment.first + from[end], segment.first + end, rows[end], {}});
    }
  }
  return groups;
}

void run_bands(const Program& program, const std::vector<StepPtr>& steps, const BandGroup& group,
               const Run& run, int64_t* done) {
  const int count = group.last - group.first;
  std::fill(done, done + count, 0);
  const int64_t height = shape_of(program, program.layers[group.first].output).height;
  for (int64_t band = group.rows;; band += group.rows) {
    const bool last_band = band >= height;
    for (int k = 0; k < count; ++k) {
      const Layer& layer = program.layers[group.first + k];
      const Step& step = *steps[group.first + k];
      const int64_t rows = shape_of(program, layer.output).height;
      // As far down as the inputs allow, and as those who still read what lies below; what reads
      // none of the group's values keeps the pace of the first layer.
      int64_t wanted = last_band ? rows : std::min(rows, band * rows / height);
      for (int id : layer.inputs) {
        const int maker = maker_of(program, id, group.first, group.first + k);
        if (maker < 0) continue;
        const int64_t there = done[maker - group.first];
        if (there >= shape_of(program, id).height) continue;
        while (wanted > done[k] && step.rows_needed(id, wanted) > there) --wanted;
      }
      if (group.over[static_cast<size_t>(k)] >= 0) {
        wanted = std::min(wanted, free_rows(program, steps, group, k, done));
      }
      if (wanted <= done[k]) continue;
      step.run_rows(run, done[k], wanted);
      done[k] = wanted;
    }
    if (last_band) return;
  }
}

}  // namespace niwaki
