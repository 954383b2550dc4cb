#include "server/base/tenant_policies.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TenantPoliciesTest, ALineChangesWhatItNames) {
  TenantPolicy defaults;
  defaults.max_queued = 7;
  const auto policies = TenantPolicies::Parse(
      "# tenants\n"
      "team-a  weight=2.5 max-running=3\t# a comment\r\n"
      "\n"
      "team-b max-queued=0 max-stored-bytes=2GiB\n",
      defaults);
  ASSERT_TRUE(policies.ok()) << policies.status();
  EXPECT_EQ(policies->Of("team-a").weight, 2.5);
  EXPECT_EQ(policies->Of("team-a").max_running, 3);
  EXPECT_EQ(policies->Of("team-a").max_queued, 7);
  EXPECT_EQ(policies->Of("team-b").max_queued, 0);
  EXPECT_EQ(policies->Of("team-b").max_stored_bytes, int64_t{2} << 30);
  EXPECT_EQ(policies->Of("other").max_queued, 7);
  EXPECT_EQ(policies->Of("other").weight, 1);
}

TEST(TenantPoliciesTest, AnErrorNamesLineAndKey) {
  const struct {
    const char* line;
    const char* message;
  } kCases[] = {
      {"a weight=0", "weight: must be a number from 0.001 to 1000; is \"0\""},
      {"a weight=nan", "weight: must be"},
      {"a max-running=-1", "max-running: must be a whole number"},
      {"a max-queued=many", "max-queued: must be a whole number"},
      {"a max-stored-bytes=1TB", "max-stored-bytes: must be a number of bytes"},
      {"a max-runing=1", "max-runing: is unknown; there are weight"},
      {"a weight", "weight: expected key=value"},
      {"A/b weight=1", "tenant"},
      {"first weight=1", "first has a line already"},
  };
  for (const auto& [line, message] : kCases) {
    const auto policies = TenantPolicies::Parse(std::string("first\n") + line, {});
    EXPECT_EQ(policies.status().code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(policies.status().message()),
                AllOf(HasSubstr("line 2: "), HasSubstr(message)));
  }
}

TEST(TenantPoliciesTest, AFileThatIsNotThereIsNamed) {
  const TemporaryFolder folder;
  const auto missing = TenantPolicies::Read(folder.File("tenants"), {});
  EXPECT_THAT(std::string(missing.status().message()),
              AllOf(HasSubstr("--tenants-file"), HasSubstr(folder.File("tenants"))));
  EXPECT_TRUE(TenantPolicies::Read(folder.Write("empty", ""), {}).ok());
  EXPECT_TRUE(TenantPolicies::Read("", {}).ok());
  const auto wrong = TenantPolicies::Read(folder.Write("wrong", "a weight=x\n"), {});
  EXPECT_THAT(std::string(wrong.status().message()),
              AllOf(HasSubstr(folder.File("wrong")), HasSubstr("line 1: weight")));
}

}  // namespace
}  // namespace acclimate
