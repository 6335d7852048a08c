// The machine's roofs for Python.
#include "engine/roofline.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/module.h"
#include "engine/cpus.h"

namespace niwaki {

namespace nb = nanobind;

void bind_roofline(nb::module_& m) {
  m.def(
      "roofline",
      [](const std::string& isa) {
        const auto parsed = kernels::parse_isa(isa);
        if (!parsed || !kernels::is_available(*parsed)) {
          throw nb::value_error(
              ("[roofline] isa must be one that this CPU runs, got '" + isa + "'").c_str());
        }
        Roofline roofs;
        {
          const nb::gil_scoped_release released;
          roofs = measure_roofline(*parsed);
        }
        nb::dict found;
        found["fma_gmacs"] = roofs.fma_gmacs;
        found["load_gmacs"] = roofs.load_gmacs;
        found["load_aligned_gmacs"] = roofs.load_aligned_gmacs;
        found["l2_gb"] = roofs.l2_gb;
        found["l3_gb"] = roofs.l3_gb;
        found["memory_gb"] = roofs.memory_gb;
        found["bits_gmacs"] = roofs.bits_gmacs;
        return found;
      },
      nb::arg("isa") = "auto",
      "Measure what one thread can do at most here, in a fifth of a second: 1e9 float "
      "multiply-adds "
      "a second from registers, with an unaligned and an aligned load from L1 each; 1e9 bytes a "
      "second read from L2, L3 and memory; 1e9 bits a second ANDed and counted.");
  m.def("allowed_cpus", allowed_cpus, "The CPUs that this process may use.");
  m.def("core_distance_ns", core_distance_ns, nb::arg("a"), nb::arg("b"),
        nb::call_guard<nb::gil_scoped_release>(),
        "Nanoseconds that a cache line takes from one of two CPUs to the other; -1 where they "
        "didn't run at once.");
}

}  // namespace niwaki
