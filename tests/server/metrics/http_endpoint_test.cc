#include "server/metrics/http_endpoint.h"

#include <stdexcept>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/metrics/exposition.h"
#include "tests/http_client.h"

namespace acclimate::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

HttpResponse Text(std::string text) {
  HttpResponse response;
  response.body = std::move(text);
  return response;
}

class HttpEndpointTest : public testing::Test {
 protected:
  void Start(const HttpEndpointOptions& options = {}) {
    auto endpoint = HttpEndpoint::Start(
        "127.0.0.1:0",
        {{"/echo",
          [](const HttpRequest& request) {
            return Text(absl::StrCat(request.Parameter("a"), "|", request.Parameter("none"), "|",
                                     request.authorization, "|", request.host, "|", request.peer));
          }},
         {"/large", [](const HttpRequest&) { return Text(std::string(3 << 20, 'x')); }},
         {"/throws",
          [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("a secret"); }}},
        options);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
    address_ = absl::StrCat("127.0.0.1:", endpoint_->port());
  }

  std::unique_ptr<HttpEndpoint> endpoint_;
  std::string address_;
};

TEST_F(HttpEndpointTest, GivesAHandlerWhatWasAsked) {
  Start();
  const HttpAnswer answer = HttpGet(address_, "/echo?b=1&a=x%20%3Cy%3E",
                                    "Authorization: Bearer t\r\nHost: example.org\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("x <y>||Bearer t|example.org|ipv4:127.0.0.1:"));
}

TEST_F(HttpEndpointTest, EveryAnswerSaysWhatABrowserMayNotDo) {
  Start();
  for (const char* target : {"/echo", "/none", "/throws"}) {
    const std::string head = HttpGet(address_, target).head;
    EXPECT_THAT(head, HasSubstr("Content-Security-Policy: default-src 'none'")) << target;
    EXPECT_THAT(head, HasSubstr("frame-ancestors 'none'")) << target;
    EXPECT_THAT(head, HasSubstr("X-Content-Type-Options: nosniff")) << target;
    EXPECT_THAT(head, HasSubstr("Cache-Control: no-store")) << target;
    EXPECT_THAT(head, HasSubstr("Referrer-Policy: no-referrer")) << target;
  }
}

TEST_F(HttpEndpointTest, OnlyReads) {
  Start();
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const HttpAnswer answer = HttpRequestTo(address_, method, "/echo");
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_THAT(answer.head, HasSubstr("Allow: GET, HEAD")) << method;
    EXPECT_EQ(HttpRequestTo(address_, method, "/none").status, 404) << method;
  }
  const HttpAnswer head = HttpRequestTo(address_, "HEAD", "/large");
  EXPECT_EQ(head.status, 200);
  EXPECT_THAT(head.head, HasSubstr(absl::StrCat("Content-Length: ", 3 << 20)));
  EXPECT_EQ(head.body, "");
}

TEST_F(HttpEndpointTest, OtherPathsAreNotThere) {
  Start();
  for (const char* target :
       {"/", "/echo/", "/echo/more", "/echo/../none", "/Echo", "/etc/passwd"}) {
    EXPECT_EQ(HttpGet(address_, target).status, 404) << target;
  }
  EXPECT_EQ(HttpGet(address_, "/none/../echo").status, 200);
}

TEST_F(HttpEndpointTest, AHandlerThatThrowsIsAnErrorWithoutDetails) {
  Start();
  const HttpAnswer answer = HttpGet(address_, "/throws");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, Not(HasSubstr("secret")));
  EXPECT_EQ(HttpGet(address_, "/echo").status, 200);
}

TEST_F(HttpEndpointTest, ALargeAnswerComesWhole) {
  Start();
  EXPECT_EQ(HttpGet(address_, "/large").body.size(), size_t{3} << 20);
}

// Two such connections blocked the server of prometheus-cpp until they went.
TEST_F(HttpEndpointTest, ConnectionsThatSayNothingKeepNobodyWaiting) {
  Start({/*threads=*/16, /*patience=*/absl::Hours(1)});
  std::vector<HttpConnection> silent;
  for (int i = 0; i < 8; ++i) silent.emplace_back(address_);
  silent.front().Send("GET /echo HT");
  EXPECT_EQ(HttpGet(address_, "/echo").status, 200);
  for (const HttpConnection& connection : silent) EXPECT_FALSE(connection.ClosedByServer());
}

// More of them than there are threads: they are closed, and then others get their turn.
TEST_F(HttpEndpointTest, AConnectionThatSaysNothingIsClosed) {
  Start({/*threads=*/2, /*patience=*/absl::Milliseconds(200)});
  std::vector<HttpConnection> silent;
  for (int i = 0; i < 6; ++i) silent.emplace_back(address_);
  EXPECT_EQ(HttpGet(address_, "/echo").status, 200);
  for (const HttpConnection& connection : silent) EXPECT_EQ(connection.Read(), "");
}

TEST_F(HttpEndpointTest, APortThatIsTakenIsNamed) {
  Start();
  const auto second = HttpEndpoint::Start(address_, {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address_));
}

TEST_F(HttpEndpointTest, MetricsAreInPrometheusTextFormat) {
  ServerMetrics metrics;
  metrics.AddDownloadedBytes(7);
  HttpRequest request;
  const HttpResponse response = ServeMetrics(metrics)(request);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("\nacclimate_downloaded_bytes_total 7\n"));
  EXPECT_THAT(response.body, HasSubstr("# TYPE process_threads gauge"));
}

}  // namespace
}  // namespace acclimate::metrics
