// The engine: a program made ready to run, for any number of callers at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/bands.h"
#include "engine/container.h"
#include "engine/kernel_choice.h"
#include "engine/ops.h"
#include "engine/plan.h"
#include "engine/program.h"
#include "engine/thread_pool.h"
#include "engine/tune.h"
#include "engine/workspace.h"
#include "pixels_f32/pixels_f32.h"

namespace niwaki {

struct EngineOptions {
  int threads = 1;
  std::string isa = "auto";
  std::vector<std::string> kernels;  // names of kernels and algorithms, forced where they apply
  std::string choices;               // of float convolutions, JSON as Chooser takes it
  bool pin = false;                  // bind our threads to one CPU each
  double tune_ms = 0;                // to spend on measuring each one that isn't known; 0: none
  std::function<void(const std::string& layer)> on_tune = nullptr;  // before one is measured
  bool bands = false;  // run layers band by band where the model says it pays (bands.h)
};

// Where to copy a value of each image; images lie one behind the other, compact.
struct Wanted {
  int value = 0;
  uint8_t* data = nullptr;
};

class Engine {
 public:
  // Throws Error.
  Engine(Container container, const EngineOptions& options);
  ~Engine();

  const Program& program() const { return program_; }
  const Step& step(int layer) const { return *steps_[layer]; }
  int threads() const { return pool_.threads(); }
  const std::string& isa() const { return choice_.isa_name(); }

  // Runs all layers on `images` images (the bytes of each input value, one image behind the other,
  // in the order of Program::inputs) and copies the wanted values of each. Safe from many threads
  // at once.
  void run(const std::vector<const uint8_t*>& inputs, int64_t images,
           const std::vector<Wanted>& wanted) const;

  // Runs one layer on given inputs, in the order of Layer::inputs, each `images` images.
  void run_layer(int layer, const std::vector<const uint8_t*>& inputs, int64_t images,
                 uint8_t* output) const;

  // Runs the images `repeats` times on one slot, as run() does where it doesn't share them out, and
  // returns the median milliseconds of each layer, of all images together.
  std::vector<double> time_layers(const std::vector<const uint8_t*>& inputs, int64_t images,
                                  int repeats) const;

  // The layers that one thread runs band by band, one image at a time.
  const std::vector<BandGroup>& band_groups() const { return single_.groups; }

  Traffic traffic(int first, int last) const { return band_traffic(program_, steps_, first, last); }

  // Program, decoded weights and the workspaces made so far, as single images touch them.
  size_t memory_bytes() const;

  // What was measured while this engine was built: key -> times, fastest first.
  const std::map<std::string, std::vector<Measured>>& measured() const {
    return chooser_.measured();
  }
  // The times that decided, whether known before or measured.
  const std::map<std::string, std::vector<Measured>>& used() const { return chooser_.used(); }

 private:
  class Lease;
  // How many images pass how: one by one, or in chunks.
  struct Mode {
    Schedule schedule;
    MemoryPlan plan;
    std::vector<BandGroup> groups;  // that one thread runs band by band

    const BandGroup* group_at(int layer) const {  // that begins there, or nullptr
      for (const BandGroup& each : groups) {
        if (each.first == layer) return &each;
      }
      return nullptr;
    }
  };
  struct Batch {  // of one call
    const std::vector<const uint8_t*>& inputs;
    const std::vector<Wanted>& wanted;
    bool everything = false;  // a wanted value is one that nobody needs
  };

  Run make_run(Workspace& workspace, int slot, const Mode& mode, int64_t first, int64_t images,
               bool use_pool) const;
  // Images [first, first + images) of a call, at most a chunk.
  void run_chunk(Workspace& workspace, int slot, const Mode& mode, const Batch& batch,
                 int64_t first, int64_t images, bool use_pool, double* layer_ms = nullptr) const;
  void run_step(int index, Run& run) const;
  // From the form in which a step made a value to its other one (ValueLayout::converts).
  void convert(const Run& run, int id) const;
  void run_group(const BandGroup& group, Run& run) const;
  void choose_groups(Mode& mode);
  bool loses_wanted(const BandGroup& group, const Batch& batch) const;
  void copy_wanted(const Run& run, const Batch& batch, int id, int64_t first, int64_t images) const;
  void load_value(Run& run, int id, const uint8_t* data, int64_t images) const;
  void store_value(const Run& run, int id, uint8_t* data, int64_t images) const;

  Program program_;
  kernels::Kernel<kernels::PixelsOfPlanesF32> to_pixels_;
  kernels::Kernel<kernels::PlanesOfPixelsF32> to_planes_;
  Chooser chooser_;
  KernelChoice choice_;
  Mode single_, chunked_;
  std::vector<StepPtr> steps_;
  std::vector<bool> skipped_, is_skipped_;  // Step::skips: by layer; by the value that it makes
  // Of a workspace's arenas: from maps and upper halves to the lower halves (halves.h), and theirs.
  size_t upper_bytes_ = 0, lower_bytes_ = 0;
  size_t shared_bytes_ = 0;
  size_t thread_bytes_ = 0;
  mutable ThreadPool pool_;
  mutable std::mutex mutex_;  // guards the two below
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
  mutable size_t workspace_count_ = 0;
};

}  // namespace niwaki
