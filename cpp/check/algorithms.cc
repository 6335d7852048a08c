#include "check/algorithms.h"

#include <cstdio>
#include <map>

#include "check/check.h"
#include "check/window.h"
#include "engine/container.h"
#include "engine/conv/conv.h"

namespace niwaki::check {
namespace {

using kernels::Planes;

// Winograd's own bound, relative to the layer's largest magnitude; the others stay far below it.
constexpr double kTolerance = 1e-4;
constexpr float kGarbage = NAN;       // what an algorithm may read and must not use
constexpr float kUnwritten = 0x1p9F;  // what it must not write

// A value in its geometry, with exactly the memory around it that planes.h promises.
class Buffer {
 public:
  Buffer(const Planes& planes, std::int64_t images, float fill)
      : planes_(planes),
        images_(images),
        before_(kernels::elements_before(planes)),
        size_(static_cast<std::size_t>(before_ + kernels::elements_from_origin(planes, images))),
        bytes_(size_ * sizeof(float)) {
    std::fill_n(data(), size_, fill);
  }

  float* origin() const { return data() + before_; }
  float* data() const { return reinterpret_cast<float*>(bytes_.data()); }
  std::size_t size() const { return size_; }

  // Calls body(element) for pixels, or for pad columns.
  template <class Body>
  void for_each(bool pads, const Body& body) const {
    for (std::int64_t n = 0; n < images_; ++n) {
      for (std::int64_t c = 0; c < planes_.channels; ++c) {
        for (std::int64_t y = 0; y < planes_.height; ++y) {
          float* row = origin() + n * planes_.image + c * planes_.plane + y * planes_.row;
          for (std::int64_t x = pads ? planes_.width : 0; x < (pads ? planes_.row : planes_.width);
               ++x) {
            body(row[x]);
          }
        }
      }
    }
  }

  void draw(Random& random, double density) {
    for_each(false, [&](float& x) { x = random.chance(density) ? random.real() : 0; });
    for_each(true, [](float& x) { x = 0; });
    kernels::clear_pad_rows(planes_, images_, origin());
  }

 private:
  Planes planes_;
  std::int64_t images_, before_;
  std::size_t size_;
  AlignedBytes bytes_;
};

// One random convolution, its arrays and its geometry.
struct Case {
  conv::Problem problem;
  std::int64_t images = 1;
  EntryLists weights;
  std::vector<float> dense, bias;
  std::vector<std::uint32_t> mask;

  explicit Case(Random& random) {
    conv::Problem& p = problem;
    p.groups = random.pick({1, 1, 1, 2, 3});
    std::int64_t inputs = random.integer(1, 9);
    std::int64_t outputs = random.integer(1, 20);
    if (random.chance(0.15)) {  // depthwise
      p.groups = random.integer(1, 9);
      inputs = outputs = 1;
    }
    const bool wide = random.chance(0.25);  // as most layers are, and some algorithms ask for
    if (wide) {
      p.groups = 1;
      inputs = random.integer(16, 40);
      outputs = random.integer(16, 40);
    }
    images = random.pick({1, 1, 1, 2, 3});
    do {
      p.window = draw_window(random, random.pick({1, 3, 3, 5}));
      p.input.height = random.integer(1, 20);
      p.input.width = random.integer(1, 40);
      if (wide || random.chance(0.5)) {
        p.window.stride_h = p.window.stride_w = p.window.dilation_h = p.window.dilation_w = 1;
        if (wide) p.window.kernel_h = random.pick({1, 3, 3});
        p.window.kernel_w = p.window.kernel_h;
        p.window.pad_top = p.window.pad_left = p.window.pad_bottom = p.window.pad_right =
            p.window.kernel_h / 2;
      }
      const auto layout = kernels::make_plane_layout(1, p.input.height, p.input.width, p.window);
      p.output.height = layout.out_height;
      p.output.width = layout.out_width;
    } while (p.output.height == 0 || p.output.width == 0);
    p.input.channels = inputs * p.groups;
    p.output.channels = outputs * p.groups;
    draw_geometry(random);
    draw_weights(random);
    const ActivationKind kinds[] = {ActivationKind::none, ActivationKind::relu,
                                    ActivationKind::clip, ActivationKind::hard_swish,
                                    ActivationKind::sigmoid};
    p.activation = {kinds[random.integer(0, 4)], 0.2F, 0.5F, -0.3F, 0.6F};
    p.max_images = images;
    p.threads = static_cast<int>(random.integer(1, 3));
    p.activation_density = random.pick({1, 1, 0}) != 0 ? 1 : 0.2;
  }
  Case(const Case&) = delete;

 private:
  using ActivationKind = kernels::ActivationKind;

  void draw_geometry(Random& random) {
    conv::Problem& p = problem;
    const kernels::Window& w = p.window;
    const std::int64_t pads = std::max(w.pad_left, w.pad_right);
    const std::int64_t row =
        std::max(p.input.width + pads, p.output.width) + random.pick({0, 0, 2});
    const std::int64_t pad_rows = std::max(w.pad_top, w.pad_bottom) + random.pick({0, 1});
    auto geometry = [&](const Planes& sizes, bool padded) {
      return padded && row >= sizes.width
                 ? kernels::make_planes(sizes.channels, sizes.height, sizes.width, row, pad_rows)
                 : kernels::compact_planes(sizes.channels, sizes.height, sizes.width);
    };
    const bool padded = random.chance(0.7);
    p.input = geometry(p.input, random.chance(0.1) ? !padded : padded);
    p.output = geometry(p.output, padded);
    p.has_residual = random.chance(0.4);
    if (p.has_residual) p.residual = p.output;
    if (p.output.row > p.output.width) {
      mask = kernels::pixel_mask(p.output);
      p.mask = mask.data();
    }
  }

  void draw_weights(Random& random) {
    conv::Problem& p = problem;
    const double densities[] = {1, 1, 0.5, 0.1, 0.02};
    p.density = densities[random.integer(0, 4)];
    const std::int64_t taps = p.window.kernel_h * p.window.kernel_w;
    const std::int64_t inputs = p.inputs_per_group();
    dense.assign(static_cast<std::size_t>(p.output.channels * p.row_size()), 0);
    weights.starts.push_back(0);
    for (std::int64_t o = 0; o < p.output.channels; ++o) {
      for (std::int64_t q = 0; q < p.row_size(); ++q) {
        if (!random.chance(p.density)) continue;
        const float value = random.real();
        weights.entries.push_back({static_cast<std::int32_t>(q), value});
        dense[static_cast<std::size_t>(o * p.row_size() + q % inputs * taps + q / inputs)] = value;
      }
      weights.starts.push_back(static_cast<std::int32_t>(weights.entries.size()));
    }
    p.weights = &weights;
    if (p.density == 1 && random.chance(0.7)) p.dense = dense.data();
    bias = reals(random, p.output.channels);
    if (random.chance(0.7)) p.bias = bias.data();
  }
};

void run(const conv::Algorithm& algorithm, const conv::Call& call) {
  const AlignedBytes shared(algorithm.shared_bytes);
  const AlignedBytes scratch(algorithm.thread_bytes);
  conv::Call with_scratch = call;
  with_scratch.shared = shared.data();
  for (int stage = 0; stage < algorithm.stages(); ++stage) {
    // Backwards: the order must not matter.
    for (std::int64_t task = algorithm.tasks(stage, call.images) - 1; task >= 0; --task) {
      algorithm.run(with_scratch, stage, task, scratch.data());
    }
  }
}

void require_close(const Buffer& got, const Buffer& expected, double size) {
  double worst = 0;
  std::vector<float> wanted;
  expected.for_each(false, [&](float& x) { wanted.push_back(x); });
  std::size_t at = 0;
  got.for_each(false, [&](float& x) {
    const double difference = std::abs(static_cast<double>(x) - static_cast<double>(wanted[at++]));
    worst = difference <= worst ? worst : std::isnan(difference) ? INFINITY : difference;
  });
  if (worst > kTolerance * size) {
    std::ostringstream text;
    text << "differs by " << worst << " where values reach " << size;
    throw Difference(text.str());
  }
}

// Pixels and pad columns written, nothing else.
void require_written(Buffer& got) {
  got.for_each(true, [](float& x) {
    if (x != 0) throw Difference("a pad column must be 0");
    x = kUnwritten;
  });
  got.for_each(false, [](float& x) { x = kUnwritten; });
  const auto untouched = [](float x) { return x == kUnwritten; };
  if (!std::all_of(got.data(), got.data() + got.size(), untouched)) {
    throw Difference("wrote between planes");
  }
}

// Returns how many runs were compared.
int check_case(const conv::Row& row, Case& one, Random& random, std::set<std::string>& used) {
  conv::Problem& problem = one.problem;
  if (!row.applies(problem)) return 0;
  Buffer input(problem.input, one.images, kGarbage);
  input.draw(random, problem.activation_density);
  const Planes& residual_planes = problem.has_residual ? problem.residual : problem.output;
  Buffer residual(residual_planes, one.images, kGarbage);
  residual.draw(random, 1);
  auto call_on = [&](const Buffer& output) {
    return conv::Call{input.origin(), output.origin(),
                      problem.has_residual ? residual.origin() : nullptr, one.images, nullptr};
  };
  Buffer expected(problem.output, one.images, kUnwritten);
  const conv::Row* reference = conv::find_algorithm("reference");
  conv::Problem sums = problem;  // errors are measured against what the activation is given
  sums.activation = {};
  run(*reference->build(sums, {}), call_on(expected));
  double size = 1e-3;
  expected.for_each(false, [&](float& x) { size = std::max<double>(size, std::abs(x)); });
  run(*reference->build(problem, {}), call_on(expected));

  std::vector<float> first;
  int runs = 0;
  for (const conv::Tuning& tuning : row.tunings(problem)) {
    Buffer got(problem.output, one.images, kUnwritten);
    const auto algorithm = row.build(problem, tuning);
    run(*algorithm, call_on(got));
    std::istringstream kernels(algorithm->kernel);  // "a + b"
    for (std::string name; kernels >> name;) used.insert(name);
    require_close(got, expected, size);
    std::vector<float> bits(got.data(), got.data() + got.size());
    if (first.empty()) first = bits;
    if (std::memcmp(first.data(), bits.data(), bits.size() * sizeof(float)) != 0) {
      throw Difference("the bits depend on the tuning " + conv::tuning_text(tuning));
    }
    require_written(got);
    ++runs;
  }
  return runs;
}

}  // namespace

bool check_algorithms(int cases, std::uint64_t seed, const std::string& only_isa,
                      std::set<std::string>& used) {
  bool good = true;
  for (const conv::Row& row : conv::all_algorithms()) {
    const std::string name(row.name);
    std::map<std::string, int> runs;
    for (const kernels::Isa isa : kernels::available_isas()) {
      const std::string isa_name = kernels::isa_name(isa);
      if (!only_isa.empty() && isa_name != only_isa) continue;
      bool same = true;
      for (int index = 0; index < cases && same; ++index) {
        Random random(seed + static_cast<std::uint64_t>(index) * 0x9e3779b97f4a7c15U);
        Case one(random);
        one.problem.isa = isa;
        try {
          runs[isa_name] += check_case(row, one, random, used);
        } catch (const Difference& difference) {
          std::printf("algorithm %s on %s, case %d of seed %llu: %s\n", name.c_str(),
                      isa_name.c_str(), index, static_cast<unsigned long long>(seed),
                      difference.what());
          same = good = false;
        }
      }
    }
    std::printf("algorithm %s: runs", name.c_str());
    for (const auto& [isa, count] : runs) {
      std::printf(" %d on %s", count, isa.c_str());
      good = good && count > 0;  // one that never applies isn't checked
    }
    std::printf("\n");
  }
  return good;
}

}  // namespace niwaki::check
