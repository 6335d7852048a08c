// The CPUs that a process has, and how far they are from each other.
#pragma once

#include <vector>

namespace niwaki {

// Those that this process may use; empty where the system doesn't say.
std::vector<int> allowed_cpus();

// Binds the calling thread. A wish: where it is refused, or `cpu` is -1, the thread runs unbound.
void bind_to_cpu(int cpu);

// What a loop that waits for another thread does meanwhile.
void pause_cpu();

// Nanoseconds that a cache line takes from one of two CPUs to the other, which write it in turns:
// the median of a few measurements. Some 30 where both have a cache in common, 100 to 500 where
// they don't; -1 where the system can't say, gives no threads, or didn't run both at once for 20
// ms.
double core_distance_ns(int a, int b);

}  // namespace niwaki
