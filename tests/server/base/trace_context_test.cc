#include "server/base/trace_context.h"

#include "gtest/gtest.h"

namespace acclimate {
namespace {

constexpr char kTrace[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kText[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceContextTest, ReadsWhatItWrites) {
  const auto context = ParseTraceparent(kText);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, kTrace);
  EXPECT_EQ(context->span_id, "b7ad6b7169203331");
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(ToTraceparent(*context), kText);
  const TraceContext made = NewTrace(/*sampled=*/false);
  const auto read = ParseTraceparent(ToTraceparent(made));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->trace_id, made.trace_id);
  EXPECT_EQ(read->span_id, made.span_id);
  EXPECT_FALSE(read->sampled);
}

TEST(TraceContextTest, OnlyTheLowestFlagSaysSampled) {
  const std::string start = std::string(kText).substr(0, 53);
  EXPECT_TRUE(ParseTraceparent(start + "ff")->sampled);
  EXPECT_TRUE(ParseTraceparent(start + "03")->sampled);
  EXPECT_FALSE(ParseTraceparent(start + "02")->sampled);
  EXPECT_FALSE(ParseTraceparent(start + "fe")->sampled);
}

TEST(TraceContextTest, ALaterVersionMayGoOn) {
  EXPECT_TRUE(ParseTraceparent("cc" + std::string(kText + 2) + "-what-comes").has_value());
  EXPECT_FALSE(ParseTraceparent("cc" + std::string(kText + 2) + ".what").has_value());
}

TEST(TraceContextTest, RefusesWhatIsNone) {
  for (const std::string text : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                                 "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                 "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
                                 "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                 "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                 "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
                                 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                                 "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01"}) {
    EXPECT_FALSE(ParseTraceparent(text).has_value()) << text;
  }
}

TEST(TraceContextTest, ChildrenStayInTheTrace) {
  const TraceContext parent = *ParseTraceparent(kText);
  const TraceContext child = ChildOf(parent);
  EXPECT_EQ(child.trace_id, kTrace);
  EXPECT_TRUE(child.sampled);
  EXPECT_NE(child.span_id, parent.span_id);
  EXPECT_NE(child.span_id, ChildOf(parent).span_id);
  EXPECT_EQ(NamedChildOf(parent, "job").span_id, NamedChildOf(parent, "job").span_id);
  EXPECT_NE(NamedChildOf(parent, "job").span_id, NamedChildOf(parent, "jobs").span_id);
  EXPECT_NE(NamedChildOf(parent, "job").span_id, NamedChildOf(child, "job").span_id);
  EXPECT_TRUE(ParseTraceparent(ToTraceparent(NamedChildOf(parent, "job"))).has_value());
}

}  // namespace
}  // namespace acclimate
