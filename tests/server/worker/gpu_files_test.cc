#include "server/worker/gpu_files.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(GpuFilesTest, AreTheDevicesThatComputingNeeds) {
  const TemporaryFolder machine;
  std::filesystem::create_directories(machine.File("dev/nvidia-caps"));
  for (const char* device : {"nvidiactl", "nvidia0", "nvidia11", "nvidia-uvm", "nvidia-uvm-tools",
                             "nvidia-modeset", "nvidia-drm", "sda", "mem"}) {
    machine.Write(std::string("dev/") + device, "");
  }
  const std::string dev = machine.File("dev/");
  EXPECT_THAT(
      FindGpuFiles(machine.path()).devices,
      UnorderedElementsAre(dev + "nvidiactl", dev + "nvidia0", dev + "nvidia11", dev + "nvidia-uvm",
                           dev + "nvidia-uvm-tools", dev + "nvidia-caps"));
}

TEST(GpuFilesTest, AreWhatTheDriverSaysOfItself) {
  const TemporaryFolder machine;
  for (const char* folder : {"proc/driver/nvidia", "sys/module/nvidia_uvm", "sys/module/ext4"}) {
    std::filesystem::create_directories(machine.File(folder));
  }
  machine.Write("proc/devices", "");
  machine.Write("proc/kcore", "");
  EXPECT_THAT(FindGpuFiles(machine.path()).readable,
              UnorderedElementsAre(machine.File("proc/devices"), machine.File("proc/driver/nvidia"),
                                   machine.File("sys/module/nvidia_uvm")));
}

TEST(GpuFilesTest, AreNoneOnAnEmptyMachine) {
  const TemporaryFolder machine;
  const GpuFiles files = FindGpuFiles(machine.path());
  EXPECT_THAT(files.devices, IsEmpty());
  EXPECT_THAT(files.readable, IsEmpty());
  EXPECT_THAT(files.listed, IsEmpty());
}

TEST(GpuFilesTest, OnlyNamesAreTakenOfDev) {
  EXPECT_THAT(FindGpuFiles().listed, ElementsAre("/dev"));
}

}  // namespace
}  // namespace acclimate::worker
