#include "server/metrics/server_metrics.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/base/version.h"
#include "server/metrics/metric_list.h"
#include "server/metrics/process_metrics.h"

namespace acclimate::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// Upper bounds in seconds, by what is measured.
Buckets CallBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10, 60};
}
Buckets DiskBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5};
}
Buckets StepBuckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
}
Buckets PhaseBuckets() { return {0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200, 43200}; }
Buckets JobBuckets() { return {0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400}; }

prometheus::MetricFamily Gauge(const std::string& name, double value) {
  prometheus::MetricFamily family = EmptyFamily(name);
  family.metric.emplace_back().gauge.value = value;
  return family;
}

// Gauges that are read at every scrape.
class ReadGauges : public prometheus::Collectable {
 public:
  void Add(std::string name, std::function<std::optional<double>()> source) {
    absl::MutexLock lock(&mutex_);
    entries_.push_back({std::move(name), std::move(source)});
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    absl::MutexLock lock(&mutex_);
    std::vector<prometheus::MetricFamily> families;
    for (const Entry& entry : entries_) {
      if (const std::optional<double> value = entry.source()) {
        families.push_back(Gauge(entry.name, *value));
      }
    }
    return families;
  }

 private:
  struct Entry {
    std::string name;
    std::function<std::optional<double>()> source;
  };
  mutable absl::Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

// The jobs gauges, from the source at every scrape.
class JobGauges : public prometheus::Collectable {
 public:
  void SetSource(std::function<JobStatistics()> source) {
    absl::MutexLock lock(&mutex_);
    source_ = std::move(source);
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    absl::MutexLock lock(&mutex_);
    if (!source_) return {};
    const JobStatistics statistics = source_();
    prometheus::MetricFamily jobs = EmptyFamily("acclimate_jobs");
    for (const JobCount& count : statistics.counts) {
      prometheus::ClientMetric metric;
      metric.label = {{"method", count.method}, {"state", count.state}};
      metric.gauge.value = static_cast<double>(count.jobs);
      jobs.metric.push_back(std::move(metric));
    }
    return {std::move(jobs),
            Gauge("acclimate_queue_depth", static_cast<double>(statistics.queue_depth)),
            Gauge("acclimate_queue_oldest_age_seconds",
                  absl::ToDoubleSeconds(statistics.oldest_queue_age))};
  }

 private:
  mutable absl::Mutex mutex_;
  std::function<JobStatistics()> source_ ABSL_GUARDED_BY(mutex_);
};

// What the kernel has granted to workers, from the source at every scrape.
class SandboxGauges : public prometheus::Collectable {
 public:
  using Source = std::function<std::map<std::string, std::string>()>;

  void SetSource(Source source) {
    absl::MutexLock lock(&mutex_);
    source_ = std::move(source);
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    absl::MutexLock lock(&mutex_);
    if (!source_) return {};
    prometheus::MetricFamily family = EmptyFamily("acclimate_worker_sandbox");
    for (const auto& [measure, state] : source_()) {
      prometheus::ClientMetric metric;
      metric.label = {{"measure", measure}};
      metric.gauge.value = state == "on" ? 1 : 0;
      family.metric.push_back(std::move(metric));
    }
    return {std::move(family)};
  }

 private:
  mutable absl::Mutex mutex_;
  Source source_ ABSL_GUARDED_BY(mutex_);
};

// Counts calls without the library's hashing of label maps: one look-up in a small ordered map.
struct CallMetrics {
  Counter* calls;
  Histogram* latency;
};

}  // namespace

struct ServerMetrics::State {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::shared_ptr<JobGauges> jobs = std::make_shared<JobGauges>();
  std::shared_ptr<SandboxGauges> sandbox = std::make_shared<SandboxGauges>();
  std::shared_ptr<ReadGauges> gauges = std::make_shared<ReadGauges>();
  std::shared_ptr<ProcessMetrics> process = std::make_shared<ProcessMetrics>();

  std::vector<std::shared_ptr<prometheus::Collectable>> more;

  Family<Counter>& AddCounter(const char* name) {
    return prometheus::BuildCounter().Name(name).Help(MetricNamed(name).help).Register(*registry);
  }
  Family<Histogram>& AddHistogram(const char* name) {
    return prometheus::BuildHistogram().Name(name).Help(MetricNamed(name).help).Register(*registry);
  }

  Family<Histogram>& queue_wait = AddHistogram("acclimate_job_queue_wait_seconds");
  Family<Histogram>& run_time = AddHistogram("acclimate_job_run_seconds");
  Family<Histogram>& phase = AddHistogram("acclimate_worker_phase_seconds");
  Family<Counter>& steps = AddCounter("acclimate_training_steps_total");
  Family<Counter>& samples = AddCounter("acclimate_training_samples_total");
  Family<Histogram>& step_time = AddHistogram("acclimate_training_step_seconds");
  Counter& worker_starts = AddCounter("acclimate_worker_starts_total").Add({});
  Family<Counter>& worker_exits = AddCounter("acclimate_worker_exits_total");
  Counter& uploaded = AddCounter("acclimate_uploaded_bytes_total").Add({});
  Counter& downloaded = AddCounter("acclimate_downloaded_bytes_total").Add({});
  Counter& blob_corruptions = AddCounter("acclimate_blob_corruptions_total").Add({});
  Counter& collected_blobs = AddCounter("acclimate_collected_blobs_total").Add({});
  Counter& collected_bytes = AddCounter("acclimate_collected_bytes_total").Add({});
  Counter& scrubbed = AddCounter("acclimate_scrubbed_bytes_total").Add({});
  Family<Counter>& calls = AddCounter("acclimate_grpc_calls_total");
  Family<Histogram>& call_latency = AddHistogram("acclimate_grpc_call_seconds");
  Family<Counter>& retries = AddCounter("acclimate_job_retries_total");
  Counter& preemptions = AddCounter("acclimate_preemptions_total").Add({});
  Family<Counter>& limited_calls = AddCounter("acclimate_limited_calls_total");
  Family<Counter>& authentication_failures = AddCounter("acclimate_authentication_failures_total");
  Histogram& commit = AddHistogram("acclimate_store_commit_seconds").Add({}, DiskBuckets());
  Counter& committed_changes = AddCounter("acclimate_store_changes_total").Add({});
  Family<Counter>& spans = AddCounter("acclimate_spans_total");
  Family<Histogram>& fsync = AddHistogram("acclimate_store_fsync_seconds");

  absl::Mutex mutex;
  std::map<std::pair<std::string, std::string>, CallMetrics, std::less<>> calls_by_method
      ABSL_GUARDED_BY(mutex);
};

ServerMetrics::ServerMetrics() : state_(std::make_unique<State>()) {
  constexpr char kBuildInfo[] = "acclimate_build_info";
  prometheus::BuildGauge()
      .Name(kBuildInfo)
      .Help(MetricNamed(kBuildInfo).help)
      .Register(*state_->registry)
      .Add({{"version", kVersion}, {"compiler", __VERSION__}})
      .Set(1);
  // There from the start, so that an increase can be seen.
  for (const char* cause : {"crash", "lost", "out_of_memory", "disk_full"}) {
    state_->retries.Add({{"cause", cause}});
  }
  for (const char* limit :
       {"connections", "queued_jobs", "rate", "stored_bytes", "streams", "upload_rate"}) {
    state_->limited_calls.Add({{"limit", limit}});
  }
}
ServerMetrics::~ServerMetrics() = default;

std::vector<std::shared_ptr<prometheus::Collectable>> ServerMetrics::Collectables() const {
  std::vector<std::shared_ptr<prometheus::Collectable>> all = state_->more;
  all.insert(all.end(),
             {state_->registry, state_->jobs, state_->sandbox, state_->gauges, state_->process});
  return all;
}

void ServerMetrics::SetJobStatisticsSource(std::function<JobStatistics()> source) {
  state_->jobs->SetSource(std::move(source));
}

void ServerMetrics::SetSandboxSource(std::function<std::map<std::string, std::string>()> source) {
  state_->sandbox->SetSource(std::move(source));
}

void ServerMetrics::AddGauge(std::string name, std::function<std::optional<double>()> source) {
  state_->gauges->Add(std::move(name), std::move(source));
}

void ServerMetrics::AddCollectable(std::shared_ptr<prometheus::Collectable> collectable) {
  state_->more.push_back(std::move(collectable));
}

void ServerMetrics::ObserveQueueWait(absl::string_view method, absl::Duration wait) {
  state_->queue_wait.Add({{"method", std::string(method)}}, JobBuckets())
      .Observe(absl::ToDoubleSeconds(wait));
}

void ServerMetrics::ObserveRunTime(absl::string_view method, absl::string_view final_state,
                                   absl::Duration run_time) {
  state_->run_time
      .Add({{"method", std::string(method)}, {"state", std::string(final_state)}}, JobBuckets())
      .Observe(absl::ToDoubleSeconds(run_time));
}

void ServerMetrics::CountRetry(absl::string_view cause) {
  state_->retries.Add({{"cause", std::string(cause)}}).Increment();
}

void ServerMetrics::CountPreemption() { state_->preemptions.Increment(); }

void ServerMetrics::WorkerStarted() { state_->worker_starts.Increment(); }

void ServerMetrics::WorkerExited(absl::string_view cause) {
  state_->worker_exits.Add({{"cause", std::string(cause)}}).Increment();
}

void ServerMetrics::ObservePhase(absl::string_view phase, absl::Duration duration) {
  state_->phase.Add({{"phase", std::string(phase)}}, PhaseBuckets())
      .Observe(absl::ToDoubleSeconds(duration));
}

void ServerMetrics::AddTrainingSteps(absl::string_view method, int64_t steps, int64_t samples,
                                     absl::Duration step_time) {
  const prometheus::Labels labels = {{"method", std::string(method)}};
  state_->steps.Add(labels).Increment(static_cast<double>(steps));
  state_->samples.Add(labels).Increment(static_cast<double>(samples));
  // All steps of a report took the mean: one bucket gets them all, at once.
  const Buckets bounds = StepBuckets();
  const double seconds = absl::ToDoubleSeconds(step_time);
  std::vector<double> increments(bounds.size() + 1, 0.0);
  increments[std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin()] =
      static_cast<double>(steps);
  state_->step_time.Add(labels, bounds)
      .ObserveMultiple(increments, seconds * static_cast<double>(steps));
}

void ServerMetrics::AddUploadedBytes(int64_t bytes) {
  state_->uploaded.Increment(static_cast<double>(bytes));
}
void ServerMetrics::AddDownloadedBytes(int64_t bytes) {
  state_->downloaded.Increment(static_cast<double>(bytes));
}

void ServerMetrics::ObserveCall(absl::string_view method, absl::string_view code,
                                absl::Duration latency) {
  CallMetrics metrics;
  {
    absl::MutexLock lock(&state_->mutex);
    const std::pair<std::string, std::string> key(method, code);
    auto found = state_->calls_by_method.find(key);
    if (found == state_->calls_by_method.end()) {
      const CallMetrics created = {
          &state_->calls.Add({{"method", key.first}, {"code", key.second}}),
          &state_->call_latency.Add({{"method", key.first}}, CallBuckets())};
      found = state_->calls_by_method.emplace(key, created).first;
    }
    metrics = found->second;
  }
  metrics.calls->Increment();
  metrics.latency->Observe(absl::ToDoubleSeconds(latency));
}

void ServerMetrics::CountBlobCorruption() { state_->blob_corruptions.Increment(); }

void ServerMetrics::CountCollectedBlob(int64_t bytes) {
  state_->collected_blobs.Increment();
  state_->collected_bytes.Increment(static_cast<double>(bytes));
}

void ServerMetrics::AddScrubbedBytes(int64_t bytes) {
  state_->scrubbed.Increment(static_cast<double>(bytes));
}

void ServerMetrics::CountLimitedCall(absl::string_view limit) {
  state_->limited_calls.Add({{"limit", std::string(limit)}}).Increment();
}

void ServerMetrics::CountAuthenticationFailure(absl::string_view reason) {
  state_->authentication_failures.Add({{"reason", std::string(reason)}}).Increment();
}

void ServerMetrics::CountSpans(absl::string_view result, int64_t spans) {
  state_->spans.Add({{"result", std::string(result)}}).Increment(static_cast<double>(spans));
}

void ServerMetrics::ObserveStoreCommit(absl::Duration duration, int64_t changes) {
  state_->commit.Observe(absl::ToDoubleSeconds(duration));
  state_->committed_changes.Increment(static_cast<double>(changes));
}

void ServerMetrics::ObserveFsync(absl::string_view store, absl::Duration duration) {
  state_->fsync.Add({{"store", std::string(store)}}, DiskBuckets())
      .Observe(absl::ToDoubleSeconds(duration));
}

}  // namespace acclimate::metrics
