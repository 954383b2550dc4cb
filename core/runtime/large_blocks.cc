#include "core/runtime/large_blocks.h"

#include <cstdlib>
#include <limits>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace acclimate::runtime {

void KeepLargeBlocks() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_ARENA_MAX, 1);  // arenas of other threads cannot hold blocks beyond 64 MiB
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace acclimate::runtime
