// Convolution algorithms as tests and benchmarks see them: any of the registry on NumPy arrays,
// in any geometry. Memory that an algorithm must not depend on is NaN, memory that it must not
// write is checked afterwards.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "bindings/kernel_arguments.h"
#include "bindings/module.h"
#include "bindings/tune.h"
#include "engine/container.h"
#include "engine/conv/conv.h"

namespace niwaki {
namespace {

using kernels::Planes;

constexpr float kUnwritten = 77;  // behind rows, between planes: must stay

// A value in its geometry, with exactly the memory around it that planes.h promises.
class Buffer {
 public:
  Buffer(const Planes& planes, std::int64_t images, float fill)
      : planes_(planes),
        images_(images),
        before_(kernels::elements_before(planes)),
        size_(before_ + kernels::elements_from_origin(planes, images)),
        bytes_(static_cast<std::size_t>(size_) * sizeof(float)) {
    std::fill_n(data(), size_, fill);
  }

  float* origin() { return data() + before_; }

  void load(const Array<float>& array) {
    load_rows(array);
    kernels::clear_pad_rows(planes_, images_, origin());
  }

  // All but what lies between planes.
  void load_rows(const Array<float>& array) {
    kernels::copy_planes(compact(), array.data.data(), planes_, origin(), images_);
    for (std::int64_t n = 0; n < images_; ++n) {
      for (std::int64_t c = 0; c < planes_.channels; ++c) clear_columns(n, c);
    }
  }

  nb::object to_numpy() {
    const std::int64_t size = images_ * planes_.channels * planes_.height * planes_.width;
    Output<float> output(size);
    kernels::copy_planes(planes_, origin(), compact(), output.data(), images_);
    return output.to_numpy({images_, planes_.channels, planes_.height, planes_.width});
  }

  // Pad columns must be zeros, everything else outside the pixels as it was.
  void check_written() {
    std::vector<float> wanted(static_cast<std::size_t>(size_), kUnwritten);
    for (std::int64_t n = 0; n < images_; ++n) {
      for (std::int64_t c = 0; c < planes_.channels; ++c) {
        for (std::int64_t y = 0; y < planes_.height; ++y) {
          const std::int64_t at = before_ + n * planes_.image + c * planes_.plane + y * planes_.row;
          std::copy_n(data() + at, planes_.width, wanted.begin() + at);
          std::fill_n(wanted.begin() + at + planes_.width, planes_.pad_columns(), 0.0F);
        }
      }
    }
    require(std::memcmp(wanted.data(), data(), wanted.size() * sizeof(float)) == 0,
            "an algorithm must write zeros to pad columns, and nothing between planes");
  }

 private:
  Planes compact() const {
    return kernels::compact_planes(planes_.channels, planes_.height, planes_.width);
  }
  void clear_columns(std::int64_t n, std::int64_t c) {
    for (std::int64_t y = 0; y < planes_.height; ++y) {
      float* row = origin() + n * planes_.image + c * planes_.plane + y * planes_.row;
      std::fill_n(row + planes_.width, planes_.pad_columns(), 0.0F);
    }
  }

  float* data() { return reinterpret_cast<float*>(bytes_.data()); }

  Planes planes_;
  std::int64_t images_, before_, size_;
  AlignedBytes bytes_;  // the origin of an engine's value is aligned
};

std::int64_t given_or(const Arguments& arguments, const char* key, std::int64_t fallback) {
  return arguments.has(key) ? arguments.integer(key) : fallback;
}

// The non-zeros of a dense weight (O, C / groups, kh, kw).
EntryLists entries_of(const Array<float>& weight) {
  Tensor tensor;
  tensor.shape = weight.shape;
  tensor.data = reinterpret_cast<const uint8_t*>(weight.data.data());
  return entries_of_dense(tensor, weight.shape[0], weight.shape[1],
                          weight.shape[2] * weight.shape[3]);
}

// One problem with its arrays, made from keyword arguments.
class Case {
 public:
  explicit Case(const Arguments& arguments)
      : x_(arguments.array<float>("input", 4)),
        weight_(arguments.array<float>("weight", 4)),
        lists_(entries_of(weight_)) {
    problem_.window = arguments.window();
    problem_.groups = given_or(arguments, "groups", 1);
    problem_.threads = static_cast<int>(given_or(arguments, "threads", 1));
    images = x_.shape[0];
    problem_.max_images = given_or(arguments, "max_images", images);
    const auto isa = kernels::parse_isa(nb::cast<std::string>(arguments.object("isa")));
    require(isa && kernels::is_available(*isa), "isa must be one that this CPU has");
    problem_.isa = *isa;
    check_shapes();
    set_geometry(arguments);
    if (arguments.has("bias")) {
      bias_ = arguments.array<float>("bias", 1);
      require(bias_.size() == weight_.shape[0], "bias must have one value per output channel");
      problem_.bias = bias_.data.data();
    }
    if (arguments.has("residual")) {
      residual_ = arguments.array<float>("residual", 4);
      const std::vector<std::int64_t> shape{images, weight_.shape[0], problem_.output.height,
                                            problem_.output.width};
      require(residual_.shape == shape, "residual must have the output's shape");
      problem_.has_residual = true;
      problem_.over_residual = given_or(arguments, "over_residual", 0) != 0;
      if (problem_.over_residual) problem_.residual = problem_.output;
    }
    if (arguments.has("activation_density")) {
      problem_.activation_density = arguments.number("activation_density");
    }
    if (arguments.has("activation")) {
      const auto number = [&](const char* key) {
        return arguments.has(key) ? static_cast<float>(arguments.number(key)) : 0.0F;
      };
      problem_.activation = {activation_kind(nb::cast<std::string>(arguments.object("activation"))),
                             number("alpha"), number("beta"), number("lo"), number("hi")};
    }
    problem_.weights = &lists_;
    if (!arguments.has("stored") || nb::cast<std::string>(arguments.object("stored")) == "dense") {
      problem_.dense = weight_.data.data();
    }
    problem_.density =
        static_cast<double>(lists_.entries.size()) / static_cast<double>(weight_.size());
    if (problem_.output.pad_columns() > 0) {
      mask_ = kernels::pixel_mask(problem_.output);
      problem_.mask = mask_.data();
    }
  }

  const conv::Problem& problem() const { return problem_; }
  const Array<float>& x() const { return x_; }
  const Array<float>& residual() const { return residual_; }
  std::int64_t images = 1;

 private:
  void check_shapes() const {
    require(images >= 1 && problem_.max_images >= images, "there must be an image, at most max");
    require(problem_.groups >= 1 && x_.shape[1] == weight_.shape[1] * problem_.groups &&
                weight_.shape[0] % problem_.groups == 0,
            "groups must divide the channels, and the weight fit the input");
    require(problem_.window.kernel_h == weight_.shape[2] &&
                problem_.window.kernel_w == weight_.shape[3],
            "kernel must be the weight's");
  }

  // geometry: "compact", "padded" (as the engine lays values out) or "apart" (rows that differ).
  void set_geometry(const Arguments& arguments) {
    const kernels::Window& w = problem_.window;
    const std::int64_t channels = x_.shape[1], height = x_.shape[2], width = x_.shape[3];
    const auto layout = kernels::make_plane_layout(channels, height, width, w);
    require(layout.out_height >= 1 && layout.out_width >= 1, "the window must fit the image");
    const std::int64_t outputs = weight_.shape[0];
    const std::string kind = arguments.has("geometry")
                                 ? nb::cast<std::string>(arguments.object("geometry"))
                                 : std::string("padded");
    const std::int64_t out_h = layout.out_height, out_w = layout.out_width;
    if (kind == "compact") {
      problem_.input = kernels::compact_planes(channels, height, width);
      problem_.output = kernels::compact_planes(outputs, out_h, out_w);
      problem_.residual = problem_.output;
    } else if (kind == "padded" || kind == "apart") {
      const std::int64_t columns = std::max(w.pad_left, w.pad_right);
      const std::int64_t rows = std::max(w.pad_top, w.pad_bottom);
      const bool strided = w.stride_h != 1 || w.stride_w != 1;
      const bool any = rows + columns > 0;
      const std::int64_t shared = std::max(width + columns, out_w);
      const bool apart = kind == "apart";
      problem_.input =
          kernels::make_planes(channels, height, width, strided ? width : shared,
                               any && !strided && !apart ? std::max<int64_t>(rows, 1) : 0);
      const std::int64_t out_row = apart || strided ? out_w + 2 : shared;
      problem_.output = kernels::make_planes(outputs, out_h, out_w, out_row, 1);
      problem_.residual = kernels::make_planes(outputs, out_h, out_w, out_row, 0);
    } else {
      refuse("geometry must be compact, padded or apart, got " + kind);
    }
  }

  Array<float> x_, weight_, bias_, residual_;
  EntryLists lists_;
  std::vector<uint32_t> mask_;
  conv::Problem problem_;
};

const conv::Row& find_row(const std::string& name) {
  const conv::Row* row = conv::find_algorithm(name);
  if (row == nullptr) refuse("the algorithm must be one that algorithms() lists, got " + name);
  return *row;
}

conv::Tuning read_tuning(const nb::dict& given) {
  conv::Tuning tuning;
  for (const auto& [key, value] : given) {
    tuning.emplace_back(nb::cast<std::string>(key), nb::cast<int>(value));
  }
  return tuning;
}

// An algorithm on a case's buffers.
class Runner {
 public:
  Runner(const Case& given, const conv::Row& row, const conv::Tuning& tuning)
      : problem_(given.problem()),
        images_(given.images),
        algorithm_(row.build(given.problem(), tuning)),
        input_(problem_.input, images_, std::numeric_limits<float>::quiet_NaN()),
        output_(problem_.output, images_, kUnwritten),
        residual_(reads_residual() ? problem_.residual : Planes{}, images_,
                  std::numeric_limits<float>::quiet_NaN()),
        shared_(algorithm_->shared_bytes),
        scratch_(algorithm_->thread_bytes) {
    input_.load(given.x());
    if (problem_.over_residual) {
      output_.load_rows(given.residual());
    } else if (problem_.has_residual) {
      residual_.load(given.residual());
    }
    // A NaN pattern: scratch must be written before it is read.
    std::memset(shared_.data(), 0xff, shared_.size());
    std::memset(scratch_.data(), 0xff, scratch_.size());
  }

  conv::Call call() {
    const float* residual = problem_.over_residual  ? output_.origin()
                            : problem_.has_residual ? residual_.origin()
                                                    : nullptr;
    return {input_.origin(), output_.origin(), residual, images_, shared_.data()};
  }

  void run(bool backwards) {
    for (int stage = 0; stage < algorithm_->stages(); ++stage) {
      const std::int64_t tasks = algorithm_->tasks(stage, images_);
      for (std::int64_t t = 0; t < tasks; ++t) {
        algorithm_->run(call(), stage, backwards ? tasks - 1 - t : t, scratch_.data());
      }
    }
  }

  // By bands of `rows`, image by image.
  void run_bands(std::int64_t rows) {
    require(algorithm_->bands() && !problem_.over_residual,
            "the algorithm must run by bands, beside its residual");
    for (std::int64_t n = 0; n < images_; ++n) {
      conv::Call one = call();
      one.input += n * problem_.input.image;
      one.output += n * problem_.output.image;
      if (one.residual != nullptr) one.residual += n * problem_.residual.image;
      one.images = 1;
      for (std::int64_t y = 0; y < problem_.output.height; y += rows) {
        algorithm_->run_rows(one, y, std::min(y + rows, problem_.output.height), scratch_.data());
      }
    }
  }

  nb::object result() {
    output_.check_written();
    return output_.to_numpy();
  }

  const conv::Algorithm& algorithm() const { return *algorithm_; }

 private:
  bool reads_residual() const { return problem_.has_residual && !problem_.over_residual; }

  const conv::Problem& problem_;
  std::int64_t images_;
  std::unique_ptr<conv::Algorithm> algorithm_;
  Buffer input_, output_, residual_;
  AlignedBytes shared_, scratch_;
};

std::vector<double> time_runs(Runner& runner, int runs) {
  std::vector<double> seconds;
  for (int k = -1; k < runs; ++k) {
    const auto start = std::chrono::steady_clock::now();
    runner.run(false);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (k >= 0) seconds.push_back(spent.count());  // the first one warms up
  }
  return seconds;
}

}  // namespace

void bind_convolution(nb::module_& m) {
  m.def(
      "algorithms",
      [] {
        std::vector<std::string> names;
        for (const conv::Row& row : conv::all_algorithms()) names.emplace_back(row.name);
        return names;
      },
      "Return the names of the convolution algorithms.");
  m.def(
      "convolution_choices",
      [](const nb::kwargs& arguments) {
        const Case given{Arguments(arguments)};
        nb::dict found;
        for (const conv::Row& row : conv::all_algorithms()) {
          if (!row.applies(given.problem())) continue;
          nb::list tunings;
          for (const auto& tuning : row.tunings(given.problem())) {
            tunings.append(tuning_dict(tuning));
          }
          found[nb::str(row.name.data(), row.name.size())] =
              nb::make_tuple(row.estimate(given.problem()), tunings);
        }
        return found;
      },
      nb::arg("arguments"),
      "Return {algorithm: (estimated ms, tunings)} of those that apply to a problem.");
  m.def(
      "run_convolution",
      [](const std::string& name, const nb::dict& tuning, const nb::kwargs& arguments) {
        const Arguments read(arguments);
        const Case given(read);
        const conv::Row& row = find_row(name);
        require(row.applies(given.problem()), "the algorithm must apply to the problem");
        Runner runner(given, row, read_tuning(tuning));
        if (read.has("rows")) {
          const std::int64_t rows = read.integer("rows");
          require(rows >= 1, "rows must be at least 1");
          runner.run_bands(rows);
        } else {
          runner.run(read.has("backwards") && read.integer("backwards") != 0);
        }
        return runner.result();
      },
      nb::arg("algorithm"), nb::arg("tuning"), nb::arg("arguments"),
      "Run a convolution algorithm and return its output (N, O, H, W), float32.\n\n"
      "Arguments: input (N, C, H, W), weight (O, C / groups, kh, kw), kernel, strides, pads (top,\n"
      "left, bottom, right), isa; optional: bias (O,), residual, dilations, groups, activation\n"
      "with alpha, beta, lo, hi, geometry (compact, padded, apart), stored (dense, sparse),\n"
      "threads, max_images, activation_density, over_residual (1: in the output's memory),\n"
      "backwards (order of tasks), rows (run by bands of that many rows).");
  m.def(
      "time_convolution",
      [](const std::string& name, const nb::dict& tuning, int runs, const nb::kwargs& arguments) {
        const Arguments read(arguments);
        const Case given(read);
        const conv::Row& row = find_row(name);
        require(row.applies(given.problem()), "the algorithm must apply to the problem");
        Runner runner(given, row, read_tuning(tuning));
        return time_runs(runner, runs);
      },
      nb::arg("algorithm"), nb::arg("tuning"), nb::arg("runs"), nb::arg("arguments"),
      "Run a convolution algorithm `runs` times on one thread; return the seconds of each.");
  m.def(
      "tune_convolution",
      [](double milliseconds, const nb::kwargs& arguments) {
        const Case given{Arguments(arguments)};
        ThreadPool pool(given.problem().threads);
        return nb::make_tuple(problem_key(given.problem()),
                              times_list(time_problem(given.problem(), pool, milliseconds)));
      },
      nb::arg("milliseconds"), nb::arg("arguments"),
      "Return a problem's key and the least time of each algorithm, fastest first.");
  m.def(
      "convolution_choice",
      [](const std::string& choices, const nb::kwargs& arguments) {
        const Case given{Arguments(arguments)};
        const conv::Choice choice = Chooser(choices).choose("layer", given.problem());
        return nb::make_tuple(nb::str(choice.row->name.data(), choice.row->name.size()),
                              tuning_dict(choice.tuning), choice.reason);
      },
      nb::arg("choices"), nb::arg("arguments"),
      "Return algorithm, tuning and reason for a layer named `layer`.");
  m.def("cpu_name", &cpu_name, "Return the processor's name as a file's choices give it.");
  m.def(
      "convolution_bands",
      [](const std::string& name, const nb::kwargs& arguments) {
        const Case given{Arguments(arguments)};
        const conv::Row& row = find_row(name);
        return row.applies(given.problem()) && row.build(given.problem(), {})->bands();
      },
      nb::arg("algorithm"), nb::arg("arguments"),
      "Tell whether the algorithm runs a problem by bands of rows.");
}

}  // namespace niwaki
