// How `acclimated serve` is set up. Each setting has a flag, an environment variable and a key in
// the configuration file; the first of these that is given wins, then the default.
#ifndef ACCLIMATE_SERVER_BASE_CONFIG_H_
#define ACCLIMATE_SERVER_BASE_CONFIG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/log.h"

namespace acclimate {

// Whether the status page is served; kAuto: where only this machine reaches --metrics-listen.
enum class StatusPageMode { kAuto, kOn, kOff };

struct ServerConfig {
  std::string data_dir;
  std::string listen = "127.0.0.1:50051";
  std::string metrics_listen = "127.0.0.1:9464";
  StatusPageMode ui = StatusPageMode::kAuto;
  bool ShowsStatusPage() const;
  LogLevel log_level = LogLevel::kInfo;
  absl::Duration drain_timeout = absl::Seconds(20);
  bool stop_with_stdin = false;

  int slots = 0;  // jobs at a time; 0: none are run here
  bool spare_worker = true;
  std::string device = "auto";
  std::string worker;                                   // path of acclimate-worker
  int64_t job_memory_limit_bytes = 0;                   // of a worker; 0: none
  int64_t job_scratch_limit_bytes = int64_t{16} << 30;  // of its files together; 0: none
  int job_thread_limit = 1024;                          // of a worker; 0: none
  absl::Duration job_time_limit = absl::Hours(24);      // of one attempt
  absl::Duration no_progress_timeout = absl::Minutes(2);
  int max_retries = 5;
  absl::Duration checkpoint_interval = absl::Seconds(60);

  // Who runs what, and when: server/jobs/fair_scheduler.h.
  int64_t memory_for_jobs_bytes = 0;  // of all that run at a time; 0: any number
  absl::Duration priority_age = absl::Minutes(10);
  bool preempt = false;
  // Of a tenant, unless tenants_file says otherwise. 0: any number.
  int tenant_max_running = 0;
  int tenant_max_queued = 100'000;
  int64_t tenant_max_stored_bytes = 0;
  std::string tenants_file;

  // TLS: all files in PEM. With a client_ca, client certificates are asked for and verified.
  std::string tls_cert, tls_key, tls_client_ca;
  // Authentication: on where one of the files is named (server/auth/).
  std::string access_file;
  std::string jwks_file, jwt_issuer, jwt_audience;
  bool insecure = false;  // listen beyond loopback without it
  bool require_sandbox = true;
  bool HasAuthentication() const { return !access_file.empty() || !jwks_file.empty(); }

  // Traces: spans go to <otlp_endpoint>/v1/traces.
  std::string otlp_endpoint, otlp_headers_file;
  double otlp_sample_ratio = 1.0;

  // Limits of one tenant or client: server/api/call_limits.h. 0: none.
  int64_t tenant_call_rate = 20'000;  // calls a second
  int streams_per_client = 512;
  int connections_per_client = 1024;
  int64_t min_upload_rate = int64_t{4} << 10;  // bytes a second

  int64_t max_blob_bytes = int64_t{64} << 30;
  int64_t min_free_disk_bytes = int64_t{256} << 20;
  double disk_watermark = 0.9;                           // share of the disk that new work may fill
  absl::Duration gc_grace_period = absl::Hours(6);       // of a blob that nothing needs
  absl::Duration gc_interval = absl::Minutes(10);        // 0: blobs are not collected
  absl::Duration event_detail_period = absl::Hours(24);  // after a job's end
  absl::Duration scrub_interval = absl::Hours(30 * 24);  // 0: blobs are not scrubbed
};

// One environment variable, or nullptr: std::getenv, or a test's own.
using Environment = std::function<const char*(const char* name)>;

// `arguments` follow "acclimated serve". INVALID_ARGUMENT names the flag, variable or line at
// fault, and the nearest flag where the name is unknown.
absl::StatusOr<ServerConfig> LoadServerConfig(const std::vector<std::string>& arguments,
                                              const Environment& environment);

// Grouped, each flag with its default, its variable and its meaning.
std::string ServerHelp();

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_CONFIG_H_
