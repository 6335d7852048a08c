// The kernels as tests and benchmarks see them: the list, the layout, and one way to run any of
// them.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "bindings/module.h"
#include "common/isa.h"
#include "common/table.h"

namespace nb = nanobind;

namespace niwaki {

using kernels::KernelEntry;

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
}

}  // namespace niwaki
