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
}

TEST_F(HttpEndpointTest, WhatIsNoRequestIsAnswered400) {
  Start();
  for (const char* bytes :
       {"\r\n\r\n", "GET\r\n\r\n", "GET /echo\r\n\r\n", "GET /echo HTTP/2.0\r\n\r\n",
        "GET echo HTTP/1.1\r\n\r\n", "GET http://x/echo HTTP/1.1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nno header\r\n\r\n", "\x16\x03\x01 hello\r\n\r\n"}) {
    const HttpConnection connection(address_);
    connection.Send(bytes);
    EXPECT_THAT(connection.Read(), testing::StartsWith("HTTP/1.1 400 ")) << bytes;
  }
  const HttpConnection connection(address_);
  connection.Send("GET /echo HTTP/1.1\r\nA: " + std::string(1 << 20, 'x') + "\r\n\r\n");
  EXPECT_THAT(connection.Read(), testing::StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpEndpointTest, ARequestMayComeByteByByte) {
  Start();
  const HttpConnection connection(address_);
  for (char c : std::string("GET /echo?a=7 HTTP/1.0\r\nHost: h\r\n\r\n")) {
    connection.Send(std::string(1, c));
  }
  EXPECT_THAT(connection.Read(), HasSubstr("\r\n\r\n7||"));
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

// Many more of them than threads, and for ever.
TEST_F(HttpEndpointTest, ConnectionsThatSayNothingKeepNobodyWaiting) {
  HttpEndpointOptions options;
  options.threads = 1;
  options.patience = absl::Hours(1);
  Start(options);
  std::vector<HttpConnection> silent;
  silent.reserve(100);
  for (int i = 0; i < 100; ++i) {
    silent.emplace_back(address_);
    if (i % 2 == 0) silent.back().Send("GET /echo HT");
  }
  EXPECT_EQ(HttpGet(address_, "/echo").status, 200);
  for (const HttpConnection& connection : silent) EXPECT_FALSE(connection.ClosedByServer());
}

// The kernel's buffers take a part of the answer; the rest waits without a thread.
TEST_F(HttpEndpointTest, ConnectionsThatReadNothingKeepNobodyWaiting) {
  HttpEndpointOptions options;
  options.threads = 1;
  options.patience = absl::Hours(1);
  Start(options);
  std::vector<HttpConnection> deaf;
  deaf.reserve(8);
  for (int i = 0; i < 8; ++i) {
    deaf.emplace_back(address_);
    deaf.back().Send("GET /large HTTP/1.1\r\n\r\n");
  }
  EXPECT_EQ(HttpGet(address_, "/echo").status, 200);
  // And it is all there for one that reads at last.
  EXPECT_GT(deaf.back().Read().size(), size_t{3} << 20);
}

TEST_F(HttpEndpointTest, AConnectionThatSaysNothingIsClosed) {
  HttpEndpointOptions options;
  options.patience = absl::Milliseconds(50);
  Start(options);
  std::vector<HttpConnection> silent;
  silent.reserve(6);
  for (int i = 0; i < 6; ++i) silent.emplace_back(address_);
  silent.back().Send("GET /echo");
  for (const HttpConnection& connection : silent) EXPECT_EQ(connection.Read(), "");
}

TEST_F(HttpEndpointTest, TheOldestSilentConnectionMakesRoom) {
  HttpEndpointOptions options;
  options.patience = absl::Hours(1);
  options.max_connections = 4;
  Start(options);
  std::vector<HttpConnection> silent;
  silent.reserve(10);
  for (int i = 0; i < 10; ++i) silent.emplace_back(address_);
  EXPECT_EQ(HttpGet(address_, "/echo").status, 200);
  EXPECT_EQ(silent.front().Read(), "") << "is closed";
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
