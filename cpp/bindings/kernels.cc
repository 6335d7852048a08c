// The kernels as tests and benchmarks see them: the list, the layout, and one way to run any of
// them.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <string>
#include <vector>

#include "bindings/kernel_arguments.h"
#include "bindings/module.h"
#include "common/isa.h"
#include "common/plane_layout.h"
#include "common/table.h"

namespace niwaki {

using kernels::KernelEntry;
using kernels::PlaneLayout;

namespace {

const Adapters& adapters() {
  static const Adapters all = [] {
    Adapters filled;
    add_conv_adapters(filled);
    add_dense_adapters(filled);
    add_winograd_phases_adapters(filled);
    add_cpo_adapters(filled);
    add_linear_adapters(filled);
    add_tiled_adapters(filled);
    add_store_adapters(filled);
    add_sparse_adapters(filled);
    add_planes_adapters(filled);
    add_unit_adapters(filled);
    add_slices_adapters(filled);
    add_pixels_adapters(filled);
    return filled;
  }();
  return all;
}

nb::object call(const std::string& name, const nb::kwargs& arguments, const Run& run) {
  const KernelEntry* entry = kernels::find_kernel_named(name);
  if (entry == nullptr) {
    refuse("the kernel must be one that kernels() lists, got " + name);
  }
  if (!is_available(entry->isa)) {
    refuse("the CPU must have the kernel's instruction set, got " + name);
  }
  const auto adapter = adapters().find(entry->op);
  if (adapter == adapters().end()) {
    refuse("the op must have an adapter in cpp/bindings, got " + std::string(entry->op));
  }
  return adapter->second(*entry, Arguments(arguments), run);
}

double run_timed(const std::function<void()>& kernel) {
  const auto start = std::chrono::steady_clock::now();
  kernel();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void bind_layout(nb::module_& m) {
  nb::class_<PlaneLayout>(m, "PlaneLayout",
                          "Flat padded planes (cpp/kernels/common/plane_layout.h).")
      .def_ro("out_height", &PlaneLayout::out_height)
      .def_ro("out_width", &PlaneLayout::out_width)
      .def_ro("row_width", &PlaneLayout::row_width)
      .def_ro("flat_pixels", &PlaneLayout::flat_pixels)
      .def_ro("acc_stride", &PlaneLayout::acc_stride)
      .def_ro("scratch_elements", &PlaneLayout::scratch_elements)
      .def(
          "tap_offset",
          [](const PlaneLayout& layout, std::int64_t c, std::int64_t i, std::int64_t j) {
            return tap_offset(layout, c, i, j);
          },
          nb::arg("c"), nb::arg("i"), nb::arg("j"),
          "Return where tap (c, i, j) of output pixel 0 lies in the scratch, in elements.");
  m.def(
      "plane_layout",
      [](std::int64_t channels, std::int64_t height, std::int64_t width, const nb::kwargs& window) {
        require(channels >= 0 && height >= 0 && width >= 0, "sizes must not be negative");
        return kernels::make_plane_layout(channels, height, width, Arguments(window).window());
      },
      nb::arg("channels"), nb::arg("height"), nb::arg("width"), nb::arg("window"),
      "Return the layout of (channels, height, width) for a window: kernel, strides, pads, "
      "dilations.");
}

}  // namespace

void bind_kernels(nb::module_& m) {
  nb::class_<KernelEntry>(m, "KernelInfo", "One line of a kernels.inc.")
      .def_prop_ro(
          "name", [](const KernelEntry& k) { return std::string(k.name); },
          "The function, e.g. conv_u1_b1_i32_x86_avx512.")
      .def_prop_ro(
          "family", [](const KernelEntry& k) { return std::string(k.family); },
          "The folder of cpp/kernels that holds it.")
      .def_prop_ro(
          "op", [](const KernelEntry& k) { return std::string(k.op); },
          "What it computes; kernels of one op are interchangeable.")
      .def_prop_ro(
          "isa", [](const KernelEntry& k) { return std::string(isa_name(k.isa)); },
          "The instruction set it needs.")
      .def_prop_ro(
          "available", [](const KernelEntry& k) { return is_available(k.isa); },
          "Whether this CPU runs it.")
      .def("__repr__",
           [](const KernelEntry& k) { return "KernelInfo(" + std::string(k.name) + ")"; });

  m.def(
      "kernels",
      [] {
        std::vector<KernelEntry> all(kernels::all_kernels().begin(), kernels::all_kernels().end());
        return all;
      },
      "Return every kernel of this build, family by family, best first within an op.");
  m.def(
      "isas",
      [] {
        std::vector<std::string> names;
        for (const kernels::Isa isa : kernels::available_isas()) {
          names.emplace_back(kernels::isa_name(isa));
        }
        return names;
      },
      "Return the names of the instruction sets that this CPU runs, best first.");

  m.def(
      "run_kernel",
      [](const std::string& name, const nb::kwargs& arguments) {
        return call(name, arguments, [](const std::function<void()>& kernel) { kernel(); });
      },
      nb::arg("name"), nb::arg("arguments"),
      "Run one kernel on NumPy arrays and return its output. For tests: arguments are the op's.");
  m.def(
      "time_kernel",
      [](const std::string& name, int runs, const nb::kwargs& arguments) {
        std::vector<double> seconds;
        call(name, arguments, [&](const std::function<void()>& kernel) {
          kernel();  // warm: caches, page faults, clock
          for (int k = 0; k < runs; ++k) {
            seconds.push_back(run_timed(kernel));
          }
        });
        return seconds;
      },
      nb::arg("name"), nb::arg("runs"), nb::arg("arguments"),
      "Run one kernel `runs` times and return the seconds of each.");
  bind_layout(m);
}

}  // namespace niwaki
