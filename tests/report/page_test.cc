// report.html in a browser without a window: what it draws, and that nothing in it goes wrong.
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "core/report/html.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate::report {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kTimeoutSeconds = 120;

struct Drawn {
  int exit_code = -1;
  std::string dom;      // after the scripts ran
  std::string console;  // the lines of the browser's console, errors of the policy among them
};

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// The browser's own log lines have other sources than CONSOLE.
std::string ConsoleLines(const std::string& log) {
  std::istringstream lines(log);
  std::string line, console;
  while (std::getline(lines, line)) {
    if (line.find("CONSOLE") != std::string::npos) console += line + "\n";
  }
  return console;
}

class PageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v chromium >/dev/null") != 0) {
      GTEST_SKIP() << "chromium is not installed: nothing is drawn";
    }
    std::string pattern = std::filesystem::temp_directory_path() / "acclimate_page_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  Drawn Draw(const json& report) const {
    std::ofstream(folder_ + "/report.html") << RenderHtml(report);
    const std::string command =
        "timeout " + std::to_string(kTimeoutSeconds) +
        " chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage"
        " --enable-logging=stderr --virtual-time-budget=5000 --user-data-dir=" +
        folder_ + "/profile --dump-dom file://" + folder_ + "/report.html >" + folder_ + "/dom 2>" +
        folder_ + "/log";
    Drawn drawn;
    const int status = std::system(command.c_str());
    if (WIFEXITED(status)) drawn.exit_code = WEXITSTATUS(status);
    drawn.dom = ReadFile(folder_ + "/dom");
    drawn.console = ConsoleLines(ReadFile(folder_ + "/log"));
    return drawn;
  }

 private:
  std::string folder_;
};

json Sample(const std::string& name) { return json::parse(ReadFile(REPORT_SAMPLES "/" + name)); }

// The element <section id="..."> as text; empty where there is none.
std::string Section(const std::string& dom, const std::string& id) {
  const size_t begin = dom.find("<section id=\"" + id + "\"");
  return begin == std::string::npos ? "" : dom.substr(begin, dom.find("</section>", begin) - begin);
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(PageTest, DrawsEveryPartOfAFullReport) {
  const json report = Sample("full_report.json");
  const Drawn drawn = Draw(report);
  ASSERT_EQ(drawn.exit_code, 0);
  EXPECT_EQ(drawn.console, "");
  EXPECT_THAT(drawn.dom, HasSubstr("<p class=\"verdict\">auto, by shot, raised the accuracy"));
  EXPECT_THAT(drawn.dom, Not(HasSubstr("<p class=\"warning\">This section could not")));

  const auto section = [&drawn](const char* id) { return Section(drawn.dom, id); };
  EXPECT_EQ(Count(section("accuracy"), "<circle class=\"fill"), 4u);
  EXPECT_EQ(Count(section("accuracy"), "<path class=\"range"), 2u);
  EXPECT_EQ(Count(section("diagnosis"), "--share:"), 20u);
  EXPECT_EQ(Count(section("continual"), "--share:"), 9u);
  EXPECT_EQ(Count(section("curves"), "<path class=\"line s"), 11u);  // five of them in legends
  EXPECT_EQ(Count(section("features"), "<circle class=\"hollow point s0\""),
            91u);  // and the legend
  EXPECT_EQ(Count(section("features"), "<path class=\"fill point s1\""), 91u);
  EXPECT_EQ(Count(section("priors"), "<title>class "), 9u);
  EXPECT_EQ(Count(section("confidence"), "<title>confidence "), 20u);
  EXPECT_EQ(Count(section("confidence"), "<figcaption>Expected calibration error"), 2u);
  EXPECT_EQ(Count(section("confusion"), "--share:"), 18u);
  EXPECT_EQ(Count(section("race"), "<circle class=\"fill"), 5u);
  EXPECT_EQ(Count(section("race"), "<tr"), 9u);
  EXPECT_EQ(Count(section("selection"), "<tr class=\"best\""), 1u);
  EXPECT_THAT(section("cost"), HasSubstr("393 MiB"));
  EXPECT_THAT(section("cost"), HasSubstr("Against training anew"));
  EXPECT_THAT(section("cost"), HasSubstr("where a label costs more than 0.25 core seconds"));
  EXPECT_THAT(section("cost"), HasSubstr("1,797"));
  EXPECT_THAT(section("lineage"), HasSubstr("sha256:b2b2"));
  EXPECT_THAT(section("details"), HasSubstr("target_prior"));
}

TEST_F(PageTest, MarkupInTextsIsText) {
  const Drawn drawn = Draw(Sample("full_report.json"));
  EXPECT_EQ(drawn.console, "");
  EXPECT_THAT(drawn.dom, HasSubstr("&lt;/script&gt;&lt;script&gt;alert(1)"));
  EXPECT_EQ(Count(drawn.dom, "<script"), 2u);
}

TEST_F(PageTest, DrawsAnAuditsIntervals) {
  json report = Sample("minimal_report.json");
  report["audit"] = json::parse(R"({"labels": 100, "population": 2000,
    "source": {"value": 0.62, "low": 0.54, "high": 0.7},
    "returned": {"value": 0.81, "low": 0.75, "high": 0.87}})");
  const Drawn drawn = Draw(report);
  ASSERT_EQ(drawn.exit_code, 0);
  EXPECT_EQ(drawn.console, "");
  EXPECT_EQ(Count(Section(drawn.dom, "accuracy"), "<path class=\"range s0\""), 2u);
  EXPECT_THAT(Section(drawn.dom, "accuracy"), HasSubstr("Audited after"));
}

TEST_F(PageTest, LeavesOutWhatAReportLacks) {
  const json report = Sample("minimal_report.json");
  const Drawn drawn = Draw(report);
  ASSERT_EQ(drawn.exit_code, 0);
  EXPECT_EQ(drawn.console, "");
  EXPECT_THAT(drawn.dom, HasSubstr(report["verdict"].get<std::string>()));
  EXPECT_EQ(Count(drawn.dom, "<section"), 0u);
}

// Otherwise the absence of errors would prove nothing.
TEST_F(PageTest, AnErrorReachesTheConsole) {
  json report = Sample("minimal_report.json");
  report["race"] = {{"rounds", "none"}};
  const Drawn drawn = Draw(report);
  EXPECT_THAT(drawn.console, HasSubstr("section race"));
  EXPECT_THAT(Section(drawn.dom, "race"), HasSubstr("could not be drawn"));
}

}  // namespace
}  // namespace acclimate::report
