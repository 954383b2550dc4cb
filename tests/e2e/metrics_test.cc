// What Prometheus gets from a real server that has run a job.
#include <cmath>
#include <filesystem>
#include <map>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kPromtool[] = "/usr/bin/promtool";

// The text format of Prometheus, as far as we write it.
struct Scrape {
  std::string text;
  std::map<std::string, std::string> types;  // by family
  struct Sample {
    std::string name, labels;  // "{method=\"shot\"}"
    double value = 0;
  };
  std::vector<Sample> samples;

  // The sum over the samples that have all these labels; NaN when there is none.
  double Value(const std::string& name, const std::vector<std::string>& labels = {}) const {
    double sum = std::nan("");
    for (const Sample& sample : samples) {
      if (sample.name != name) continue;
      bool matches = true;
      for (const std::string& label : labels) matches &= absl::StrContains(sample.labels, label);
      if (matches) sum = std::isnan(sum) ? sample.value : sum + sample.value;
    }
    return sum;
  }
};

Scrape ParseScrape(const std::string& text) {
  Scrape scrape{text, {}, {}};
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() == 4 && words[1] == "TYPE") scrape.types[words[2]] = words[3];
    if (line[0] == '#') continue;
    const size_t space = line.rfind(' '), brace = std::min(line.find('{'), space);
    Scrape::Sample sample{std::string(line.substr(0, brace)),
                          std::string(line.substr(brace, space - brace))};
    EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1), &sample.value)) << line;
    scrape.samples.push_back(sample);
  }
  return scrape;
}

class MetricsTest : public testing::Test {
 protected:
  Scrape Read() {
    const HttpAnswer answer = HttpGet(server_.metrics_address(), "/metrics");
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.head, HasSubstr("text/plain; version=0.0.4"));
    return ParseScrape(answer.body);
  }

  // One job from upload to download, then what is measured once its worker has ended too.
  Scrape AfterOneJob() {
    data_ = ImageDataset({.count = 200}, true);
    const auto created = api_.Create(TrainingSpec(api_.Upload(data_), /*epochs=*/2));
    EXPECT_TRUE(created.ok()) << created.status();
    if (!created.ok()) return {};
    job_ = api_.WaitForEnd(created->name());
    EXPECT_EQ(job_.state(), v1::JOB_STATE_SUCCEEDED) << job_.DebugString();
    report_ = api_.DownloadFile(job_, "report.json");
    EXPECT_EQ(api_.Get("tenants/default/jobs/none").status().code(), absl::StatusCode::kNotFound);
    Scrape scrape;
    WaitUntil([&] {
      scrape = Read();
      return scrape.Value("acclimate_worker_exits_total") > 0;
    });
    return scrape;
  }

  ServerProcess server_;
  ApiClient api_{server_};
  std::string data_, report_;
  v1::Job job_;
};

TEST_F(MetricsTest, OneJobIsSeenInEveryFamily) {
  const Scrape scrape = AfterOneJob();
  const std::map<std::string, std::string> kTypes = {
      {"acclimate_jobs", "gauge"},
      {"acclimate_queue_depth", "gauge"},
      {"acclimate_queue_oldest_age_seconds", "gauge"},
      {"acclimate_job_queue_wait_seconds", "histogram"},
      {"acclimate_job_run_seconds", "histogram"},
      {"acclimate_worker_phase_seconds", "histogram"},
      {"acclimate_training_steps_total", "counter"},
      {"acclimate_training_samples_total", "counter"},
      {"acclimate_training_step_seconds", "histogram"},
      {"acclimate_worker_starts_total", "counter"},
      {"acclimate_worker_exits_total", "counter"},
      {"acclimate_uploaded_bytes_total", "counter"},
      {"acclimate_downloaded_bytes_total", "counter"},
      {"acclimate_grpc_calls_total", "counter"},
      {"acclimate_grpc_call_seconds", "histogram"},
      {"acclimate_store_commit_seconds", "histogram"},
      {"acclimate_store_changes_total", "counter"},
      {"acclimate_store_fsync_seconds", "histogram"},
      {"acclimate_build_info", "gauge"},
      {"process_cpu_seconds_total", "counter"},
      {"process_resident_memory_bytes", "gauge"},
      {"process_virtual_memory_bytes", "gauge"},
      {"process_threads", "gauge"},
      {"process_open_fds", "gauge"},
      {"process_max_fds", "gauge"},
      {"process_start_time_seconds", "gauge"},
  };
  for (const auto& [family, type] : kTypes) {
    ASSERT_EQ(scrape.types.count(family), 1u) << family << " is missing";
    EXPECT_EQ(scrape.types.at(family), type) << family;
    EXPECT_FALSE(std::isnan(scrape.Value(type == "histogram" ? family + "_count" : family)))
        << family << " has no sample";
  }
}

TEST_F(MetricsTest, TheNumbersAreThoseOfTheJob) {
  const Scrape scrape = AfterOneJob();
  const std::string method = "method=\"finetune\"", succeeded = "state=\"SUCCEEDED\"";
  EXPECT_EQ(scrape.Value("acclimate_jobs", {method, succeeded}), 1);
  EXPECT_EQ(scrape.Value("acclimate_queue_depth"), 0);
  EXPECT_EQ(scrape.Value("acclimate_job_queue_wait_seconds_count", {method}), 1);
  EXPECT_EQ(scrape.Value("acclimate_job_run_seconds_count", {method, succeeded}), 1);
  EXPECT_EQ(scrape.Value("acclimate_worker_phase_seconds_count", {"phase=\"training\""}), 1);
  // Two epochs of ten steps over 200 images.
  EXPECT_EQ(scrape.Value("acclimate_training_steps_total", {method}), 20);
  EXPECT_EQ(scrape.Value("acclimate_training_step_seconds_count", {method}), 20);
  EXPECT_EQ(scrape.Value("acclimate_training_samples_total", {method}), 400);
  EXPECT_GE(scrape.Value("acclimate_worker_starts_total"), 1);
  EXPECT_EQ(scrape.Value("acclimate_worker_exits_total", {"cause=\"finished\""}), 1);
  EXPECT_EQ(scrape.Value("acclimate_uploaded_bytes_total"), data_.size());
  EXPECT_EQ(scrape.Value("acclimate_downloaded_bytes_total"), report_.size());
  const std::string create = "method=\"acclimate.v1.JobService/CreateJob\"";
  EXPECT_EQ(scrape.Value("acclimate_grpc_calls_total", {create, "code=\"OK\""}), 1);
  EXPECT_EQ(scrape.Value("acclimate_grpc_call_seconds_count", {create}), 1);
  EXPECT_EQ(scrape.Value("acclimate_grpc_calls_total", {"JobService/GetJob", "code=\"NOT_FOUND\""}),
            1);
  // Created, leased, started, finished: at the least.
  EXPECT_GE(scrape.Value("acclimate_store_commit_seconds_count"), 4);
  EXPECT_GT(scrape.Value("acclimate_store_fsync_seconds_count"), 0);
  EXPECT_EQ(scrape.Value("acclimate_build_info"), 1);
  EXPECT_GT(scrape.Value("process_resident_memory_bytes"), 0);
}

// Each id would be a time series of its own, for ever.
TEST_F(MetricsTest, NoLabelHoldsAnId) {
  const Scrape scrape = AfterOneJob();
  ASSERT_FALSE(scrape.samples.empty());
  const std::regex id("[0-9a-f]{16}|tenants/");
  for (const Scrape::Sample& sample : scrape.samples) {
    EXPECT_FALSE(std::regex_search(sample.labels, id)) << sample.name << sample.labels;
  }
  EXPECT_FALSE(absl::StrContains(scrape.text, client::LastSegment(job_.name())));
}

TEST_F(MetricsTest, PromtoolHasNothingToSay) {
  if (!std::filesystem::exists(kPromtool)) {
    GTEST_SKIP() << kPromtool << " is missing: it comes with Debian's package prometheus";
  }
  const TemporaryFolder folder;
  WriteFile(folder.File("metrics"), AfterOneJob().text);
  ChildProcess promtool(
      {"/bin/sh", "-c", absl::StrCat(kPromtool, " check metrics < ", folder.File("metrics"))},
      folder.File("promtool"));
  EXPECT_EQ(promtool.Wait(), 0);
  EXPECT_EQ(promtool.Stdout() + promtool.Stderr(), "");
}

}  // namespace
}  // namespace acclimate::e2e
