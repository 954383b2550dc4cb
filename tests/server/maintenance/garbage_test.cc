#include "server/maintenance/garbage.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/server/maintenance/stored_jobs.h"

namespace acclimate::maintenance {
namespace {

namespace fs = std::filesystem;

// Bytes of the blocks of all files below.
int64_t DiskUse(const std::string& folder) {
  int64_t bytes = 0;
  for (const auto& file : fs::recursive_directory_iterator(folder)) {
    if (file.is_regular_file()) bytes += static_cast<int64_t>(file.file_size());
  }
  return bytes;
}

TEST(GarbageTest, DeletedJobsGiveTheDiskBack) {
  StoredJobs stored;
  const std::string kept = stored.AddBlob("kept");
  stored.AddJob("kept", kept);
  stored.Close();
  const int64_t before = DiskUse(stored.path());
  stored.Open();
  std::vector<std::string> jobs;
  for (int i = 0; i < 200; ++i) {
    jobs.push_back(
        stored.AddJob(absl::StrCat(i), stored.AddBlob(absl::StrCat(i, std::string(20'000, 'x')))));
  }
  for (const std::string& job : jobs) stored.DeleteJob(job);
  stored.Close();
  ASSERT_GT(DiskUse(stored.path()), before + 200 * 20'000);

  const auto young = CollectGarbage(stored.path(), absl::Hours(1));
  ASSERT_TRUE(young.ok()) << young.status();
  EXPECT_EQ(young->blobs, 0);
  const auto collected = CollectGarbage(stored.path(), absl::ZeroDuration());
  ASSERT_TRUE(collected.ok()) << collected.status();
  EXPECT_EQ(collected->blobs, 200);
  EXPECT_TRUE(fs::exists(stored.BlobPath(kept)));
  EXPECT_LE(DiskUse(stored.path()), before);
}

}  // namespace
}  // namespace acclimate::maintenance
