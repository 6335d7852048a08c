#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/error.h"

namespace niwaki {

// The memory of one call: a slot per thread, each with room for one image's values and scratch.
class Engine::Workspace {
 public:
  explicit Workspace(const Engine& engine) {
    for (int slot = 0; slot < engine.threads(); ++slot) {
      arenas_.emplace_back(engine.plan_.arena_bytes);
      shared_.emplace_back(engine.shared_bytes_);
      scratch_.emplace_back(engine.thread_bytes_);
      scratch_data_.push_back(scratch_.back().data());
      auto& values = values_.emplace_back();
      for (size_t offset : engine.plan_.offsets) values.push_back(arenas_.back().data() + offset);
    }
  }

  uint8_t* const* values(int slot) const { return values_[slot].data(); }
  uint8_t* shared(int slot) const { return shared_[slot].data(); }
  uint8_t* const* scratch(int slot) const { return scratch_data_.data() + slot; }

 private:
  std::vector<AlignedBytes> arenas_, shared_, scratch_;
  std::vector<uint8_t*> scratch_data_;
  std::vector<std::vector<uint8_t*>> values_;  // by slot and value id
};

// A workspace while a call lasts; made anew only where more callers run at once than ever before.
class Engine::Lease {
 public:
  explicit Lease(const Engine& engine) : engine_(engine) {
    {
      std::lock_guard lock(engine_.mutex_);
      if (!engine_.idle_.empty()) {
        workspace_ = std::move(engine_.idle_.back());
        engine_.idle_.pop_back();
        return;
      }
      ++engine_.workspace_count_;
      engine_.idle_.reserve(engine_.workspace_count_);  // giving back never allocates
    }
    try {
      workspace_ = std::make_unique<Workspace>(engine_);
    } catch (...) {
      std::lock_guard lock(engine_.mutex_);
      --engine_.workspace_count_;
      throw;
    }
  }
  ~Lease() {
    std::lock_guard lock(engine_.mutex_);
    engine_.idle_.push_back(std::move(workspace_));
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Workspace& operator*() const { return *workspace_; }

 private:
  const Engine& engine_;
  std::unique_ptr<Workspace> workspace_;
};

Engine::Engine(Container container, const EngineOptions& options)
    : program_(load_program(std::move(container))),
      choice_(options.isa, options.kernels),
      plan_(plan_memory(program_)),
      pool_(options.threads) {
  for (int id : program_.inputs) {
    if (program_.values[id].dtype == DType::kF32) continue;
    throw Error(ErrorKind::kFormat, program_.container.name, "an input must be f32 planes",
                dtype_name(program_.values[id].dtype));
  }
  for (size_t index = 0; index < program_.layers.size(); ++index) {
    const Layer& layer = program_.layers[index];
    steps_.push_back(find_op(layer.op)->build(program_, layer, static_cast<int>(index), choice_));
    shared_bytes_ = std::max(shared_bytes_, steps_.back()->shared_bytes);
    thread_bytes_ = std::max(thread_bytes_, steps_.back()->thread_bytes);
  }
  Lease first(*this);  // the memory of one caller is there before the first run
}

Engine::~Engine() = default;

Run Engine::make_run(Workspace& workspace, int slot, bool use_pool) const {
  return Run(workspace.values(slot), workspace.shared(slot), workspace.scratch(slot),
             use_pool && pool_.threads() > 1 ? &pool_ : nullptr);
}

void Engine::load_inputs(const Run& run, const std::vector<const uint8_t*>& inputs,
                         int64_t image) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int id = program_.inputs[i];
    const size_t bytes = program_.values[id].bytes();
    std::memcpy(run.value(id), inputs[i] + static_cast<size_t>(image) * bytes, bytes);
  }
}

void Engine::run_image(Workspace& workspace, int slot, bool use_pool,
                       const std::vector<const uint8_t*>& inputs, int64_t image,
                       const std::vector<Wanted>& wanted) const {
  Run run = make_run(workspace, slot, use_pool);
  auto copy_out = [&](int id) {
    for (const Wanted& each : wanted) {
      if (each.value != id) continue;
      const size_t bytes = program_.values[id].bytes();
      std::memcpy(each.data + static_cast<size_t>(image) * bytes, run.value(id), bytes);
    }
  };
  load_inputs(run, inputs, image);
  for (int id : program_.inputs) copy_out(id);
  for (size_t index = 0; index < steps_.size(); ++index) {
    steps_[index]->run(run);
    copy_out(program_.layers[index].output);  // now: its room may be given to another value
  }
}

void Engine::run(const std::vector<const uint8_t*>& inputs, int64_t images,
                 const std::vector<Wanted>& wanted) const {
  FlushSubnormals flush;
  Lease workspace(*this);
  if (images >= pool_.threads() && pool_.threads() > 1) {
    // Whole images share out better than parts of layers.
    pool_.run(images, [&](int64_t image, int thread) {
      run_image(*workspace, thread, false, inputs, image, wanted);
    });
    return;
  }
  for (int64_t image = 0; image < images; ++image) {
    run_image(*workspace, 0, true, inputs, image, wanted);
  }
}

void Engine::run_layer(int layer, const std::vector<const uint8_t*>& inputs, int64_t images,
                       uint8_t* output) const {
  FlushSubnormals flush;
  Lease workspace(*this);
  Run run = make_run(*workspace, 0, true);
  const Layer& description = program_.layers[layer];
  const size_t bytes = program_.values[description.output].bytes();
  for (int64_t image = 0; image < images; ++image) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const size_t size = program_.values[description.inputs[i]].bytes();
      std::memcpy(run.value(description.inputs[i]), inputs[i] + static_cast<size_t>(image) * size,
                  size);
    }
    steps_[layer]->run(run);
    std::memcpy(output + static_cast<size_t>(image) * bytes, run.value(description.output), bytes);
  }
}

std::vector<double> Engine::time_layers(const std::vector<const uint8_t*>& inputs,
                                        int repeats) const {
  using Clock = std::chrono::steady_clock;
  FlushSubnormals flush;
  Lease workspace(*this);
  Run run = make_run(*workspace, 0, true);
  std::vector<std::vector<double>> samples(steps_.size());
  for (int repeat = 0; repeat < repeats + 1; ++repeat) {
    load_inputs(run, inputs, 0);
    for (size_t index = 0; index < steps_.size(); ++index) {
      const auto start = Clock::now();
      steps_[index]->run(run);
      const std::chrono::duration<double, std::milli> spent = Clock::now() - start;
      if (repeat > 0) samples[index].push_back(spent.count());  // the first one warms up
    }
  }
  std::vector<double> medians;
  for (auto& each : samples) {
    auto middle = each.begin() + static_cast<std::ptrdiff_t>(each.size() / 2);
    std::nth_element(each.begin(), middle, each.end());
    medians.push_back(*middle);
  }
  return medians;
}

size_t Engine::memory_bytes() const {
  size_t bytes = program_.container.bytes.size();
  for (const StepPtr& step : steps_) bytes += step->packed_bytes;
  std::lock_guard lock(mutex_);
  return bytes + workspace_count_ * static_cast<size_t>(threads()) *
                     (plan_.arena_bytes + shared_bytes_ + thread_bytes_);
}

}  // namespace niwaki
