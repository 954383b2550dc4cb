#include "server/protocol/valid_utf8.h"

#include "gtest/gtest.h"

namespace acclimate::protocol {
namespace {

TEST(ValidUtf8Test, LeavesWellFormedTextAlone) {
  for (const std::string& text :
       {std::string(), std::string("plain\n"), std::string("a\0b", 3), std::string("\xc2\x80"),
        std::string("\xdf\xbf"), std::string("\xe0\xa0\x80"), std::string("\xed\x9f\xbf"),
        std::string("\xee\x80\x80"), std::string("\xef\xbf\xbf"), std::string("\xf0\x90\x80\x80"),
        std::string("\xf4\x8f\xbf\xbf")}) {
    EXPECT_EQ(ValidUtf8(text), text);
  }
}

// Table 3-7 of the Unicode standard: what is just outside of each range.
TEST(ValidUtf8Test, ReplacesEveryByteThatIsNot) {
  const std::pair<std::string, std::string> kCases[] = {
      {"\x80", "?"},                          // a continuation alone
      {"\xc0\x80", "??"},                     // overlong, two bytes
      {"\xc1\xbf", "??"},                     //
      {"\xe0\x9f\xbf", "???"},                // overlong, three bytes
      {"\xf0\x8f\xbf\xbf", "????"},           // overlong, four bytes
      {"\xed\xa0\x80", "???"},                // a surrogate
      {"\xf4\x90\x80\x80", "????"},           // beyond U+10FFFF
      {"\xf5\x80\x80\x80", "????"},           //
      {"\xff", "?"},                          //
      {"a\xe2\x82", "a??"},                   // cut off at the end
      {"\xe2\x82z", "??z"},                   // cut off in the middle
      {"\xe2\xe2\x82\xac", "?\xe2\x82\xac"},  // begins anew
  };
  for (const auto& [text, valid] : kCases) EXPECT_EQ(ValidUtf8(text), valid);
}

}  // namespace
}  // namespace acclimate::protocol
