#include "server/maintenance/fsck.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/sha256.h"
#include "server/base/resource_names.h"
#include "server/jobs/sqlite_database.h"
#include "tests/server/maintenance/stored_jobs.h"

namespace acclimate::maintenance {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FsckTest : public testing::Test {
 protected:
  std::vector<std::string> Problems() {
    const auto result = Fsck(stored_.path());
    EXPECT_TRUE(result.ok()) << result.status();
    std::vector<std::string> lines;
    if (!result.ok()) return lines;
    for (const Problem& problem : result->problems) {
      lines.push_back(absl::StrCat(problem.what, " ", problem.problem));
    }
    return lines;
  }
  void ChangeStore(const std::string& sql) {
    auto connection = jobs::Connection::Open(stored_.path() + "/jobs.sqlite", false);
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE((*connection)->Execute(sql).ok());
  }

  StoredJobs stored_;
};

TEST_F(FsckTest, AHealthyDirectoryHasNoProblemsAndIsLeftAsItIs) {
  const std::string sha256 = stored_.AddBlob("content");
  stored_.AddJob("one", sha256);
  stored_.AddJob("two", stored_.AddBlob("other", "team"), "team");
  ASSERT_TRUE(stored_.uploads().Create("default", artifacts::Sha256Of("coming"), 6).ok());
  std::ofstream(stored_.path() + "/staging/under-way") << "half";
  const auto result = Fsck(stored_.path());  // the stores are in use
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->blobs, 2);
  EXPECT_EQ(result->bytes, 12);
  EXPECT_THAT(result->problems, IsEmpty());
  EXPECT_TRUE(fs::exists(stored_.path() + "/staging/under-way"));
}

TEST_F(FsckTest, NamesEveryDamagedAndMissingBlob) {
  const std::string flipped = stored_.AddBlob("flipped"), torn = stored_.AddBlob("torn"),
                    missing = stored_.AddBlob("missing"), whole = stored_.AddBlob("whole"),
                    unneeded = stored_.AddBlob("unneeded"),
                    elsewhere = stored_.AddBlob("elsewhere", "team");
  int id = 0;
  for (const std::string& sha256 : {flipped, torn, missing, whole}) {
    stored_.AddJob(std::to_string(id++), sha256);
  }
  StoredJobs::Flip(stored_.BlobPath(flipped));
  fs::permissions(stored_.BlobPath(torn), fs::perms::owner_all);
  fs::resize_file(stored_.BlobPath(torn), 2);
  fs::remove(stored_.BlobPath(missing));
  fs::remove(stored_.BlobPath(unneeded));
  StoredJobs::Flip(stored_.BlobPath(elsewhere, "team"));
  std::vector<std::string> problems = Problems();
  std::sort(problems.begin(), problems.end());
  std::vector<std::string> expected = {BlobName("default", flipped), BlobName("default", torn),
                                       BlobName("default", missing), BlobName("team", elsewhere)};
  std::sort(expected.begin(), expected.end());
  EXPECT_THAT(problems, ElementsAre(HasSubstr(expected[0]), HasSubstr(expected[1]),
                                    HasSubstr(expected[2]), HasSubstr(expected[3])));
  EXPECT_THAT(problems,
              testing::Contains(absl::StrCat(BlobName("default", missing),
                                             " is missing; tenants/default/jobs/2 needs it")));
}

TEST_F(FsckTest, NamesQuarantinedBlobs) {
  const std::string sha256 = stored_.AddBlob("content");
  StoredJobs::Flip(stored_.BlobPath(sha256));
  ASSERT_FALSE(stored_.blobs().Open(sha256).ok());
  EXPECT_THAT(Problems(), ElementsAre(BlobName("default", sha256) + " is damaged and quarantined"));
}

TEST_F(FsckTest, NamesTornUploads) {
  const auto whole = stored_.uploads().Create("default", artifacts::Sha256Of("content"), 7);
  const auto torn = stored_.uploads().Create("default", artifacts::Sha256Of("other"), 5);
  const auto longer = stored_.uploads().Create("default", artifacts::Sha256Of("third"), 5);
  ASSERT_TRUE(whole.ok() && torn.ok() && longer.ok());
  fs::resize_file(stored_.path() + "/uploads/" + torn->id + ".json", 20);
  std::ofstream(stored_.path() + "/uploads/" + longer->id + ".data") << "more than that";
  EXPECT_THAT(Problems(),
              testing::UnorderedElementsAre(
                  UploadName("default", torn->id) + " its description cannot be read",
                  UploadName("default", longer->id) + " has 14 bytes; 5 were announced"));
}

TEST_F(FsckTest, NamesEveryJobThatCannotBeRead) {
  const std::string sha256 = stored_.AddBlob("content");
  for (const char* id : {"one", "two", "three", "four", "five"}) stored_.AddJob(id, sha256);
  stored_.Close();
  ChangeStore("UPDATE jobs SET proto = x'ff' WHERE name LIKE '%/two'");
  ChangeStore("UPDATE jobs SET state = 7 WHERE name LIKE '%/three'");
  ChangeStore("UPDATE events SET proto = x'ff' WHERE sequence = 4");
  ChangeStore("DELETE FROM jobs WHERE name LIKE '%/five'");
  EXPECT_THAT(
      Problems(),
      ElementsAre("tenants/default/jobs/two the job cannot be read",
                  "tenants/default/jobs/three the job's name or state is not that of its row",
                  "tenants/default/jobs/four event 1 cannot be read",
                  "job number 5 event 1 is of no job"));
}

TEST_F(FsckTest, TellsOfDamagedPages) {
  const std::string sha256 = stored_.AddBlob("content");
  for (int i = 0; i < 500; ++i) stored_.AddJob(std::to_string(i), sha256);
  stored_.Close();
  const std::string path = stored_.path() + "/jobs.sqlite";
  const auto pages = fs::file_size(path) / 4096;
  for (uintmax_t page = 2; page < pages; page += 2) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(page * 4096));
    file << std::string(64, '\xff');
  }
  EXPECT_THAT(Problems(), testing::Not(IsEmpty()));
}

TEST_F(FsckTest, AFolderWithoutJobsIsNoDataDirectory) {
  const TemporaryFolder empty;
  EXPECT_FALSE(Fsck(empty.path()).ok());
}

}  // namespace
}  // namespace acclimate::maintenance
