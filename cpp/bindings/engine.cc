// The engine as niwaki.runtime.engine sees it: bytes in, bytes out; shapes and dtypes are Python's
// part.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <string>
#include <vector>

#include "bindings/module.h"
#include "bindings/tune.h"
#include "engine/engine.h"
#include "engine/error.h"
#include "engine/sparse_linear.h"
#include "engine/text.h"
#include "engine/xxh64.h"

namespace nb = nanobind;

namespace niwaki {
namespace {

using ReadOnly = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Writable = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Names in a damaged file may be any bytes.
nb::str text(const std::string& bytes) {
  return nb::steal<nb::str>(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"));
}

const char* class_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kFormat:
      return "FormatError";
    case ErrorKind::kShape:
      return "ShapeError";
    case ErrorKind::kValueDomain:
      return "ValueDomainError";
    case ErrorKind::kUnsupportedOp:
      return "UnsupportedOpError";
    case ErrorKind::kInput:
      return "InputError";
    case ErrorKind::kRegistry:
      return "RegistryError";
  }
  return "NiwakiError";
}

// Raises the class of niwaki.errors with the same fields, hence the same text.
void translate(const std::exception_ptr& pointer, void*) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    nb::object type = nb::module_::import_("niwaki.errors").attr(class_name(error.kind));
    nb::dict fields;
    if (error.got) fields["got"] = text(*error.got);
    fields["fix"] = text(error.fix);
    nb::object instance = type(text(error.where), text(error.must), **fields);
    PyErr_SetObject(type.ptr(), instance.ptr());
  }
}

void check_bytes(const char* what, size_t given, size_t wanted) {
  if (given != wanted) {
    throw Error(ErrorKind::kShape, "engine", concat(what, " must have ", wanted, " bytes"),
                std::to_string(given));
  }
}

// The inputs' data, one array per input of the program.
std::vector<const uint8_t*> input_data(const Engine& engine, const std::vector<ReadOnly>& inputs,
                                       int64_t images) {
  const Program& program = engine.program();
  check_bytes("the list of inputs", inputs.size(), program.inputs.size());
  std::vector<const uint8_t*> data;
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_bytes("an input", inputs[i].size(),
                program.values[program.inputs[i]].bytes() * static_cast<size_t>(images));
    data.push_back(inputs[i].data());
  }
  return data;
}

// The copies between padded and compact form that a layer brings with it.
std::vector<std::string> conversions(const Program& program, const Layer& layer) {
  std::vector<std::string> texts;
  const ValueLayout& layout = program.layouts[layer.output];
  if (layout.converts()) {
    const std::string name = program.values[layer.output].name;
    const std::string other = layout.pixels ? "channels last" : "compact";
    texts.push_back(layout.made_as_planes ? concat(name, ": padded to ", other)
                                          : concat(name, ": ", other, " to padded"));
  }
  return texts;
}

nb::dict describe_layer(const Engine& engine, int index) {
  const Program& program = engine.program();
  const Layer& layer = program.layers[index];
  const Step& step = engine.step(index);
  nb::dict info;
  info["op"] = text(layer.op);
  info["name"] = text(layer.name);
  info["inputs"] = layer.inputs;
  info["output"] = layer.output;
  info["kernel"] = step.kernel;
  info["algorithm"] = step.algorithm_name;
  info["tuning"] = step.tuning;
  info["conversions"] = conversions(program, layer);
  info["reason"] = step.reason;
  info["macs"] = step.macs;
  info["binary_macs"] = step.binary_macs;
  info["density"] = step.density;
  size_t bytes = 0;
  for (int tensor : layer.tensors) bytes += program.tensors[tensor].bytes();
  info["tensor_bytes"] = bytes;
  return info;
}

// The layers that one thread runs band by band: first, last (behind the group), rows; and, by the
// model, bytes moved layer by layer, in bands, and in the background.
nb::list band_groups(const Engine& engine) {
  nb::list groups;
  for (const BandGroup& group : engine.band_groups()) {
    const Traffic traffic = engine.traffic(group.first, group.last);
    groups.append(nb::make_tuple(group.first, group.last, group.rows, traffic.unfused,
                                 traffic.fused, traffic.background));
  }
  return groups;
}

// The keywords of from_file and from_bytes. `on_tune` (borrowed: it outlives the constructor, which
// runs without the GIL) is called with a layer's name before it is measured; it may stop by
// raising.
EngineOptions make_options(int threads, const std::string& isa,
                           const std::vector<std::string>& kernels, const std::string& choices,
                           bool pin, double tune_ms, nb::handle on_tune, bool bands) {
  EngineOptions options{threads, isa, kernels, choices, pin, tune_ms};
  options.bands = bands;
  options.on_tune = [on_tune](const std::string& layer) {
    nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (!on_tune.is_none()) on_tune(text(layer));
  };
  return options;
}

}  // namespace

void bind_engine(nb::module_& m) {
  nb::register_exception_translator(translate);

  m.def(
      "xxh64",
      [](nb::bytes data, uint64_t seed) {
        Xxh64 hash(seed);
        hash.update(data.data(), data.size());
        return hash.digest();
      },
      nb::arg("data"), nb::arg("seed") = 0, "Return the XXH64 of some bytes.");

  m.def(
      "cut_rows",
      [](const std::vector<int32_t>& starts, int64_t parts) { return cut_rows(starts, parts); },
      nb::arg("starts"), nb::arg("parts"),
      "Return the rows at which a sparse linear layer is cut for its threads.");

  nb::class_<Engine>(m, "Engine", "A program made ready to run; use niwaki.Engine instead.")
      .def_static(
          "from_file",
          [](const std::string& path, int threads, const std::string& isa,
             const std::vector<std::string>& kernels, const std::string& choices, bool pin,
             double tune_ms, nb::handle on_tune, bool bands) {
            const auto options =
                make_options(threads, isa, kernels, choices, pin, tune_ms, on_tune, bands);
            nb::gil_scoped_release release;
            return std::make_unique<Engine>(read_container(path), options);
          },
          nb::arg("path"), nb::arg("threads"), nb::arg("isa"), nb::arg("kernels"),
          nb::arg("choices") = "", nb::arg("pin") = false, nb::arg("tune_ms") = 0.0,
          nb::arg("on_tune") = nb::none(), nb::arg("bands") = false)
      .def_static(
          "from_bytes",
          [](nb::bytes data, const std::string& name, int threads, const std::string& isa,
             const std::vector<std::string>& kernels, const std::string& choices, bool pin,
             double tune_ms, nb::handle on_tune, bool bands) {
            const auto options =
                make_options(threads, isa, kernels, choices, pin, tune_ms, on_tune, bands);
            AlignedBytes copy(data.size());
            std::memcpy(copy.data(), data.data(), data.size());
            nb::gil_scoped_release release;
            return std::make_unique<Engine>(parse_container(std::move(copy), name), options);
          },
          nb::arg("data"), nb::arg("name"), nb::arg("threads"), nb::arg("isa"), nb::arg("kernels"),
          nb::arg("choices") = "", nb::arg("pin") = false, nb::arg("tune_ms") = 0.0,
          nb::arg("on_tune") = nb::none(), nb::arg("bands") = false)
      .def_prop_ro("measured", [](const Engine& engine) { return times_dict(engine.measured()); })
      .def_prop_ro("used", [](const Engine& engine) { return times_dict(engine.used()); })
      .def_prop_ro("threads", &Engine::threads)
      .def_prop_ro("isa", &Engine::isa)
      .def_prop_ro("memory_bytes", &Engine::memory_bytes)
      .def_prop_ro("band_groups", &band_groups)
      .def_prop_ro(
          "program_text",
          [](const Engine& engine) { return text(engine.program().container.program_text); })
      .def("tensors",
           [](nb::handle_t<Engine> self) {
             // Views of the file's bytes, which live as long as the engine.
             nb::dict tensors;
             for (const Tensor& tensor : nb::cast<const Engine&>(self).program().tensors) {
               tensors[text(tensor.name)] = nb::ndarray<nb::numpy, const uint8_t, nb::ndim<1>>(
                   tensor.stored, {tensor.stored_bytes}, self);
             }
             return tensors;
           })
      .def_prop_ro("layers",
                   [](const Engine& engine) {
                     nb::list layers;
                     const int count = static_cast<int>(engine.program().layers.size());
                     for (int index = 0; index < count; ++index) {
                       layers.append(describe_layer(engine, index));
                     }
                     return layers;
                   })
      .def(
          "run",
          [](const Engine& engine, const std::vector<ReadOnly>& inputs, int64_t images,
             const std::vector<int>& ids, const std::vector<Writable>& outputs) {
            const auto& values = engine.program().values;
            const auto count = static_cast<size_t>(images);
            const auto data = input_data(engine, inputs, images);
            check_bytes("the list of outputs", outputs.size(), ids.size());
            std::vector<Wanted> wanted;
            for (size_t i = 0; i < ids.size(); ++i) {
              check_bytes("an output", outputs[i].size(),
                          values.at(static_cast<size_t>(ids[i])).bytes() * count);
              wanted.push_back({ids[i], outputs[i].data()});
            }
            nb::gil_scoped_release release;
            engine.run(data, images, wanted);
          },
          nb::arg("inputs"), nb::arg("images"), nb::arg("ids"), nb::arg("outputs"))
      .def(
          "run_layer",
          [](const Engine& engine, int index, const std::vector<ReadOnly>& inputs, int64_t images,
             const Writable& output) {
            const auto& values = engine.program().values;
            const Layer& layer = engine.program().layers.at(static_cast<size_t>(index));
            const auto count = static_cast<size_t>(images);
            check_bytes("the list of inputs", inputs.size(), layer.inputs.size());
            std::vector<const uint8_t*> data;
            for (size_t i = 0; i < inputs.size(); ++i) {
              check_bytes("an input", inputs[i].size(), values[layer.inputs[i]].bytes() * count);
              data.push_back(inputs[i].data());
            }
            check_bytes("the output", output.size(), values[layer.output].bytes() * count);
            nb::gil_scoped_release release;
            engine.run_layer(index, data, images, output.data());
          },
          nb::arg("index"), nb::arg("inputs"), nb::arg("images"), nb::arg("output"))
      .def(
          "time_layers",
          [](const Engine& engine, const std::vector<ReadOnly>& inputs, int repeats,
             int64_t images) {
            const auto data = input_data(engine, inputs, images);
            nb::gil_scoped_release release;
            return engine.time_layers(data, images, repeats);
          },
          nb::arg("inputs"), nb::arg("repeats"), nb::arg("images") = 1);
}

}  // namespace niwaki
