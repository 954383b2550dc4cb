#include "server/base/machine_memory.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate {
namespace {

class MachineMemoryTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  int64_t MiB() { return MachineMemoryBytes(folder_.path()) >> 20; }

  const TemporaryFolder folder_;
};

TEST_F(MachineMemoryTest, IsTheMachinesWhereThereIsNoLimit) {
  EXPECT_EQ(MiB(), 0);
  Write("/proc/meminfo", "MemFree: 1024 kB\nMemTotal:   8388608 kB\nMemAvailable: 1 kB\n");
  EXPECT_EQ(MiB(), 8192);
  Write("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(MiB(), 8192);
}

TEST_F(MachineMemoryTest, IsTheLimitOfTheGroupOrOneAboveIt) {
  Write("/proc/meminfo", "MemTotal: 8388608 kB\n");
  Write("/proc/self/cgroup", "0::/kubepods/pod7/box\n");
  Write("/sys/fs/cgroup/kubepods/pod7/memory.max", "2147483648\n");
  Write("/sys/fs/cgroup/kubepods/pod7/box/memory.max", "max\n");
  EXPECT_EQ(MiB(), 2048);
  Write("/sys/fs/cgroup/kubepods/pod7/box/memory.max", "1073741824\n");
  EXPECT_EQ(MiB(), 1024);
}

TEST_F(MachineMemoryTest, KnowsTheFirstVersionOfGroups) {
  Write("/proc/meminfo", "MemTotal: 8388608 kB\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(MiB(), 8192);
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(MiB(), 512);
}

TEST(ThisMachineTest, HasMemory) { EXPECT_GT(MachineMemoryBytes(), int64_t{64} << 20); }

}  // namespace
}  // namespace acclimate
