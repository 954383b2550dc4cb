// Traces: from a caller's traceparent to the phases of its job, at a collector; and the log that
// names the same trace.
#include <sstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/e2e/trace_collector.h"

namespace acclimate::e2e {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr char kCreate[] = "acclimate.v1.JobService/CreateJob";

std::vector<Json> LogLines(const ServerProcess& server) {
  std::vector<Json> lines;
  std::istringstream log(server.log());
  for (std::string line; std::getline(log, line);) lines.push_back(Json::parse(line));
  return lines;
}

// What `acclimate` prints: its result, or its error.
std::string Cli(const std::vector<std::string>& words, const std::string& traceparent,
                int expected) {
  const TemporaryFolder folder;
  std::vector<std::string> command = {"/usr/bin/env", "TRACEPARENT=" + traceparent, ACCLIMATE_CLI};
  command.insert(command.end(), words.begin(), words.end());
  ChildProcess cli(command, folder.File("cli"));
  EXPECT_EQ(cli.Wait(), expected) << cli.Stderr();
  return expected == 0 ? cli.Stdout() : cli.Stderr();
}

class TracesTest : public testing::Test {
 protected:
  // A job of one epoch, created by the command line within the trace; its name.
  v1::Job RunJob(const TraceContext& trace) {
    ApiClient api(server_);
    const TemporaryFolder folder;
    const std::string data = folder.File("source.safetensors");
    WriteFile(data, ImageDataset({}, true));
    const std::string printed =
        Cli({"train", "--server", server_.address(), "--data", data, "--architecture", "mlp",
             "--set", "epochs=1", "--detach", "--json"},
            ToTraceparent(trace), 0);
    return api.WaitForEnd(Json::parse(printed).at("job"));
  }

  const TraceContext trace_ = NewTrace(/*sampled=*/true);
  TraceCollector collector_;
  ServerProcess server_{/*slots=*/1, {"--otlp-endpoint=" + collector_.url()}};
};

TEST_F(TracesTest, AJobIsOneTraceFromTheCallToItsPhases) {
  const v1::Job job = RunJob(trace_);
  ASSERT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.DebugString();
  const auto whole = collector_.Await(trace_.trace_id, "job");
  const auto create = collector_.Await(trace_.trace_id, kCreate);
  const auto queue = collector_.Await(trace_.trace_id, "queue");
  const auto attempt = collector_.Await(trace_.trace_id, "attempt");
  const auto training = collector_.Await(trace_.trace_id, "training");
  ASSERT_TRUE(whole && create && queue && attempt && training);
  EXPECT_EQ(create->parent_span_id, trace_.span_id);
  EXPECT_EQ(whole->parent_span_id, create->span_id);
  EXPECT_EQ(queue->parent_span_id, whole->span_id);
  EXPECT_EQ(attempt->parent_span_id, whole->span_id);
  EXPECT_EQ(training->parent_span_id, attempt->span_id);
  EXPECT_EQ(whole->attributes["acclimate.job"], job.name());
  EXPECT_EQ(whole->attributes["acclimate.state"], "SUCCEEDED");
  EXPECT_EQ(whole->attributes["acclimate.tenant"], "default");
  EXPECT_EQ(create->attributes["rpc.method"], "CreateJob");
  EXPECT_FALSE(whole->failed);
  // Each within its parent, the wait before the attempt.
  EXPECT_LE(whole->start, queue->start);
  EXPECT_LE(queue->end, attempt->start);
  EXPECT_LE(attempt->start, training->start);
  EXPECT_LT(training->start, training->end);
  EXPECT_LE(training->end, attempt->end);
  EXPECT_LE(attempt->end, whole->end);
}

TEST_F(TracesTest, TheLogNamesTheTraceTheJobAndTheTenant) {
  const v1::Job job = RunJob(trace_);
  for (const char* message : {"job queued", "attempt begins", "attempt ended"}) {
    bool found = false;
    for (const Json& line : LogLines(server_)) {
      if (line.at("message") != message) continue;
      found = true;
      EXPECT_EQ(line.value("trace", ""), trace_.trace_id) << line;
      EXPECT_EQ(line.value("job", ""), job.name()) << line;
      EXPECT_EQ(line.value("tenant", ""), "default") << line;
    }
    EXPECT_TRUE(found) << message;
  }
}

TEST_F(TracesTest, AnUnsampledTraceSendsNothingAndStillNamesTheLog) {
  const TraceContext unsampled = NewTrace(/*sampled=*/false);
  RunJob(unsampled);
  RunJob(trace_);  // once its spans have come, the others would have
  ASSERT_TRUE(collector_.Await(trace_.trace_id, "job").has_value());
  for (const ReceivedSpan& span : collector_.Spans()) {
    EXPECT_NE(span.trace_id, unsampled.trace_id) << span.name;
  }
  EXPECT_THAT(server_.log(), HasSubstr(unsampled.trace_id));
}

TEST_F(TracesTest, ACallerLearnsTheTraceOfItsCall) {
  const auto connection = server_.Connect();
  grpc::ClientContext context;
  v1::ServerInfo info;
  ASSERT_TRUE(connection->admin().GetServerInfo(&context, {}, &info).ok());
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find(kTraceparent);
  ASSERT_NE(found, metadata.end());
  const auto trace = ParseTraceparent({found->second.data(), found->second.size()});
  ASSERT_TRUE(trace.has_value());
  const auto span = collector_.Await(trace->trace_id, "acclimate.v1.AdminService/GetServerInfo");
  ASSERT_TRUE(span.has_value());
  EXPECT_EQ(span->span_id, trace->span_id);
  EXPECT_EQ(span->parent_span_id, "");
}

TEST_F(TracesTest, AJobCancelledInTheQueueHasItsWait) {
  ApiClient api(server_);
  const std::string data = api.Upload(ImageDataset({}, true));
  const std::string running = api.Create(EndlessSpec(data))->name();
  api.WaitForStep(running);
  const v1::Job queued = *api.Create(TrainingSpec(data, 1));
  ASSERT_TRUE(api.Cancel(queued.name()).ok());
  const auto trace = ParseTraceparent(queued.traceparent());
  ASSERT_TRUE(trace.has_value());
  const auto whole = collector_.Await(trace->trace_id, "job");
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->attributes["acclimate.state"], "CANCELLED");
  const auto queue = collector_.Await(trace->trace_id, "queue");
  ASSERT_TRUE(queue.has_value());
  EXPECT_EQ(queue->parent_span_id, whole->span_id);
  ASSERT_TRUE(api.Cancel(running).ok());
}

TEST_F(TracesTest, ACollectorThatIsAwayStopsNothingAndGetsTheSpansLater) {
  collector_.SetAvailable(false);
  const v1::Job job = RunJob(trace_);
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(
      WaitUntil([&] { return server_.log().find("spans are not exported") != std::string::npos; }));
  collector_.SetAvailable(true);
  EXPECT_TRUE(collector_.Await(trace_.trace_id, "job").has_value());
  collector_.SetAvailable(false);
  EXPECT_EQ(server_.Stop(), 0);
}

TEST(TracesFlagsTest, HeadersComeFromAFileAndReachTheCollectorOnly) {
  const TemporaryFolder folder;
  WriteFile(folder.File("headers"), "x-key: a-secret\n");
  TraceCollector collector;
  ServerProcess server(/*slots=*/0, {"--otlp-endpoint=" + collector.url(), "--log-level=debug",
                                     "--otlp-headers-file=" + folder.File("headers")});
  ApiClient(server).Facts();
  EXPECT_TRUE(WaitUntil([&] { return !collector.Spans().empty(); }));
  EXPECT_THAT(collector.Header("x-key"), Contains("a-secret"));
  EXPECT_EQ(server.log().find("a-secret"), std::string::npos);
}

TEST(LogLevelTest, ChangesWhileTheServerRuns) {
  ServerProcess server(/*slots=*/0);
  ApiClient api(server);
  const auto failed_calls = [&] {
    int count = 0;
    for (const Json& line : LogLines(server)) count += line.at("message") == "call failed";
    return count;
  };
  EXPECT_FALSE(api.Get("tenants/default/jobs/none").ok());
  EXPECT_EQ(failed_calls(), 0);
  EXPECT_THAT(Cli({"server", "log-level", "debug", "--server", server.address()}, "", 0),
              HasSubstr("info -> debug"));
  EXPECT_FALSE(api.Get("tenants/default/jobs/none").ok());
  EXPECT_EQ(failed_calls(), 1);
  EXPECT_THAT(Cli({"server", "info", "--server", server.address()}, "", 0),
              HasSubstr("log level      debug"));
  EXPECT_THAT(Cli({"server", "log-level", "loud", "--server", server.address()}, "", 2),
              HasSubstr("loud"));
}

}  // namespace
}  // namespace acclimate::e2e
