#include "server/tracing/otlp_post.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::tracing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class OtlpPostTest : public testing::Test {
 protected:
  std::string HeadersFile(const std::string& text) {
    const std::string path = folder_.path() + "/headers";
    std::ofstream(path) << text;
    return path;
  }
  TemporaryFolder folder_;
};

TEST_F(OtlpPostTest, AnEndpointIsItsUrlAndTheHeadersOfItsFile) {
  const auto endpoint = MakeOtlpEndpoint(
      "http://collector:4318/", HeadersFile("# the collector's key\n\nx-key: secret\nx-b:c\n"));
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(endpoint->url, "http://collector:4318/v1/traces");
  EXPECT_THAT(endpoint->headers, ElementsAre("x-key: secret", "x-b:c"));
}

TEST_F(OtlpPostTest, ErrorsNameTheLineAndNoSecret) {
  const absl::Status line = MakeOtlpEndpoint("http://a", HeadersFile("x: y\nsecret\n")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(line));
  EXPECT_THAT(std::string(line.message()), HasSubstr("headers:2"));
  EXPECT_THAT(std::string(line.message()), Not(HasSubstr("secret")));
  const absl::Status missing = MakeOtlpEndpoint("http://a", folder_.path() + "/none").status();
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/none"));
  const absl::Status user = MakeOtlpEndpoint("http://me:secret@a", "").status();
  EXPECT_TRUE(absl::IsInvalidArgument(user));
  EXPECT_THAT(std::string(user.message()), Not(HasSubstr("secret")));
  for (const char* url :
       {"collector:4318", "http://", "http://a b", "http://a:port", "http://a:4318?x=1",
        "http://a:4318#x", "http://a:4318/v1/traces", "http://a/v1/traces/", "ftp://a"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MakeOtlpEndpoint(url, "").status())) << url;
  }
  EXPECT_EQ(MakeOtlpEndpoint("https://a.example/otlp/", "")->url,
            "https://a.example/otlp/v1/traces");
}

TEST_F(OtlpPostTest, ACollectorThatDoesNotAnswerMayLater) {
  // Port 1 of this machine: nothing listens there.
  EXPECT_TRUE(
      absl::IsUnavailable(Post({"http://127.0.0.1:1/v1/traces", {}}, "{}", absl::Seconds(5))));
}

}  // namespace
}  // namespace acclimate::tracing
