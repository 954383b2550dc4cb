#include "server/base/resource_names.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kSha256(64, 'a');

TEST(ResourceNamesTest, NamesAreReadAsTheyAreMade) {
  const auto job = ParseJobName(JobName("default", "Job_7-x"));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->tenant, "default");
  EXPECT_EQ(job->id, "Job_7-x");
  EXPECT_EQ(ParseBlobName(BlobName("t", kSha256))->id, kSha256);
  EXPECT_EQ(ParseUploadName(UploadName("t", "u"))->id, "u");
  EXPECT_EQ(*ParseTenantName("tenants/default"), "default");
}

TEST(ResourceNamesTest, WhatHasAnotherFormIsRefused) {
  const std::string long_id(129, 'x');
  for (const std::string& name :
       {std::string(), std::string("x"), std::string("/tenants/t/jobs/j"),
        std::string("tenants/t/jobs/j/"), std::string("tenants/t/jobs/"),
        std::string("tenants//jobs/j"), std::string("tenants/t/jobs"),
        std::string("tenants/t/blobs/j"), std::string("tenant/t/jobs/j"),
        std::string("tenants/../jobs/j"), std::string("tenants/t/jobs/.."),
        std::string("tenants/t/jobs/a b"), std::string("tenants/t/jobs/\xc3\xa4"),
        std::string("tenants/t/jobs/a\0b", 18), "tenants/t/jobs/" + long_id}) {
    const auto parsed = ParseJobName(name);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << name;
  }
  EXPECT_TRUE(ParseJobName("tenants/t/jobs/" + long_id.substr(1)).ok());
  for (const char* name : {"", "tenants/", "tenants/a/b", "tenants/.."}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseTenantName(name).status())) << name;
  }
}

TEST(ResourceNamesTest, ABlobIsNamedByADigestInLowerCase) {
  EXPECT_TRUE(IsSha256(kSha256));
  for (const std::string& text : {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'),
                                  std::string(64, 'g'), std::string()}) {
    EXPECT_FALSE(IsSha256(text)) << text;
    EXPECT_FALSE(ParseBlobName("tenants/t/blobs/" + text).ok()) << text;
  }
}

TEST(ResourceNamesTest, AnErrorShowsTheFormAndWhatWasGiven) {
  EXPECT_THAT(std::string(ParseUploadName("nonsense").status().message()),
              AllOf(HasSubstr("tenants/{tenant}/uploads/{upload}"), HasSubstr("nonsense")));
}

}  // namespace
}  // namespace acclimate
