// How much memory this process may use.
#ifndef ACCLIMATE_SERVER_BASE_MACHINE_MEMORY_H_
#define ACCLIMATE_SERVER_BASE_MACHINE_MEMORY_H_

#include <cstdint>
#include <string>

namespace acclimate {

// Of the machine, or of the control group (a container's limit) where that is less. 0: unknown.
// `root` is "" for this machine; a test has its own.
int64_t MachineMemoryBytes(const std::string& root = "");

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_MACHINE_MEMORY_H_
