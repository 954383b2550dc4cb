#include "server/api/list_filter.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ListFilterTest, TermsAreJoinedByAnd) {
  jobs::JobQuery query;
  ASSERT_TRUE(
      ParseListFilter("state=running AND method = shot AND label.team=\"a b\" AND label.x==", query)
          .ok());
  EXPECT_EQ(query.state, v1::JOB_STATE_RUNNING);
  EXPECT_EQ(query.method, "shot");
  EXPECT_THAT(query.labels, ElementsAre(Pair("team", "a b"), Pair("x", "=")));
}

TEST(ListFilterTest, NoFilterIsNoTerm) {
  jobs::JobQuery query;
  ASSERT_TRUE(ParseListFilter("  ", query).ok());
  EXPECT_FALSE(query.state.has_value());
}

TEST(ListFilterTest, AWrongTermIsNamed) {
  for (const char* term : {"state", "state=ASLEEP", "state=UNSPECIFIED", "method=", "label.=x",
                           "labels.team=x", "owner=me", "state=RUNNING AND state=FAILED"}) {
    jobs::JobQuery query;
    const absl::Status status = ParseListFilter(term, query);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << term;
    EXPECT_THAT(std::string(status.message()), HasSubstr("filter: term")) << term;
  }
  std::string many = "label.a=b";
  for (int i = 0; i < 16; ++i) many += " AND label.a=b";
  jobs::JobQuery query;
  EXPECT_TRUE(absl::IsInvalidArgument(ParseListFilter(many, query)));
}

}  // namespace
}  // namespace acclimate::api
