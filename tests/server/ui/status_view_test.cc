#include "server/ui/status_view.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/base/errors.h"
#include "server/ui/status_json.h"
#include "tests/server/ui/job_factory.h"

namespace acclimate::ui {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

jobs::AttemptOutcome Failure(const std::string& message) {
  jobs::AttemptOutcome outcome;
  outcome.error = ErrorWithReason(v1::BLOB_NOT_FOUND, message);
  outcome.cause = v1::ATTEMPT_CAUSE_CRASH;
  outcome.signal = 11;
  outcome.last_phase = "training";
  outcome.stderr_tail = "terminate called";
  return outcome;
}

jobs::AttemptOutcome Success() {
  jobs::AttemptOutcome outcome;
  outcome.kind = jobs::AttemptOutcome::Kind::kSucceeded;
  (*outcome.result.mutable_metrics())["accuracy"] = 0.75;
  outcome.result.add_files()->set_name("report.html");
  return outcome;
}

class StatusViewTest : public testing::Test {
 protected:
  StatusView Read(const jobs::Tenants& tenants = {}) {
    StatusView view;
    view.time = absl::Now();
    const absl::Status status = AddJobs(factory_.store(), tenants, view);
    EXPECT_TRUE(status.ok()) << status;
    return view;
  }
  json ReadJson(const jobs::Tenants& tenants = {}) { return json::parse(ToJson(Read(tenants))); }

  const TemporaryFolder folder_;
  JobFactory factory_{folder_};
};

std::vector<std::string> IdsIn(const json& list) {
  std::vector<std::string> ids;
  for (const json& job : list) ids.push_back(job["id"]);
  return ids;
}

TEST_F(StatusViewTest, AnEmptyServerHasEmptyLists) {
  const json state = ReadJson();
  for (const char* list : {"queued", "active", "failed", "ended", "nodes"}) {
    EXPECT_EQ(state[list], json::array()) << list;
  }
  EXPECT_EQ(state["counts"], json::object());
}

TEST_F(StatusViewTest, JobsStandWhereTheirStatePutsThem) {
  v1::JobSpec spec;
  spec.set_method("dann");
  spec.set_priority(7);
  spec.mutable_target()->set_display_name("photos.npz");
  (*spec.mutable_labels())["team"] = "vision";
  factory_.Queue("tenants/a/jobs/waits");
  factory_.Queue("tenants/a/jobs/first", spec);
  factory_.Run("tenants/a/jobs/runs", spec);
  factory_.Progress("tenants/a/jobs/runs", 400, 0.25);
  factory_.Run("tenants/a/jobs/stops");
  factory_.Change("tenants/a/jobs/stops", [](jobs::JobChange& change) {
    return jobs::ChangeState(change, v1::JOB_STATE_CANCELLING, "asked for", absl::Now());
  });
  factory_.Run("tenants/a/jobs/fails");
  factory_.End("tenants/a/jobs/fails", Failure("the <input> is bad"));
  factory_.Run("tenants/a/jobs/works");
  factory_.End("tenants/a/jobs/works", Success());

  const json state = ReadJson();
  EXPECT_THAT(IdsIn(state["queued"]), ElementsAre("first", "waits"));
  EXPECT_THAT(IdsIn(state["active"]), ElementsAre("runs", "stops"));
  EXPECT_THAT(IdsIn(state["failed"]), ElementsAre("fails"));
  EXPECT_THAT(IdsIn(state["ended"]), ElementsAre("works"));
  EXPECT_EQ(
      state["counts"],
      json({{"QUEUED", 2}, {"RUNNING", 1}, {"CANCELLING", 1}, {"FAILED", 1}, {"SUCCEEDED", 1}}));

  const json& runs = state["active"][0];
  EXPECT_EQ(runs["name"], "tenants/a/jobs/runs");
  EXPECT_EQ(runs["tenant"], "a");
  EXPECT_EQ(runs["method"], "dann");
  EXPECT_EQ(runs["target"], "photos.npz");
  EXPECT_EQ(runs["labels"], json({{"team", "vision"}}));
  EXPECT_EQ(runs["priority"], 7);
  EXPECT_EQ(runs["node"], "node-1");
  EXPECT_EQ(runs["progress"]["step"], 400);
  EXPECT_EQ(runs["progress"]["metrics"]["loss"], 0.25);
  EXPECT_EQ(runs["remaining_seconds"], 300.0);  // 600 steps of half a second
  EXPECT_TRUE(runs["ended"].is_null());
  EXPECT_TRUE(runs["failure"].is_null());

  const json& failure = state["failed"][0]["failure"];
  EXPECT_EQ(failure["code"], "NOT_FOUND");
  EXPECT_EQ(failure["reason"], "BLOB_NOT_FOUND");
  EXPECT_EQ(failure["message"], "the <input> is bad");
  EXPECT_EQ(failure["cause"], "CRASH");
  EXPECT_EQ(failure["signal"], 11);
  EXPECT_EQ(failure["last_phase"], "training");
  EXPECT_EQ(failure["stderr_tail"], "terminate called");

  EXPECT_EQ(state["ended"][0]["has_report"], true);
  EXPECT_EQ(state["ended"][0]["result_metrics"]["accuracy"], 0.75);
}

TEST_F(StatusViewTest, OnlyTheTenantsThatWereAskedFor) {
  factory_.Queue("tenants/a/jobs/1");
  factory_.Run("tenants/b/jobs/2");
  factory_.Run("tenants/b/jobs/3");
  factory_.End("tenants/b/jobs/3", Failure("bad"));
  EXPECT_THAT(ToJson(Read({{"a", "c"}})), Not(HasSubstr("tenants/b")));
  EXPECT_EQ(ReadJson({{"a"}})["counts"], json({{"QUEUED", 1}}));
  EXPECT_THAT(Read({{"b"}}).queued, IsEmpty());
  EXPECT_EQ(Read({{"b"}}).active.size(), 1u);
  EXPECT_EQ(Read(std::set<std::string>()).counts.size(), 0u);
}

TEST_F(StatusViewTest, ShowsTheFirstOfManyAndCountsAll) {
  for (int i = 0; i < kMaxQueuedShown + 5; ++i) factory_.Queue(absl::StrCat("tenants/a/jobs/", i));
  const StatusView view = Read();
  EXPECT_EQ(view.queued.size(), static_cast<size_t>(kMaxQueuedShown));
  EXPECT_EQ(view.queued.front().id, "0");
  EXPECT_EQ(view.counts.at(v1::JOB_STATE_QUEUED), kMaxQueuedShown + 5);
}

TEST_F(StatusViewTest, TellsWhichJobWaitsLongestAlsoWhereItIsNotShown) {
  v1::JobSpec urgent;
  urgent.set_priority(1);
  const v1::Job first = factory_.Queue("tenants/a/jobs/first");
  for (int i = 0; i < kMaxQueuedShown; ++i) {
    factory_.Queue(absl::StrCat("tenants/a/jobs/", i), urgent);
  }
  EXPECT_EQ(Read().oldest_queued, FromProtoTimestamp(first.update_time()));
  EXPECT_EQ(Read({{"b"}}).oldest_queued, std::nullopt);
}

TEST_F(StatusViewTest, TheLastToEndComeFirstWhateverTheirAge) {
  const absl::Time now = absl::Now();
  for (int i = 0; i < kMaxEndedShown + 5; ++i) {
    const std::string name = absl::StrCat("tenants/a/jobs/", i);
    factory_.Run(name);
    factory_.End(name, Failure("bad"), now - absl::Minutes(i));
  }
  const StatusView view = Read();
  ASSERT_EQ(view.failed.size(), static_cast<size_t>(kMaxEndedShown));
  EXPECT_EQ(view.failed.front().id, "0");
  EXPECT_EQ(view.failed.back().id, absl::StrCat(kMaxEndedShown - 1));
}

TEST_F(StatusViewTest, BytesThatAreNoTextDoNotBreakTheJson) {
  StatusView view;
  JobView job;
  job.failure = FailureView();
  job.failure->stderr_tail = "half a character: \xc3";
  view.failed.push_back(job);
  const json state = json::parse(ToJson(view));
  EXPECT_THAT(state["failed"][0]["failure"]["stderr_tail"].get<std::string>(),
              HasSubstr("half a character: \xef\xbf\xbd"));
}

}  // namespace
}  // namespace acclimate::ui
