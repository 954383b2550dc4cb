// How the process's allocator treats large blocks.
#ifndef ACCLIMATE_CORE_RUNTIME_LARGE_BLOCKS_H_
#define ACCLIMATE_CORE_RUNTIME_LARGE_BLOCKS_H_

namespace acclimate::runtime {

// Lets the allocator keep blocks of every size for the next use. By default glibc gives large ones
// back to the kernel, and a training step pays for the page faults of all its tensors anew. Memory
// that was used once stays with the process until it ends. Call before the first tensor is made;
// does nothing where the C library is not glibc.
void KeepLargeBlocks();

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_LARGE_BLOCKS_H_
