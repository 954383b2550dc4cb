#include "server/worker/gpu_files.h"

#include <glob.h>

namespace acclimate::worker {
namespace {

// Patterns of glob(7).
constexpr const char* kDevices[] = {"/dev/nvidiactl", "/dev/nvidia[0-9]*", "/dev/nvidia-uvm",
                                    "/dev/nvidia-uvm-tools", "/dev/nvidia-caps"};
constexpr const char* kReadable[] = {"/proc/devices",
                                     "/proc/modules",
                                     "/proc/interrupts",
                                     "/proc/sys/vm",
                                     "/proc/driver/nvidia",
                                     "/proc/driver/nvidia-caps",
                                     "/proc/driver/nvidia-uvm",
                                     "/sys/module/nvidia*",
                                     "/sys/bus/pci/devices",
                                     "/sys/devices",
                                     "/etc/nvidia",
                                     "/usr/share/nvidia"};
constexpr const char* kListed[] = {"/dev"};

template <size_t kCount>
std::vector<std::string> Find(const std::string& root, const char* const (&patterns)[kCount]) {
  std::vector<std::string> paths;
  for (const char* pattern : patterns) {
    glob_t found = {};
    if (glob((root + pattern).c_str(), 0, nullptr, &found) == 0) {
      paths.insert(paths.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    globfree(&found);
  }
  return paths;
}

}  // namespace

GpuFiles FindGpuFiles(const std::string& root) {
  return {Find(root, kDevices), Find(root, kReadable), Find(root, kListed)};
}

}  // namespace acclimate::worker
