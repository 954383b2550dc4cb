#include "server/base/library_logs.h"

#include <grpc/support/log.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "google/protobuf/stubs/logging.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate {
namespace {

TEST(LibraryLogsTest, WhatLibrariesSayAreLinesOfTheLog) {
  gpr_log_verbosity_init();  // as grpc_init() does
  RouteLibraryLogs();
  testing::internal::CaptureStderr();
  gpr_log(GPR_ERROR, "a call ended\nwith %s", "two lines");
  GOOGLE_LOG(ERROR) << "field 'job' holds\nno UTF-8";
  const std::string log = testing::internal::GetCapturedStderr();
  const std::vector<std::string> lines = absl::StrSplit(log, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u) << log;
  const auto grpc = nlohmann::json::parse(lines[0]), protobuf = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(grpc["message"], "a call ended\nwith two lines");
  EXPECT_EQ(grpc["library"], "grpc");
  EXPECT_EQ(grpc["level"], "error");
  EXPECT_EQ(protobuf["message"], "field 'job' holds\nno UTF-8");
  EXPECT_EQ(protobuf["library"], "protobuf");
}

}  // namespace
}  // namespace acclimate
