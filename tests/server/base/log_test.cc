#include "server/base/log.h"

#include <limits>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate {
namespace {

using Json = nlohmann::json;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { SetLogLevel(LogLevel::kInfo); }

  // What `log` writes to stderr.
  template <typename Function>
  static std::string Written(const Function& log) {
    testing::internal::CaptureStderr();
    log();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, ALineIsOneJsonObject) {
  const std::string line = Written([] {
    LogWarning("job queued", {{"job", "tenants/default/jobs/a"},
                              {"priority", 3},
                              {"bytes", int64_t{1} << 40},
                              {"ratio", 0.5},
                              {"ready", true},
                              {"waited", absl::Milliseconds(250)},
                              {"error", absl::NotFoundError("no such blob")}});
  });
  ASSERT_EQ(line.back(), '\n');
  const Json json = Json::parse(line);
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["message"], "job queued");
  EXPECT_EQ(json["job"], "tenants/default/jobs/a");
  EXPECT_EQ(json["priority"], 3);
  EXPECT_EQ(json["bytes"], int64_t{1} << 40);
  EXPECT_EQ(json["ratio"], 0.5);
  EXPECT_EQ(json["ready"], true);
  EXPECT_EQ(json["waited"], 0.25);
  EXPECT_EQ(json["error"], "NOT_FOUND: no such blob");
  absl::Time time;
  std::string why;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, std::string(json["time"]), &time, &why)) << why;
}

TEST_F(LogTest, NoTextBreaksOutOfItsLine) {
  const std::string hostile = "line\nnext\r\t\"quoted\" \\ {\"level\":\"error\"} \x01\x7f";
  const std::string line = Written([&] {
    LogInfo(hostile, {{"field", hostile}, {hostile, "value"}});
  });
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Json json = Json::parse(line);
  EXPECT_EQ(json["message"], hostile);
  EXPECT_EQ(json["field"], hostile);
  EXPECT_EQ(json[hostile], "value");
  EXPECT_EQ(json["level"], "info");
}

TEST_F(LogTest, WhatIsNotUtf8IsReplaced) {
  const Json json = Json::parse(Written([] {
    LogInfo("a\xff\xfe z", {{"zero", std::string("a\0b", 3)}});
  }));
  EXPECT_EQ(json["message"], "a\xef\xbf\xbd\xef\xbf\xbd z");
  EXPECT_EQ(json["zero"], std::string("a\0b", 3));
}

TEST_F(LogTest, ALongTextIsCut) {
  const std::string line = Written([] {
    LogInfo(std::string(5 << 20, 'm'), {{"field", std::string(5 << 20, 'f')}});
  });
  EXPECT_LT(line.size(), 20'000u);
  const Json json = Json::parse(line);
  EXPECT_THAT(std::string(json["message"]), testing::HasSubstr("bytes left out"));
  EXPECT_THAT(std::string(json["field"]), testing::HasSubstr("bytes left out"));
}

TEST_F(LogTest, NumbersThatJsonLacksStayJson) {
  const Json json = Json::parse(Written([] {
    LogInfo("", {{"nan", std::numeric_limits<double>::quiet_NaN()},
                 {"infinite", absl::InfiniteDuration()}});
  }));
  EXPECT_TRUE(json["nan"].is_null());
  EXPECT_TRUE(json["infinite"].is_null());
}

TEST_F(LogTest, NothingBelowTheLevelIsWritten) {
  EXPECT_EQ(Written([] { LogDebug("quiet"); }), "");
  SetLogLevel(LogLevel::kError);
  EXPECT_EQ(Written([] { LogWarning("quiet"); }), "");
  EXPECT_NE(Written([] { LogError("loud"); }), "");
  SetLogLevel(LogLevel::kDebug);
  EXPECT_NE(Written([] { LogDebug("loud"); }), "");
}

TEST_F(LogTest, LinesCarryTheFieldsOfTheirContexts) {
  Json inner, outer, after;
  {
    LogContext context({{"trace", "a"}, {"job", "b"}});
    {
      LogContext nested({{"job", "c"}});
      nested.Add({"slot", 1});
      inner = Json::parse(Written([] { LogInfo("", {{"own", 2}, {"trace", "own"}}); }));
    }
    outer = Json::parse(Written([] { LogInfo(""); }));
  }
  after = Json::parse(Written([] { LogInfo(""); }));
  EXPECT_EQ(inner["trace"], "own");
  EXPECT_EQ(inner["job"], "c");
  EXPECT_EQ(inner["slot"], 1);
  EXPECT_EQ(inner["own"], 2);
  EXPECT_EQ(outer["trace"], "a");
  EXPECT_EQ(outer["job"], "b");
  EXPECT_FALSE(outer.contains("slot"));
  EXPECT_FALSE(after.contains("trace"));
}

TEST_F(LogTest, AContextIsOfItsThreadOnly) {
  LogContext context({{"trace", "a"}});
  const Json json = Json::parse(Written([] { std::thread([] { LogInfo(""); }).join(); }));
  EXPECT_FALSE(json.contains("trace"));
}

TEST_F(LogTest, LevelsHaveTheirNamesOnly) {
  EXPECT_EQ(*ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(*ParseLogLevel("error"), LogLevel::kError);
  for (const char* text : {"", "INFO", "warn", "2"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseLogLevel(text).status())) << text;
  }
}

}  // namespace
}  // namespace acclimate
