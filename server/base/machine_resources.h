// How much of this machine this process may use: all of it, or what its control group (a
// container's limits) leaves. `root` is "" for this machine; a test has its own.
#ifndef ACCLIMATE_SERVER_BASE_MACHINE_RESOURCES_H_
#define ACCLIMATE_SERVER_BASE_MACHINE_RESOURCES_H_

#include <cstdint>
#include <optional>
#include <string>

namespace acclimate {

int64_t MachineMemoryBytes(const std::string& root = "");  // 0: unknown

// What could be allocated now; files that are only cached count as free. nullopt: unknown.
std::optional<int64_t> AvailableMemoryBytes(const std::string& root = "");

// Processors, at least 1: those that the scheduler may use, or as many as the group's share of
// processor time (cpu.max) makes up, rounded up.
int MachineProcessors(const std::string& root = "");

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_MACHINE_RESOURCES_H_
