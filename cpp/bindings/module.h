// What the parts of niwaki._core add to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace niwaki {

void bind_kernels(nanobind::module_& m);      // kernels.cc
void bind_engine(nanobind::module_& m);       // engine.cc
void bind_convolution(nanobind::module_& m);  // convolution.cc
void bind_roofline(nanobind::module_& m);     // roofline.cc

}  // namespace niwaki
