#include "server/base/machine_resources.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate {
namespace {

class MachineResourcesTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  int64_t MiB() { return MachineMemoryBytes(folder_.path()) >> 20; }

  const TemporaryFolder folder_;
};

TEST_F(MachineResourcesTest, MemoryIsTheMachinesWhereThereIsNoLimit) {
  EXPECT_EQ(MiB(), 0);
  Write("/proc/meminfo", "MemFree: 1024 kB\nMemTotal:   8388608 kB\nMemAvailable: 1 kB\n");
  EXPECT_EQ(MiB(), 8192);
  Write("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(MiB(), 8192);
}

TEST_F(MachineResourcesTest, MemoryIsTheLimitOfTheGroupOrOneAboveIt) {
  Write("/proc/meminfo", "MemTotal: 8388608 kB\n");
  Write("/proc/self/cgroup", "0::/kubepods/pod7/box\n");
  Write("/sys/fs/cgroup/kubepods/pod7/memory.max", "2147483648\n");
  Write("/sys/fs/cgroup/kubepods/pod7/box/memory.max", "max\n");
  EXPECT_EQ(MiB(), 2048);
  Write("/sys/fs/cgroup/kubepods/pod7/box/memory.max", "1073741824\n");
  EXPECT_EQ(MiB(), 1024);
}

TEST_F(MachineResourcesTest, KnowsTheFirstVersionOfGroups) {
  Write("/proc/meminfo", "MemTotal: 8388608 kB\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(MiB(), 8192);
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(MiB(), 512);
}

TEST_F(MachineResourcesTest, AvailableIsWhatTheGroupHasNotUsed) {
  EXPECT_FALSE(AvailableMemoryBytes(folder_.path()).has_value());
  Write("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n");
  EXPECT_EQ(AvailableMemoryBytes(folder_.path()), int64_t{4} << 30);
  Write("/sys/fs/cgroup/memory.max", "2097152\n");
  Write("/sys/fs/cgroup/memory.current", "1572864\n");
  EXPECT_EQ(AvailableMemoryBytes(folder_.path()), 512 << 10);
  Write("/sys/fs/cgroup/memory.stat", "anon 1048576\ninactive_file 262144\n");
  EXPECT_EQ(AvailableMemoryBytes(folder_.path()), 768 << 10);
  Write("/sys/fs/cgroup/memory.current", "4194304\n");
  EXPECT_EQ(AvailableMemoryBytes(folder_.path()), 0);
}

TEST_F(MachineResourcesTest, ProcessorsAreThoseOfTheGroupsShare) {
  const int machine = MachineProcessors(folder_.path());
  EXPECT_GE(machine, 1);
  Write("/sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(MachineProcessors(folder_.path()), machine);
  Write("/proc/self/cgroup", "0::/pod/box\n");
  Write("/sys/fs/cgroup/pod/cpu.max", "20000 100000\n");
  EXPECT_EQ(MachineProcessors(folder_.path()), 1);
  Write("/sys/fs/cgroup/pod/cpu.max", "6400000 100000\n");
  EXPECT_EQ(MachineProcessors(folder_.path()), std::min(machine, 64));
}

TEST_F(MachineResourcesTest, PartOfAProcessorIsOne) {
  Write("/sys/fs/cgroup/cpu.max", "110000 100000\n");
  EXPECT_EQ(MachineProcessors(folder_.path()), std::min(2, MachineProcessors()));
}

TEST(ThisMachineTest, HasMemoryAndProcessors) {
  EXPECT_GT(MachineMemoryBytes(), int64_t{64} << 20);
  EXPECT_GT(AvailableMemoryBytes().value_or(0), 0);
  EXPECT_GE(MachineProcessors(), 1);
}

}  // namespace
}  // namespace acclimate
