#include "server/metrics/gpu_metrics.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/base/log.h"
#include "server/metrics/metric_list.h"
#include "server/metrics/nvml.h"

namespace acclimate::metrics {
namespace {

constexpr absl::Duration kPatienceAtTheEnd = absl::Seconds(1);

std::vector<GpuReading> WithoutAnswer(std::vector<GpuReading> readings, const std::string& error) {
  for (GpuReading& reading : readings) {
    GpuReading silent;
    silent.index = reading.index;
    silent.name = std::move(reading.name);
    silent.error = error;
    reading = std::move(silent);
  }
  return readings;
}

void LogChanges(const std::vector<GpuReading>& before, const std::vector<GpuReading>& now) {
  for (const GpuReading& reading : now) {
    std::string last_error;
    for (const GpuReading& old : before) {
      if (old.index == reading.index) last_error = old.error;
    }
    if (reading.error == last_error) continue;
    if (reading.error.empty()) {
      LogInfo("a GPU answers again", {{"gpu", reading.index}});
    } else {
      LogWarning("a GPU does not answer", {{"gpu", reading.index}, {"error", reading.error}});
    }
  }
}

std::vector<prometheus::MetricFamily> Families(const std::vector<GpuReading>& readings) {
  std::vector<prometheus::MetricFamily> families;
  const auto add = [&](const char* name, const auto& value_of) {
    prometheus::MetricFamily family = EmptyFamily(name);
    for (const GpuReading& reading : readings) {
      const std::optional<double> value = value_of(reading);
      if (!value.has_value()) continue;
      prometheus::ClientMetric& metric = family.metric.emplace_back();
      metric.label = {{"gpu", absl::StrCat(reading.index)}, {"name", reading.name}};
      metric.gauge.value = *value;
    }
    if (!family.metric.empty()) families.push_back(std::move(family));
  };
  add("acclimate_gpu_up",
      [](const GpuReading& gpu) -> std::optional<double> { return gpu.error.empty() ? 1 : 0; });
  const auto add_if_up = [&](const char* name, std::optional<double> GpuReading::*value) {
    add(name,
        [value](const GpuReading& gpu) { return gpu.error.empty() ? gpu.*value : std::nullopt; });
  };
  add_if_up("acclimate_gpu_utilization_ratio", &GpuReading::utilization_ratio);
  add_if_up("acclimate_gpu_memory_used_bytes", &GpuReading::memory_used_bytes);
  add_if_up("acclimate_gpu_memory_total_bytes", &GpuReading::memory_total_bytes);
  add_if_up("acclimate_gpu_temperature_celsius", &GpuReading::temperature_celsius);
  add_if_up("acclimate_gpu_power_watts", &GpuReading::power_watts);
  return families;
}

}  // namespace

// Shared with its thread, which may outlive the GpuMetrics.
class GpuMetrics::Reader {
 public:
  Reader(std::unique_ptr<Nvml> nvml, absl::Duration patience)
      : patience_(patience), nvml_(std::move(nvml)) {}

  // The body of the thread: answers one question after the other until End().
  void Run() {
    while (true) {
      {
        const absl::MutexLock lock(&mutex_);
        const auto wanted = [this] { return questions_ > answers_ || ending_; };
        mutex_.Await(absl::Condition(&wanted));
        if (ending_) break;
      }
      absl::StatusOr<std::vector<GpuReading>> readings = nvml_->Read();
      const absl::MutexLock lock(&mutex_);
      Take(std::move(readings));
      ++answers_;
    }
    const absl::MutexLock lock(&mutex_);
    ended_ = true;
  }

  std::vector<GpuReading> Ask() {
    const absl::MutexLock lock(&mutex_);
    if (questions_ == answers_) {
      ++questions_;
      asked_at_ = absl::Now();
    }
    const auto answered = [this, question = questions_] { return answers_ >= question; };
    if (!mutex_.AwaitWithDeadline(absl::Condition(&answered), asked_at_ + patience_)) {
      Replace(WithoutAnswer(readings_, "the driver does not answer in time"));
    }
    return readings_;
  }

  // True: the thread has ended, or is about to.
  bool End() {
    const absl::MutexLock lock(&mutex_);
    ending_ = true;
    return mutex_.AwaitWithTimeout(absl::Condition(&ended_), kPatienceAtTheEnd);
  }

 private:
  void Take(absl::StatusOr<std::vector<GpuReading>> readings)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (readings.ok()) {
      Replace(*std::move(readings));
      return;
    }
    if (readings.status() != status_) LogDebug("no GPU metrics", {{"error", readings.status()}});
    status_ = readings.status();
    Replace(WithoutAnswer(readings_, std::string(status_.message())));
  }

  void Replace(std::vector<GpuReading> readings) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    LogChanges(readings_, readings);
    readings_ = std::move(readings);
  }

  const absl::Duration patience_;
  const std::unique_ptr<Nvml> nvml_;  // used by the thread alone
  absl::Mutex mutex_;
  // At most one more question than answers: scrapes at the same time share one.
  int64_t questions_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t answers_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time asked_at_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<GpuReading> readings_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

std::shared_ptr<GpuMetrics> GpuMetrics::Open(const std::string& library, absl::Duration patience) {
  absl::StatusOr<std::unique_ptr<Nvml>> nvml = Nvml::Open(library);
  if (!nvml.ok()) {
    LogDebug("no GPU metrics", {{"error", nvml.status()}});
    return nullptr;
  }
  return std::shared_ptr<GpuMetrics>(
      new GpuMetrics(std::make_shared<Reader>(*std::move(nvml), patience)));
}

GpuMetrics::GpuMetrics(std::shared_ptr<Reader> reader)
    : reader_(std::move(reader)), thread_([reader = reader_] { reader->Run(); }) {}

GpuMetrics::~GpuMetrics() {
  if (reader_->End()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

std::vector<prometheus::MetricFamily> GpuMetrics::Collect() const {
  return Families(reader_->Ask());
}

}  // namespace acclimate::metrics
