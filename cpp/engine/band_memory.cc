#include "engine/band_memory.h"

#include <algorithm>
#include <limits>

namespace niwaki {
namespace {

using kernels::Planes;

constexpr int64_t kMadeAgain = 32;  // pixels of the row before that a step makes again, at most

bool is_in(const std::vector<int>& ids, int id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// Whether all reads of a value are a group's, by rows, and over before layer `index` begins.
bool dies_before(const Program& program, const std::vector<StepPtr>& steps, const BandGroup& group,
                 int id, int index) {
  if (is_in(program.outputs, id)) return false;
  const int count = static_cast<int>(program.layers.size());
  for (int reader = 0; reader < count; ++reader) {
    if (!is_in(program.layers[reader].inputs, id)) continue;
    if (reader < group.first || reader >= index) return false;
    if (steps[reader]->lowest_row(id, 0) == Step::kAnyRow) return false;
  }
  return true;
}

// Whether the rows of two values are the same bytes, if they begin at the same one.
bool has_same_rows(const Program& program, const std::vector<Life>& lives, int id, int other) {
  const Planes& planes = program.layouts[id].planes;
  const int64_t images = lives[id].images;
  // As many images of each, and one that holds the whole chunk only over another that does.
  if (lives[other].images != images) return false;
  if (images > 1 && lives[other].crosses != lives[id].crosses) return false;
  // What is made again, and the left pad of that, must lie in the row before.
  return planes == program.layouts[other].planes && planes.row >= kMadeAgain + planes.pad_columns();
}

}  // namespace

std::vector<int> share_rows(const Program& program, const std::vector<StepPtr>& steps,
                            const std::vector<Life>& lives, const BandGroup& group) {
  std::vector<int> over;
  for (int index = group.first; index < group.last; ++index) {
    const int output = program.layers[index].output;
    int found = -1;
    for (int reader = group.first; reader < index; ++reader) {
      for (int id : program.layers[reader].inputs) {
        if (found < 0 && !is_in(over, id) && has_same_rows(program, lives, id, output) &&
            lies_alone(program, id) && lies_alone(program, output) &&
            dies_before(program, steps, group, id, index)) {
          found = id;
        }
      }
    }
    over.push_back(found);
  }
  return over;
}

int64_t free_rows(const Program& program, const std::vector<StepPtr>& steps, const BandGroup& group,
                  int k, const int64_t* done) {
  const int id = group.over[static_cast<size_t>(k)];
  int64_t rows = std::numeric_limits<int64_t>::max();
  for (int other = 0; other < k; ++other) {
    const Layer& layer = program.layers[group.first + other];
    if (!is_in(layer.inputs, id)) continue;
    // Through in the last band only, and then so is who made the value, a layer before this one.
    if (done[other] >= program.values[layer.output].shape.height) continue;
    rows = std::min(rows, steps[group.first + other]->lowest_row(id, done[other]));
  }
  return rows;
}

}  // namespace niwaki
