// What the status page shows of a server, read from its store and its nodes.
#ifndef ACCLIMATE_SERVER_UI_STATUS_VIEW_H_
#define ACCLIMATE_SERVER_UI_STATUS_VIEW_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"
#include "server/jobs/job_store.h"
#include "server/node/node.h"

namespace acclimate::ui {

// The most jobs of each kind that the page shows; the counts tell of all.
inline constexpr int kMaxQueuedShown = 50;
inline constexpr int kMaxActiveShown = 50;
inline constexpr int kMaxEndedShown = 20;

// The output file of a job that the page links to.
inline constexpr char kReport[] = "report.html";

struct FailureView {
  std::string code;     // "INVALID_ARGUMENT"
  std::string reason;   // of the error's details, "BLOB_NOT_FOUND"; empty: none
  std::string message;  // what the client is told
  // Of the last attempt.
  std::string cause;  // "CRASH"
  std::string last_phase;
  std::string stderr_tail;
  int signal = 0;
  int exit_code = 0;
};

struct JobView {
  std::string name;  // "tenants/default/jobs/4f..."
  std::string tenant;
  std::string id;
  std::string state;  // "RUNNING"
  std::string method;
  std::string target;  // the display name of the target's data
  std::map<std::string, std::string> labels;
  int priority = 0;
  int attempts = 0;
  std::string node;  // of the last attempt
  absl::Time created = absl::InfinitePast();
  absl::Time changed = absl::InfinitePast();     // for a queued job: when it was queued
  std::optional<absl::Time> started, ended;      // the first attempt; the end
  std::optional<absl::Time> attempt_started;     // the last attempt
  v1::Progress progress;                         // of the last attempt
  std::optional<absl::Duration> remaining;       // of training, at the pace of its last steps
  int64_t last_cursor = 0;                       // of the job's newest event
  std::map<std::string, double> result_metrics;  // of a job that succeeded
  std::vector<std::string> warnings;             // as well
  bool has_report = false;                       // as well
  std::optional<FailureView> failure;            // of a job that failed
};

struct ServerView {
  std::string version;
  absl::Time start_time = absl::InfinitePast();
  std::optional<int64_t> disk_free_bytes, disk_size_bytes;
};

struct StatusView {
  absl::Time time;
  std::string subject;  // who looks; empty without authentication
  ServerView server;
  std::vector<node::NodeInfo> nodes;
  std::map<v1::JobState, int64_t> counts;
  std::optional<absl::Time> oldest_queued;  // when the job that waits longest was queued
  std::vector<JobView> queued;              // in the order in which they will be leased
  std::vector<JobView> active;              // those that hold a lease and those that are paused
  std::vector<JobView> failed;              // the last first
  std::vector<JobView> ended;               // succeeded and cancelled, the last first
};

JobView ViewOf(const v1::Job& job);

// Adds the jobs of `tenants`, a bounded number of each kind. Those that ended are the last to end
// among the 100 that were created last.
absl::Status AddJobs(jobs::JobStore& store, const jobs::Tenants& tenants, StatusView& view);

}  // namespace acclimate::ui

#endif  // ACCLIMATE_SERVER_UI_STATUS_VIEW_H_
