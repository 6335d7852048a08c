// The engine's thread pool, used by several callers at once.
#pragma once

namespace niwaki::check {

// Runs jobs of few and of many tasks on 2 to 4 threads from two callers; prints a line and returns
// whether each task ran once.
bool check_threads();

}  // namespace niwaki::check
