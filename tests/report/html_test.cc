#include "core/report/html.h"

#include <fstream>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate::report {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOpening[] = R"(<script type="application/json" id="report">)";

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// What stands in the element that holds the report.
std::string DataOf(const std::string& page) {
  const size_t begin = page.find(kOpening) + sizeof(kOpening) - 1;
  return page.substr(begin, page.find("</script>", begin) - begin);
}

TEST(HtmlTest, HoldsTheReportOnceAndWhole) {
  std::ifstream file(REPORT_SAMPLES "/full_report.json");
  const json report = json::parse(file);
  const std::string page = RenderHtml(report);
  EXPECT_EQ(json::parse(DataOf(page)), report);
  EXPECT_THAT(page, Not(HasSubstr("@REPORT@")));
  EXPECT_EQ(Count(page, kOpening), 1u);
}

TEST(HtmlTest, NoTextBreaksOut) {
  const std::string markup = "</script><script>alert(1)</script><!--<b>&amp;\xE2\x80\xA8";
  const json report = {{"verdict", markup}, {markup, json::array({markup})}};
  const std::string page = RenderHtml(report), empty = RenderHtml(json::object());
  EXPECT_EQ(json::parse(DataOf(page)), report);
  for (const char* part : {"<", ">", "&", "\xE2\x80\xA8"}) {
    EXPECT_EQ(Count(page, part), Count(empty, part)) << part;
  }
}

TEST(HtmlTest, NamesThatLookLikeThePlaceholderStay) {
  const json report = {{"verdict", "@REPORT@"}};
  EXPECT_EQ(json::parse(DataOf(RenderHtml(report))), report);
}

TEST(HtmlTest, TakesWhatJsonCannotHold) {
  const json report = {{"accuracy", std::numeric_limits<double>::quiet_NaN()},
                       {"verdict", "\xFF not UTF-8"}};
  const json written = json::parse(DataOf(RenderHtml(report)));
  EXPECT_TRUE(written["accuracy"].is_null());
  EXPECT_THAT(written["verdict"].get<std::string>(), HasSubstr(" not UTF-8"));
}

TEST(HtmlTest, LoadsNothing) {
  const std::string page = RenderHtml(json::object());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* part : {"unsafe-inline", "unsafe-eval", " src=", "href=", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
}

}  // namespace
}  // namespace acclimate::report
