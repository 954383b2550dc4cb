// The files beside its libraries that CUDA's driver needs: the sandbox's profile for GPUs.
#ifndef ACCLIMATE_SERVER_WORKER_GPU_FILES_H_
#define ACCLIMATE_SERVER_WORKER_GPU_FILES_H_

#include <string>
#include <vector>

namespace acclimate::worker {

struct GpuFiles {
  // Devices: read, write and ioctl. The GPUs, the driver's control device, unified memory, and the
  // capabilities of MIG instances; not the display (nvidia-modeset, nvidia-drm).
  std::vector<std::string> devices;
  // Files and folders that are only read: what the driver says of itself and of the buses.
  std::vector<std::string> readable;
  // Folders whose names are listed, and nothing beneath is opened by that.
  std::vector<std::string> listed;
};

// What of these there is beneath `root` ("" for this machine; a test has its own).
GpuFiles FindGpuFiles(const std::string& root = "");

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_GPU_FILES_H_
