// Who sees what of the status page. What it looks like in a browser: tests/e2e/status_page_test.cc.
#include "server/ui/status_page.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/sha256.h"
#include "server/artifacts/tenant_stores.h"
#include "server/base/resource_names.h"
#include "server/metrics/exposition.h"
#include "tests/server/artifacts/stored_blob.h"
#include "tests/server/ui/job_factory.h"

namespace acclimate::ui {
namespace {

using metrics::HttpRequest;
using metrics::HttpResponse;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kReportText[] = "<!DOCTYPE html><script>report()</script>";
// Every path that tells something, of a job of the tenant "a".
constexpr const char* kPaths[] = {"/ui/state.json", "/ui/curve.json", "/ui/report"};

std::string Line(const std::string& token, const std::string& roles) {
  return absl::StrCat(token, " token-sha256:", artifacts::Sha256Of(token), " ", roles, "\n");
}

class StatusPageTest : public testing::Test {
 protected:
  void Start(bool authentication, bool local = true) {
    auth::AuthenticatorOptions options;
    if (authentication) {
      options.access_file =
          folder_.Write("access", absl::StrCat(Line("of-a", "default:viewer"),
                                               Line("of-b", "b:admin"), Line("of-all", "*:viewer"),
                                               Line("of-both", "default:viewer,b:operator")));
    }
    authenticator_ = *auth::Authenticator::Create(options);
    if (authentication) audit_ = *auth::AuditLog::Open(folder_.File("audit.jsonl"));
    stores_ = *artifacts::TenantStores::Open(folder_.path(), &factory_.metrics(), {});
    page_ = std::make_unique<StatusPage>(StatusSources{factory_.store(), *stores_, *authenticator_,
                                                       audit_.get(), factory_.metrics(),
                                                       folder_.path(), &Nodes, local});
    handlers_ = page_->Handlers();
    factory_.Queue("tenants/b/jobs/of-b");
    AddJobWithReport();
  }
  static std::vector<node::NodeInfo> Nodes() {
    node::NodeInfo node;
    node.name = "node-1";
    node.slots = 2;
    return {node};
  }
  void AddJobWithReport() {
    const std::string job = "tenants/default/jobs/of-a";
    factory_.Run(job);
    factory_.Progress(job, 1, 0.5);
    artifacts::BlobStore& blobs = **stores_->BlobsOf("default");
    const auto info = artifacts::StoreBlob(blobs, kReportText);
    ASSERT_TRUE(info.ok()) << info.status();
    report_sha256_ = info->sha256;
    jobs::AttemptOutcome outcome;
    outcome.kind = jobs::AttemptOutcome::Kind::kSucceeded;
    v1::OutputFile& file = *outcome.result.add_files();
    file.set_name("report.html");
    file.set_blob(BlobName("default", info->sha256));
    factory_.End(job, outcome);
  }

  HttpResponse Get(const std::string& path, const std::string& token = "",
                   const std::string& query = "job=tenants/default/jobs/of-a",
                   const std::string& host = "localhost:9464") {
    HttpRequest request;
    request.path = path;
    request.query = query;
    request.host = host;
    request.peer = "ipv4:127.0.0.1:1";
    if (!token.empty()) request.authorization = "Bearer " + token;
    return handlers_.at(path)(request);
  }
  std::vector<std::string> JobsSeenBy(const std::string& token) {
    const json state = json::parse(Get("/ui/state.json", token).body);
    std::vector<std::string> ids;
    for (const char* list : {"queued", "active", "failed", "ended"}) {
      for (const json& job : state[list]) ids.push_back(job["id"]);
    }
    return ids;
  }

  const TemporaryFolder folder_;
  JobFactory factory_{folder_};
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::unique_ptr<auth::AuditLog> audit_;
  std::unique_ptr<artifacts::TenantStores> stores_;
  std::unique_ptr<StatusPage> page_;
  std::map<std::string, metrics::HttpHandler> handlers_;
  std::string report_sha256_;
};

TEST_F(StatusPageTest, WithoutAuthenticationTheTenantOfItsCallsIsShown) {
  Start(/*authentication=*/false);
  EXPECT_THAT(JobsSeenBy(""), ElementsAre("of-a"));
  EXPECT_EQ(Get("/ui/curve.json", "", "job=tenants/b/jobs/of-b").status, 403);
  const json state = json::parse(Get("/ui/state.json").body);
  EXPECT_EQ(state["subject"], "");
  EXPECT_EQ(state["nodes"][0]["name"], "node-1");
  EXPECT_GT(state["server"]["disk_free_bytes"], 0);
  EXPECT_EQ(json::parse(Get("/ui/curve.json").body)["series"]["loss"].dump(), "[[1,0.5]]");
  EXPECT_EQ(Get("/ui/report").body, kReportText);
}

TEST_F(StatusPageTest, ThePageIsForEverybodyAndHoldsNoData) {
  Start(/*authentication=*/true);
  const HttpResponse page = Get("/ui");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("name=\"authentication\" content=\"bearer\""));
  EXPECT_THAT(page.body, Not(HasSubstr("of-a")));
  EXPECT_LT(page.body.size(), size_t{200} << 10);
  EXPECT_THAT(page.content_security_policy, HasSubstr("script-src 'sha256-"));
  EXPECT_THAT(page.content_security_policy, Not(HasSubstr("unsafe")));
  EXPECT_EQ(Get("/ui/").status, 308);
}

TEST_F(StatusPageTest, NothingIsToldWithoutAToken) {
  Start(/*authentication=*/true);
  for (const char* path : kPaths) {
    for (const char* query :
         {"job=tenants/default/jobs/of-a", "job=tenants/default/jobs/none", "job=?", ""}) {
      const HttpResponse none = Get(path, "", query), wrong = Get(path, "wrong-token", query);
      EXPECT_EQ(none.status, 401) << path << query;
      EXPECT_EQ(none.body, Get("/ui/state.json").body) << path << query;
      EXPECT_EQ(wrong.status, 401) << path << query;
      EXPECT_THAT(wrong.body, Not(HasSubstr("wrong-token")));
      ASSERT_EQ(none.more_headers.size(), 1u);
      EXPECT_EQ(none.more_headers[0].first, "WWW-Authenticate");
    }
  }
}

TEST_F(StatusPageTest, EachSeesTheTenantsOfItsRoles) {
  Start(/*authentication=*/true);
  EXPECT_THAT(JobsSeenBy("of-a"), ElementsAre("of-a"));
  EXPECT_THAT(JobsSeenBy("of-b"), ElementsAre("of-b"));
  EXPECT_THAT(JobsSeenBy("of-both"), ElementsAre("of-b", "of-a"));
  EXPECT_THAT(JobsSeenBy("of-all"), ElementsAre("of-b", "of-a"));
  EXPECT_EQ(json::parse(Get("/ui/state.json", "of-a").body)["subject"], "of-a");
  EXPECT_THAT(Get("/ui/state.json", "of-a").body, Not(HasSubstr("tenants/b")));
}

TEST_F(StatusPageTest, AJobOfAnotherTenantIsRefusedWhetherItIsThereOrNot) {
  Start(/*authentication=*/true);
  for (const char* path : {"/ui/curve.json", "/ui/report"}) {
    const HttpResponse there = Get(path, "of-b", "job=tenants/default/jobs/of-a");
    const HttpResponse not_there = Get(path, "of-b", "job=tenants/default/jobs/none");
    EXPECT_EQ(there.status, 403) << path;
    EXPECT_EQ(not_there.status, 403) << path;
    EXPECT_EQ(there.body, not_there.body) << path;
    EXPECT_EQ(Get(path, "of-b", "job=tenants/b/jobs/none").status, 404) << path;
    for (const char* token : {"of-a", "of-all", "of-both"}) {
      EXPECT_EQ(Get(path, token).status, 200) << path << token;
    }
  }
  EXPECT_EQ(Get("/ui/report", "of-b", "job=tenants/b/jobs/of-b").status, 404);
}

TEST_F(StatusPageTest, WhatIsRefusedIsNotedAndCounted) {
  Start(/*authentication=*/true);
  Get("/ui/state.json");
  Get("/ui/report", "secret-of-nobody");
  Get("/ui/report", "of-b");
  Get("/ui/state.json", "of-b");
  EXPECT_EQ(audit_->chain().entries, 3);
  const std::string audit = folder_.Read("audit.jsonl");
  EXPECT_THAT(audit, HasSubstr("\"call\":\"GET /ui/report\""));
  EXPECT_THAT(audit, HasSubstr("\"subject\":\"of-b\""));
  EXPECT_THAT(audit, HasSubstr("PERMISSION_DENIED"));
  EXPECT_THAT(audit, Not(HasSubstr("secret-of-nobody")));
  const std::string counted = metrics::ServeMetrics(factory_.metrics())({}).body;
  EXPECT_THAT(counted, HasSubstr("failures_total{reason=\"CREDENTIALS_MISSING\"} 1"));
  EXPECT_THAT(counted, HasSubstr("failures_total{reason=\"TOKEN_UNKNOWN\"} 1"));
}

// A page of somebody else whose name was made to point at this machine (DNS rebinding).
TEST_F(StatusPageTest, ALocalPageAnswersNoForeignName) {
  Start(/*authentication=*/false);
  const std::string job = "job=tenants/default/jobs/of-a";
  for (const char* host : {"example.org:9464", "127.example.org", "10.0.0.7:9464", ""}) {
    for (const char* path : kPaths) EXPECT_EQ(Get(path, "", job, host).status, 403) << host << path;
  }
  for (const char* host : {"localhost", "127.0.0.1:9464", "[::1]:9464"}) {
    EXPECT_EQ(Get("/ui/state.json", "", job, host).status, 200) << host;
  }
}

TEST_F(StatusPageTest, AnInsecurePageAnswersEveryName) {
  Start(/*authentication=*/false, /*local=*/false);
  EXPECT_EQ(Get("/ui/state.json", "", "", "example.org").status, 200);
}

TEST_F(StatusPageTest, WrongParametersAreNamed) {
  Start(/*authentication=*/false);
  EXPECT_EQ(Get("/ui/curve.json", "", "").status, 400);
  EXPECT_EQ(Get("/ui/curve.json", "", "job=jobs/1").status, 400);
  EXPECT_EQ(Get("/ui/report", "", "job=tenants/default/jobs/../../../etc/passwd").status, 400);
  for (const char* after : {"-1", "x", "99999999999999999999"}) {
    const HttpResponse answer =
        Get("/ui/curve.json", "", absl::StrCat("job=tenants/default/jobs/of-a&after=", after));
    EXPECT_EQ(answer.status, 400) << after;
    EXPECT_THAT(answer.body, HasSubstr("after")) << after;
  }
}

TEST_F(StatusPageTest, AReportRunsApartFromThePage) {
  Start(/*authentication=*/false);
  const HttpResponse report = Get("/ui/report");
  EXPECT_EQ(report.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(report.content_security_policy, HasSubstr("sandbox allow-scripts;"));
  EXPECT_THAT(report.content_security_policy, Not(HasSubstr("allow-same-origin")));
  EXPECT_THAT(report.content_security_policy, HasSubstr("default-src 'none'"));
}

TEST_F(StatusPageTest, ADamagedReportIsNotShown) {
  Start(/*authentication=*/false);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    if (!absl::EndsWith(entry.path().string(), report_sha256_)) continue;
    std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
    std::fstream(entry.path(), std::ios::in | std::ios::out).put('?');
  }
  EXPECT_EQ(Get("/ui/report").status, 500);
  EXPECT_THAT(metrics::ServeMetrics(factory_.metrics())({}).body,
              HasSubstr("acclimate_blob_corruptions_total 1"));
}

}  // namespace
}  // namespace acclimate::ui
