#include "client/cli/spelling.h"

#include "gtest/gtest.h"

namespace acclimate::cli {
namespace {

TEST(SpellingTest, TheNearestWordIsOffered) {
  EXPECT_EQ(DidYouMean("--traget", {"--source", "--target"}), "; did you mean --target?");
  EXPECT_EQ(DidYouMean("epoch", {"epochs", "each"}), "; did you mean epochs?");
  EXPECT_EQ(DidYouMean("learning", {"learn", "learning_rate"}), "; did you mean learning_rate?");
}

TEST(SpellingTest, NothingIsOfferedWhenNothingIsNear) {
  EXPECT_EQ(DidYouMean("xyzzy", {"--source", "--target"}), "");
  EXPECT_EQ(DidYouMean("x", {}), "");
}

}  // namespace
}  // namespace acclimate::cli
