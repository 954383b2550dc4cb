#include "server/metrics/metric_list.h"

#include <algorithm>
#include <cstdlib>

#include "server/base/log.h"

namespace acclimate::metrics {

const std::vector<MetricDescription>& MetricList() {
  constexpr auto kCounter = prometheus::MetricType::Counter;
  constexpr auto kGauge = prometheus::MetricType::Gauge;
  constexpr auto kHistogram = prometheus::MetricType::Histogram;
  static const auto* const list = new std::vector<MetricDescription>{
      {"acclimate_jobs", kGauge, {"state", "method"}, "Jobs by state and method."},
      {"acclimate_queue_depth", kGauge, {}, "Jobs that wait for a slot."},
      {"acclimate_queue_oldest_age_seconds", kGauge, {}, "How long the oldest queued job waits."},
      {"acclimate_job_queue_wait_seconds",
       kHistogram,
       {"method"},
       "From queued to leased, by method."},
      {"acclimate_job_run_seconds",
       kHistogram,
       {"method", "state"},
       "From leased to its end, by method and the state it ended in."},
      {"acclimate_job_retries_total",
       kCounter,
       {"cause"},
       "Attempts that failed and are tried again, by cause: crash, lost, out_of_memory, "
       "disk_full."},
      {"acclimate_preemptions_total",
       kCounter,
       {},
       "Attempts that ended, their state saved, to make room for a job of higher priority."},
      {"acclimate_reserved_memory_bytes",
       kGauge,
       {},
       "Memory that running jobs are likely to need, of --memory-for-jobs."},
      {"acclimate_worker_phase_seconds",
       kHistogram,
       {"phase"},
       "Time that a worker spends in a phase."},
      {"acclimate_worker_starts_total", kCounter, {}, "Worker processes started."},
      {"acclimate_worker_exits_total", kCounter, {"cause"}, "Worker processes ended, by cause."},
      {"acclimate_worker_sandbox",
       kGauge,
       {"measure"},
       "1 where the last worker's measure is on, 0 where the kernel has refused it."},
      {"acclimate_training_steps_total", kCounter, {"method"}, "Training steps made."},
      {"acclimate_training_samples_total",
       kCounter,
       {"method"},
       "Samples that training steps have seen."},
      {"acclimate_training_step_seconds",
       kHistogram,
       {"method"},
       "Time of a training step, by method."},
      {"acclimate_gpu_up",
       kGauge,
       {"gpu", "name"},
       "1 while the GPU answers its driver, 0 while it does not."},
      {"acclimate_gpu_utilization_ratio",
       kGauge,
       {"gpu", "name"},
       "Share of the driver's last sampling period in which the GPU computed."},
      {"acclimate_gpu_memory_used_bytes",
       kGauge,
       {"gpu", "name"},
       "Memory of the GPU in use, by all programs."},
      {"acclimate_gpu_memory_total_bytes", kGauge, {"gpu", "name"}, "Memory of the GPU."},
      {"acclimate_gpu_temperature_celsius",
       kGauge,
       {"gpu", "name"},
       "Temperature of the GPU's chip."},
      {"acclimate_gpu_power_watts", kGauge, {"gpu", "name"}, "Power that the GPU takes now."},
      {"acclimate_uploaded_bytes_total", kCounter, {}, "Bytes of uploads received and checked."},
      {"acclimate_downloaded_bytes_total", kCounter, {}, "Bytes of blobs sent."},
      {"acclimate_blob_corruptions_total",
       kCounter,
       {},
       "Blobs found damaged when they were read or scrubbed, and quarantined."},
      {"acclimate_collected_blobs_total",
       kCounter,
       {},
       "Blobs removed because nothing needed them."},
      {"acclimate_collected_bytes_total", kCounter, {}, "Bytes of these blobs."},
      {"acclimate_scrubbed_bytes_total",
       kCounter,
       {},
       "Bytes of blobs that were hashed again to find damaged ones."},
      {"acclimate_grpc_calls_total",
       kCounter,
       {"method", "code"},
       "gRPC calls, by method and status code."},
      {"acclimate_grpc_call_seconds",
       kHistogram,
       {"method"},
       "Time of a gRPC call in its handler; of a stream, until it ends."},
      {"acclimate_limited_calls_total",
       kCounter,
       {"limit"},
       "Calls and connections refused or ended by a limit: rate, streams, upload_rate, "
       "connections, queued_jobs or stored_bytes."},
      {"acclimate_authentication_failures_total",
       kCounter,
       {"reason"},
       "Calls refused because nobody knows who makes them, by reason."},
      {"acclimate_tls_certificate_expiry_timestamp_seconds",
       kGauge,
       {},
       "When the server's certificate is no longer valid, in seconds since 1970."},
      {"acclimate_store_commit_seconds", kHistogram, {}, "Time of one commit of the job store."},
      {"acclimate_store_changes_total", kCounter, {}, "Changes that commits have made durable."},
      {"acclimate_store_fsync_seconds",
       kHistogram,
       {"store"},
       "Time of one flush to the disk, by store."},
      {"acclimate_spans_total",
       kCounter,
       {"result"},
       "Spans of traces, by what became of them: exported or dropped."},
      {"acclimate_disk_free_bytes", kGauge, {}, "Free bytes of the disk with the data directory."},
      {"acclimate_disk_size_bytes", kGauge, {}, "Size of that disk."},
      {"acclimate_build_info",
       kGauge,
       {"version", "compiler"},
       "Always 1; the labels say what was built."},
      {"process_cpu_seconds_total", kCounter, {}, "Processor time of the server itself."},
      {"process_resident_memory_bytes", kGauge, {}, "Resident memory."},
      {"process_virtual_memory_bytes", kGauge, {}, "Virtual memory."},
      {"process_threads", kGauge, {}, "Threads."},
      {"process_open_fds", kGauge, {}, "Open file descriptors."},
      {"process_max_fds", kGauge, {}, "The limit on open file descriptors."},
      {"process_start_time_seconds", kGauge, {}, "Start of the process since the Unix epoch."},
  };
  return *list;
}

const MetricDescription& MetricNamed(absl::string_view name) {
  const std::vector<MetricDescription>& list = MetricList();
  const auto found = std::find_if(
      list.begin(), list.end(), [name](const MetricDescription& one) { return one.name == name; });
  if (found == list.end()) {
    LogError("a metric is missing in metric_list.cc", {{"name", name}});
    std::abort();
  }
  return *found;
}

prometheus::MetricFamily EmptyFamily(absl::string_view name) {
  const MetricDescription& metric = MetricNamed(name);
  return {metric.name, metric.help, metric.type, {}};
}

}  // namespace acclimate::metrics
