#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include "engine/band_memory.h"
#include "engine/error.h"
#include "engine/halves.h"
#include "engine/text.h"

namespace niwaki {

using kernels::compact_planes;

constexpr int64_t kMaxChunk = 16;  // images: more gains nothing
constexpr size_t kPage = 4096;
constexpr size_t kMaxArenaBytes = 64u << 20;  // of a chunk, for each thread

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
      engine_.idle_.reserve(engine_.workspace_count_ + 1);  // giving back never allocates
      ++engine_.workspace_count_;
    }
    const size_t arena = engine_.lower_bytes_ +
                         std::max({engine_.upper_bytes_, engine_.single_.plan.arena_bytes,
                                   engine_.chunked_.plan.arena_bytes});  // bands are planned later
    try {
      workspace_ = std::make_unique<Workspace>(engine_.threads(), arena, engine_.shared_bytes_,
                                               engine_.thread_bytes_);
    } catch (const std::bad_alloc&) {
      std::lock_guard lock(engine_.mutex_);
      --engine_.workspace_count_;
      throw Error(ErrorKind::kShape, "Engine", "the values of a run must fit into memory",
                  concat(arena >> 20, " MiB for each of ", engine_.threads(), " threads"),
                  "Make the input smaller");
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
      chooser_(options.choices),
      choice_(options.isa, options.kernels, &chooser_),
      pool_(options.threads, options.pin) {
  for (int id : program_.inputs) {
    if (program_.values[id].dtype == DType::kF32) continue;
    throw Error(ErrorKind::kFormat, program_.container.name, "an input must be f32 planes",
                dtype_name(program_.values[id].dtype));
  }
  if (options.bands) {
    part_residuals(program_);
    match_pads(program_);
  } else if (options.threads > 1) {
    halve_maps(program_);
  }
  single_.schedule = single_schedule(program_);
  single_.plan = plan_memory(program_, single_.schedule);
  for (int64_t most = kMaxChunk; most >= 1; most /= 2) {
    chunked_.schedule = batch_schedule(program_, most);
    try {
      chunked_.plan = plan_memory(program_, chunked_.schedule);
    } catch (const Error&) {  // too large for so many; for one it was not
      if (chunked_.schedule.images == 1) throw;
      continue;
    }
    const size_t bytes = chunked_.plan.arena_bytes + chunked_.plan.lower_bytes;
    if (bytes <= kMaxArenaBytes || chunked_.schedule.images == 1) break;
  }
  const size_t arena = std::max(single_.plan.arena_bytes, chunked_.plan.arena_bytes);
  upper_bytes_ = (arena + kPage - 1) / kPage * kPage;
  lower_bytes_ = std::max(single_.plan.lower_bytes, chunked_.plan.lower_bytes);
  place_halves(program_, upper_bytes_);
  choice_.set_threads(options.threads);
  to_pixels_ = choice_.choose<kernels::PixelsOfPlanesF32>();
  to_planes_ = choice_.choose<kernels::PlanesOfPixelsF32>();
  if (program_.choices.kind() != Json::Kind::kNull) chooser_.remember(program_.choices);
  chooser_.tune_ms = options.tune_ms;
  chooser_.on_tune = options.on_tune;
  chooser_.pool = &pool_;
  skipped_.assign(program_.layers.size(), false);
  is_skipped_.assign(program_.values.size(), false);
  for (size_t index = 0; index < program_.layers.size(); ++index) {
    const Layer& layer = program_.layers[index];
    const int position = static_cast<int>(index);
    choice_.set_images(chunked_.schedule.images_of(position));
    steps_.push_back(find_op(layer.op)->build(program_, layer, position, choice_));
    shared_bytes_ = std::max(shared_bytes_, steps_.back()->shared_bytes);
    thread_bytes_ = std::max(thread_bytes_, steps_.back()->thread_bytes);
    program_.container.bytes.drop_pages();  // packed by now, most of it
    if (const int skips = steps_.back()->skips; skips >= 0) {
      skipped_[skips] = true;
      is_skipped_[program_.layers[skips].output] = true;
      steps_[skips]->kernel = "none";
      steps_[skips]->reason = concat("done by ", layer.name);
    }
  }
  if (options.bands) {
    choose_groups(single_);
    choose_groups(chunked_);
  }
  chooser_.on_tune = nullptr;  // what it refers to is the caller's
  Lease first(*this);          // the memory of one caller is there before the first run
}

Engine::~Engine() = default;

void Engine::choose_groups(Mode& mode) {
  for (const Segment& segment : mode.schedule.segments) {
    const auto groups = choose_bands(program_, steps_, segment);
    mode.groups.insert(mode.groups.end(), groups.begin(), groups.end());
  }
  const auto lives = find_lives(program_, mode.schedule);
  for (BandGroup& group : mode.groups) group.over = share_rows(program_, steps_, lives, group);
  if (!mode.groups.empty()) mode.plan = plan_memory(program_, mode.schedule, mode.groups);
}

void Engine::run_group(const BandGroup& group, Run& run) const {
  // Pad rows are read before the layer that they belong to is through: cleared first. Those of a
  // map that lies over another are the other's, zeros already.
  for (int index = group.first; index < group.last; ++index) {
    const int id = program_.layers[index].output;
    if (group.over[static_cast<size_t>(index - group.first)] >= 0) continue;
    kernels::clear_pads_ahead(program_.layouts[id].planes, run.images(), run.planes(id));
  }
  int64_t done[kMostBandLayers];
  for (int64_t n = 0; n < run.images(); ++n) {
    run_bands(program_, steps_, group, run.image(n), done);
  }
}

Run Engine::make_run(Workspace& workspace, int slot, const Mode& mode, int64_t first,
                     int64_t images, bool use_pool) const {
  return Run(workspace.views(slot, mode.plan, first), images, workspace.shared(slot),
             workspace.scratch(slot), use_pool && pool_.threads() > 1 ? &pool_ : nullptr);
}

// Copies compact images in, in every form that the value has.
void Engine::load_value(Run& run, int id, const uint8_t* data, int64_t images) const {
  const Value& value = program_.values[id];
  const ValueLayout& layout = program_.layouts[id];
  if (layout.second_half > 0) {
    return load_halves(layout, reinterpret_cast<const float*>(data), images, run.planes(id));
  }
  if (layout.has_planes) {
    // Each thread the rows that it will read.
    const int64_t parts = std::clamp<int64_t>(run.threads(), 1, value.shape.height);
    run.parallel(parts, [&](int64_t part, uint8_t*) {
      const int64_t first = value.shape.height * part / parts;
      kernels::Planes planes = layout.planes;
      auto compact = compact_planes(value.shape.channels, value.shape.height, value.shape.width);
      planes.height = compact.height = value.shape.height * (part + 1) / parts - first;
      kernels::copy_planes(compact, reinterpret_cast<const float*>(data) + first * compact.row,
                           planes, run.planes(id) + first * planes.row, images);
    });
    kernels::clear_pad_rows(layout.planes, images, run.planes(id));
    if (!layout.converts()) return;
  }
  const auto compact = compact_planes(value.shape.channels, value.shape.height, value.shape.width);
  for (int64_t n = 0; n < images; ++n) {
    const uint8_t* image = data + static_cast<size_t>(n) * value.bytes();
    if (layout.pixels) {
      to_pixels_({reinterpret_cast<const float*>(image), compact, run.image(n).value<float>(id)});
    } else {
      std::memcpy(run.image(n).value(id), image, value.bytes());
    }
  }
}

void Engine::store_value(const Run& run, int id, uint8_t* data, int64_t images) const {
  const Value& value = program_.values[id];
  const ValueLayout& layout = program_.layouts[id];
  if (layout.second_half > 0) {
    return store_halves(layout, run.planes(id), images, reinterpret_cast<float*>(data));
  }
  if (layout.has_planes) {
    const auto compact =
        compact_planes(value.shape.channels, value.shape.height, value.shape.width);
    kernels::copy_planes(layout.planes, run.planes(id), compact, reinterpret_cast<float*>(data),
                         images);
    return;
  }
  const auto compact = compact_planes(value.shape.channels, value.shape.height, value.shape.width);
  for (int64_t n = 0; n < images; ++n) {
    uint8_t* image = data + static_cast<size_t>(n) * value.bytes();
    if (layout.pixels) {
      to_planes_({run.image(n).value<float>(id), compact, reinterpret_cast<float*>(image)});
    } else {
      std::memcpy(image, run.image(n).value(id), value.bytes());
    }
  }
}

void Engine::run_step(int index, Run& run) const {
  const Step& step = *steps_[index];
  const int id = program_.layers[index].output;
  const ValueLayout& layout = program_.layouts[id];
  const int64_t images = run.images();
  if (step.batched()) {
    step.run(run);
  } else {
    for (int64_t n = 0; n < images; ++n) {
      Run one = run.image(n);
      step.run(one);
    }
  }
  if (!layout.has_planes) return;
  if (layout.second_half > 0) {
    if (layout.planes.pad_rows == 0) return;
    run.parallel(2, [&](int64_t half, uint8_t*) {
      finish_half(layout, images, run.planes(id), static_cast<int>(half));
    });
    return;
  }
  if (layout.converts()) {
    for (int64_t n = 0; n < images; ++n) convert(run.image(n), id);
  }
  if (!step.clears_pads()) kernels::clear_pad_rows(layout.planes, images, run.planes(id));
}

void Engine::convert(const Run& run, int id) const {
  const ValueLayout& layout = program_.layouts[id];
  const Shape& shape = program_.values[id].shape;
  const auto compact = compact_planes(shape.channels, shape.height, shape.width);
  auto* data = run.value<float>(id);
  if (layout.pixels && layout.made_as_planes) {
    to_pixels_({run.planes(id), layout.planes, data});
  } else if (layout.pixels) {
    to_planes_({data, layout.planes, run.planes(id)});
  } else if (layout.made_as_planes) {
    kernels::copy_planes(layout.planes, run.planes(id), compact, data, 1);
  } else {
    kernels::copy_planes(compact, data, layout.planes, run.planes(id), 1);
  }
}

void Engine::run_chunk(Workspace& workspace, int slot, const Mode& mode, const Batch& batch,
                       int64_t first, int64_t images, bool use_pool, double* layer_ms) const {
  using Clock = std::chrono::steady_clock;
  Run all = make_run(workspace, slot, mode, 0, images, use_pool);
  for (size_t i = 0; i < batch.inputs.size(); ++i) {
    const int id = program_.inputs[i];
    const size_t bytes = program_.values[id].bytes();
    const uint8_t* data = batch.inputs[i] + static_cast<size_t>(first) * bytes;
    load_value(all, id, data, images);
    for (const Wanted& each : batch.wanted) {
      if (each.value != id) continue;
      std::memcpy(each.data + static_cast<size_t>(first) * bytes, data,
                  static_cast<size_t>(images) * bytes);
    }
  }
  for (const Segment& segment : mode.schedule.segments) {
    for (int64_t from = 0; from < images; from += segment.images) {
      const int64_t count = std::min(segment.images, images - from);
      Run run = make_run(workspace, slot, mode, from, count, use_pool);
      run.set_everything(batch.everything);
      // Timed layer by layer, they aren't run in bands; nor where threads share out a layer.
      const bool bands = run.threads() == 1 && layer_ms == nullptr;
      for (int index = segment.first; index < segment.last;) {
        const BandGroup* group = bands ? mode.group_at(index) : nullptr;
        if (group != nullptr && loses_wanted(*group, batch)) group = nullptr;
        const auto start = layer_ms == nullptr ? Clock::time_point() : Clock::now();
        if (group != nullptr) {
          run_group(*group, run);
        } else if (program_.written_by[index] < 0 && (batch.everything || !skipped_[index])) {
          run_step(index, run);
        }
        if (layer_ms != nullptr) {
          layer_ms[index] +=
              std::chrono::duration<double, std::milli>(Clock::now() - start).count();
        }
        // Copied now: its room may be given to another value.
        for (const int end = group == nullptr ? index + 1 : group->last; index < end; ++index) {
          copy_wanted(run, batch, program_.layers[index].output, first + from, count);
        }
      }
    }
  }
}

// Whether a group writes over a value that the caller wants, before it could be copied.
bool Engine::loses_wanted(const BandGroup& group, const Batch& batch) const {
  return std::any_of(batch.wanted.begin(), batch.wanted.end(), [&](const Wanted& each) {
    return std::find(group.over.begin(), group.over.end(), each.value) != group.over.end();
  });
}

void Engine::copy_wanted(const Run& run, const Batch& batch, int id, int64_t first,
                         int64_t images) const {
  for (const Wanted& each : batch.wanted) {
    if (each.value != id) continue;
    const size_t bytes = program_.values[id].bytes();
    store_value(run, id, each.data + static_cast<size_t>(first) * bytes, images);
  }
}

void Engine::run(const std::vector<const uint8_t*>& inputs, int64_t images,
                 const std::vector<Wanted>& wanted) const {
  FlushSubnormals flush;
  Lease workspace(*this);
  ThreadPool::Session session(pool_);
  const bool everything = std::any_of(wanted.begin(), wanted.end(), [&](const Wanted& each) {
    return program_.unneeded[each.value] || is_skipped_[each.value];
  });
  const Batch batch{inputs, wanted, everything};
  const int64_t threads = pool_.threads();
  const Mode& mode = images > 1 ? chunked_ : single_;
  int64_t chunk = mode.schedule.images;
  if (threads > 1 && images >= threads) {
    // Whole images share out better than parts of layers; all threads get as many.
    chunk = std::min(chunk, (images + threads - 1) / threads);
    pool_.run((images + chunk - 1) / chunk, [&](int64_t task, int thread) {
      const int64_t first = task * chunk;
      run_chunk(*workspace, thread, mode, batch, first, std::min(chunk, images - first), false);
    });
    return;
  }
  for (int64_t first = 0; first < images; first += chunk) {
    run_chunk(*workspace, 0, mode, batch, first, std::min(chunk, images - first), true);
  }
}

void Engine::run_layer(int layer, const std::vector<const uint8_t*>& inputs, int64_t images,
                       uint8_t* output) const {
  FlushSubnormals flush;
  Lease workspace(*this);
  ThreadPool::Session session(pool_);
  Run run = make_run(*workspace, 0, single_, 0, 1, true);
  run.set_everything(true);
  const Layer& description = program_.layers[layer];
  const size_t bytes = program_.values[description.output].bytes();
  for (int64_t image = 0; image < images; ++image) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const int id = description.inputs[i];
      load_value(run, id, inputs[i] + static_cast<size_t>(image) * program_.values[id].bytes(), 1);
    }
    run_step(layer, run);
    store_value(run, description.output, output + static_cast<size_t>(image) * bytes, 1);
  }
}

std::vector<double> Engine::time_layers(const std::vector<const uint8_t*>& inputs, int64_t images,
                                        int repeats) const {
  FlushSubnormals flush;
  Lease workspace(*this);
  ThreadPool::Session session(pool_);
  const Mode& mode = images > 1 ? chunked_ : single_;
  std::vector<std::vector<double>> samples(steps_.size());
  std::vector<double> spent(steps_.size());
  for (int repeat = 0; repeat < repeats + 1; ++repeat) {
    std::fill(spent.begin(), spent.end(), 0);
    for (int64_t first = 0; first < images; first += mode.schedule.images) {
      const int64_t count = std::min(mode.schedule.images, images - first);
      run_chunk(*workspace, 0, mode, {inputs, {}}, first, count, true, spent.data());
    }
    if (repeat == 0) continue;  // warms up
    for (size_t index = 0; index < steps_.size(); ++index) samples[index].push_back(spent[index]);
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
  return bytes +
         workspace_count_ * static_cast<size_t>(threads()) *
             (single_.plan.arena_bytes + single_.plan.lower_bytes + shared_bytes_ + thread_bytes_);
}

}  // namespace niwaki
