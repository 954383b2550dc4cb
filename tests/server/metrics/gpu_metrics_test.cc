#include "server/metrics/gpu_metrics.h"

#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::metrics {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class GpuMetricsTest : public testing::Test {
 protected:
  GpuMetricsTest() { setenv("FAKE_NVML", file_.c_str(), /*overwrite=*/1); }

  // What the driver says from now on: fake_nvml.cc has the words. All or nothing is read.
  void Say(const std::string& words) {
    std::ofstream(file_ + ".new") << words;
    ASSERT_EQ(std::rename((file_ + ".new").c_str(), file_.c_str()), 0);
  }

  // By name without "acclimate_gpu_", and number of the GPU: "up 0".
  static std::map<std::string, double> Values(const GpuMetrics& gpus) {
    std::map<std::string, double> values;
    for (const prometheus::MetricFamily& family : gpus.Collect()) {
      for (const prometheus::ClientMetric& metric : family.metric) {
        EXPECT_EQ(metric.label.size(), 2u);
        EXPECT_EQ(metric.label[0].name, "gpu");
        EXPECT_EQ(metric.label[1].name, "name");
        EXPECT_EQ(metric.label[1].value, "NVIDIA Fake 80GB");
        values[absl::StrCat(family.name.substr(std::string("acclimate_gpu_").size()), " ",
                            metric.label[0].value)] = metric.gauge.value;
      }
    }
    return values;
  }

  // Long enough for any answer that comes at all.
  static std::shared_ptr<GpuMetrics> Open() { return GpuMetrics::Open(FAKE_NVML, absl::Hours(1)); }

  TemporaryFolder folder_;
  const std::string file_ = folder_.path() + "/says";
};

TEST_F(GpuMetricsTest, AHealthyGpuShowsEveryValueInItsBaseUnit) {
  Say("ok");
  const auto gpus = Open();
  ASSERT_NE(gpus, nullptr);
  const std::map<std::string, double> expected = {{"up 0", 1},
                                                  {"utilization_ratio 0", 0.7},
                                                  {"memory_used_bytes 0", 2e10},
                                                  {"power_watts 0", 300.5},
                                                  {"memory_total_bytes 0", 8e10},
                                                  {"temperature_celsius 0", 65}};
  EXPECT_EQ(Values(*gpus), expected);
}

TEST_F(GpuMetricsTest, AValueThatAGpuDoesNotHaveIsLeftOut) {
  Say("mig");
  const std::map<std::string, double> values = Values(*Open());
  EXPECT_EQ(values.count("utilization_ratio 0"), 0u);
  EXPECT_EQ(values.at("up 0"), 1);
  EXPECT_EQ(values.at("temperature_celsius 0"), 65);
}

TEST_F(GpuMetricsTest, ALostGpuIsDownAndTheOthersAreNot) {
  Say("ok ok ok");
  const auto gpus = Open();
  EXPECT_EQ(Values(*gpus).size(), 18u);
  Say("lost ok lost_later");
  const std::map<std::string, double> values = Values(*gpus);
  EXPECT_EQ(values.size(), 8u);
  EXPECT_EQ(values.at("up 0"), 0);
  EXPECT_EQ(values.at("up 1"), 1);
  EXPECT_EQ(values.at("up 2"), 0);
  EXPECT_EQ(values.at("temperature_celsius 1"), 65);
  Say("ok ok ok");
  EXPECT_EQ(Values(*gpus).size(), 18u);
}

TEST_F(GpuMetricsTest, AGpuOfOthersIsNotThere) {
  Say("forbidden ok");
  const std::map<std::string, double> values = Values(*Open());
  EXPECT_EQ(values.count("up 0"), 0u);
  EXPECT_EQ(values.at("up 1"), 1);
}

TEST_F(GpuMetricsTest, ADriverThatStartsLaterIsSeen) {
  Say("no_driver");
  const auto gpus = Open();
  EXPECT_THAT(Values(*gpus), IsEmpty());
  Say("ok");
  EXPECT_EQ(Values(*gpus).at("up 0"), 1);
}

TEST_F(GpuMetricsTest, KnownGpusAreDownWhereNvmlFailsAsAWhole) {
  Say("ok ok");
  const auto gpus = Open();
  EXPECT_EQ(Values(*gpus).size(), 12u);
  Say("no_count");
  EXPECT_THAT(Values(*gpus), UnorderedElementsAre(std::pair<const std::string, double>("up 0", 0),
                                                  std::pair<const std::string, double>("up 1", 0)));
}

TEST_F(GpuMetricsTest, ADriverThatHangsHoldsUpOneScrapeAndItsGpusAreDown) {
  Say("ok");
  const absl::Duration patience = absl::Seconds(2);
  const auto gpus = GpuMetrics::Open(FAKE_NVML, patience);
  // Once the driver is known to answer in time here.
  while (Values(*gpus)["up 0"] != 1) continue;
  Say("hang");
  absl::Time before = absl::Now();
  EXPECT_THAT(Values(*gpus), UnorderedElementsAre(std::pair<const std::string, double>("up 0", 0)));
  EXPECT_GE(absl::Now() - before, patience);
  // A hundred later ones take less time than fifty that wait.
  before = absl::Now();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Values(*gpus).at("up 0"), 0);
  EXPECT_LT(absl::Now() - before, 50 * patience);
  Say("ok");
  while (Values(*gpus)["up 0"] != 1) continue;
}

TEST_F(GpuMetricsTest, ADriverThatHangsDoesNotHoldUpTheEnd) {
  Say("hang");
  auto gpus = GpuMetrics::Open(FAKE_NVML, absl::ZeroDuration());
  EXPECT_THAT(Values(*gpus), IsEmpty());
  gpus.reset();
  Say("ok");  // the thread ends before the test does
}

TEST_F(GpuMetricsTest, ManyScrapesAtOnce) {
  Say("ok ok");
  const auto gpus = Open();
  std::vector<std::thread> scrapes;
  for (int i = 0; i < 8; ++i) {
    scrapes.emplace_back([&] {
      for (int j = 0; j < 20; ++j) EXPECT_EQ(Values(*gpus).size(), 12u);
    });
  }
  for (std::thread& scrape : scrapes) scrape.join();
}

TEST_F(GpuMetricsTest, NoLibraryNoMetrics) {
  EXPECT_EQ(GpuMetrics::Open(folder_.path() + "/none.so"), nullptr);
  EXPECT_EQ(GpuMetrics::Open("libm.so.6"), nullptr);  // has none of the functions
}

}  // namespace
}  // namespace acclimate::metrics
