#include "server/api/data_directory.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/server/temporary_folder.h"

namespace acclimate::api {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DataDirectoryTest, OneServerHoldsItAtATime) {
  const TemporaryFolder folder;
  const std::string path = folder.File("new/data");
  {
    const auto first = DataDirectory::Open(path);
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = DataDirectory::Open(path);
    EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(second.status().message()),
                AllOf(HasSubstr(path), HasSubstr(absl::StrCat("process ", getpid()))));
  }
  EXPECT_TRUE(DataDirectory::Open(path).ok()) << "the lock goes with its holder";
}

TEST(DataDirectoryTest, TheEndpointFileIsWholeJson) {
  const TemporaryFolder folder;
  const auto directory = DataDirectory::Open(folder.path());
  ASSERT_TRUE(directory->WriteEndpoint("127.0.0.1:50051", "127.0.0.1:9464").ok());
  const auto endpoint = nlohmann::json::parse(folder.Read("endpoint.json"));
  EXPECT_EQ(endpoint["listen"], "127.0.0.1:50051");
  EXPECT_EQ(endpoint["metrics_listen"], "127.0.0.1:9464");
  EXPECT_EQ(endpoint["pid"], getpid());
}

}  // namespace
}  // namespace acclimate::api
