#include "client/lib/names.h"

#include "gtest/gtest.h"

namespace acclimate::client {
namespace {

TEST(NamesTest, AnIdBecomesAFullNameAndAFullNameStays) {
  EXPECT_EQ(JobName("abc"), "tenants/default/jobs/abc");
  EXPECT_EQ(JobName("tenants/other/jobs/abc"), "tenants/other/jobs/abc");
  EXPECT_EQ(BlobName("0f"), "tenants/default/blobs/0f");
  EXPECT_EQ(LastSegment("tenants/default/jobs/abc"), "abc");
  EXPECT_EQ(LastSegment("abc"), "abc");
}

TEST(NamesTest, StatesAsPeopleReadThem) {
  EXPECT_EQ(StateName(v1::JOB_STATE_RUNNING), "RUNNING");
  EXPECT_TRUE(HasEnded(v1::JOB_STATE_FAILED));
  EXPECT_FALSE(HasEnded(v1::JOB_STATE_PAUSED));
  EXPECT_FALSE(HasEnded(v1::JOB_STATE_CANCELLING));
}

}  // namespace
}  // namespace acclimate::client
