#include "server/base/bounded_text.h"

#include "gtest/gtest.h"

namespace acclimate {
namespace {

TEST(BoundedTextTest, WhatFitsStaysAsItIs) {
  EXPECT_EQ(BoundedText("", 64), "");
  EXPECT_EQ(BoundedText(std::string(64, 'a'), 64), std::string(64, 'a'));
}

TEST(BoundedTextTest, WhatIsCutSaysHowMuchIsMissing) {
  EXPECT_EQ(BoundedText(std::string(1000, 'a'), 64),
            std::string(16, 'a') + "... (984 bytes left out)");
  EXPECT_LE(BoundedText(std::string(5 << 20, 'a'), 64).size(), 64u);
}

TEST(BoundedTextTest, ACharacterIsNeverCut) {
  // Each has three bytes: 16 is within one.
  std::string euros;
  for (int i = 0; i < 100; ++i) euros += "€";
  EXPECT_EQ(BoundedText(euros, 64), euros.substr(0, 15) + "... (285 bytes left out)");
  // No UTF-8: only continuations. It is cut somewhere, and the call ends.
  EXPECT_LE(BoundedText(std::string(100, '\x80'), 64).size(), 64u);
}

}  // namespace
}  // namespace acclimate
