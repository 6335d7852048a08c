// niwaki._core: the Python face of the C++ core. Each part binds itself.
#include <nanobind/nanobind.h>

#include "bindings/module.h"

NB_MODULE(_core, m) {
  m.doc() = "The C++ core: kernels and engine. Use niwaki.runtime instead.";
  niwaki::bind_kernels(m);
  niwaki::bind_engine(m);
  niwaki::bind_convolution(m);
  niwaki::bind_roofline(m);
}
