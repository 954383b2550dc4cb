// Which queued job gets the next slot. Pure logic: no store, no lock, and no clock of its own.
#ifndef ACCLIMATE_SERVER_JOBS_FAIR_SCHEDULER_H_
#define ACCLIMATE_SERVER_JOBS_FAIR_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/base/tenant_policies.h"

namespace acclimate::jobs {

struct QueuedJob {
  std::string name;
  std::string tenant;
  int priority = 0;
  absl::Time created;              // only differences count
  std::string memory_kind;         // of memory_estimates.h
  int64_t memory_limit_bytes = 0;  // of the job itself; 0: none
  // It is not preempted before, in the scheduler's time.
  absl::Duration preemptible_from = -absl::InfiniteDuration();
};

struct FairSchedulerOptions {
  std::function<TenantPolicy(const std::string& tenant)> policy_of;
  // What a job reserves of `memory_bytes` while it runs.
  std::function<int64_t(const QueuedJob&)> reservation_of;
  int slots = 1;
  int64_t memory_bytes = 0;  // of all that run; 0: any number
  // One point of priority is worth as much as so much waiting.
  absl::Duration priority_age = absl::Minutes(10);
  // After it has been passed over for so long for want of memory, nothing is leased before the job.
  absl::Duration memory_patience = absl::Minutes(5);
};

// Between tenants: start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) over slot-seconds. A
// tenant's virtual time is the slot-seconds that it has had, divided by its weight; the tenant with
// the least is served next. The length of an attempt is not known when it begins: it counts as the
// tenant's mean until it has lasted longer, and as what it was once it has ended. A tenant that had
// nothing queued or running begins at the virtual time of the last lease: idleness saves no credit.
//
// Within a tenant: the job with the least `created - priority * priority_age`. That is the order of
// priorities that rise by one for each priority_age of waiting, as SLURM's multifactor plugin adds
// age to priority; since all rise alike, the order of two jobs never changes.
//
// Guarantees:
// 1. From the moment that two tenants with weights v and w both have jobs that they may run, and as
//    long as they do, the slot-seconds divided by weight that they get differ by at most
//    2 * slots * longest / min(v, w); `longest` is the longest attempt, and at least the 60 s that
//    a tenant's first one is guessed to take.
// 2. A job is passed, within its tenant, only by jobs that are created less than
//    (difference of priorities) * priority_age after it: nothing starves.
// 3. No tenant runs more jobs than its policy allows, and the reservations of those that run fit
//    memory_bytes, but for a single job that reserves more than that.
// 4. A slot stays free only if no tenant that may run one more has, among its first kLookAhead
//    jobs, one whose reservation fits; or if a job has waited for memory longer than
//    memory_patience.
// A lease costs a look at each tenant with queued jobs and at each running job, however many are
// queued. Not thread-safe. `now` is the time since any fixed moment, and does not go back.
class FairScheduler {
 public:
  static constexpr int kLookAhead = 32;

  explicit FairScheduler(FairSchedulerOptions options) : options_(std::move(options)) {}

  // Nothing where a job of this name is queued or runs.
  void Add(QueuedJob job);
  // Nothing where it is not queued.
  void Remove(const std::string& name);

  // The next job, which runs from here on. nullopt: none may.
  std::optional<QueuedJob> Lease(absl::Duration now);
  // The attempt has ended. The job is known no more.
  void Release(const std::string& name, absl::Duration now);
  // It could not be leased after all, and is queued where it was.
  void PutBack(const std::string& name);

  // The state of a running job was saved: it would lose nothing.
  void NoteSaved(const std::string& name, absl::Duration now);
  // Whether a running job was asked to stop: its slot is about to be free.
  void SetLeaving(const std::string& name, bool leaving);
  // The running job that is to make room: no slot is free or about to be, and the job that would be
  // leased next has a higher priority, and would still be leased first if this one were queued
  // again. Of several, the one whose state was saved last.
  std::optional<std::string> Victim(absl::Duration now) const;

  enum class Wait { kSlot, kTenantLimit, kMemory };
  // Why a queued job waits; nullopt: it does not.
  std::optional<Wait> WaitOf(const std::string& name) const;

  bool Runs(const std::string& name) const { return running_.contains(name); }
  int QueuedOf(const std::string& tenant) const;
  int RunningOf(const std::string& tenant) const;
  int64_t reserved_bytes() const { return reserved_bytes_; }

 private:
  // The order within a tenant.
  struct Rank {
    absl::Time due;
    int64_t arrival = 0;
    friend bool operator<(const Rank& a, const Rank& b) {
      return a.due != b.due ? a.due < b.due : a.arrival < b.arrival;
    }
  };
  struct Waiting {
    QueuedJob job;
    std::optional<absl::Duration> passed_over;  // since when, for want of memory
  };
  struct Tenant {
    TenantPolicy policy;
    double ended = 0;          // virtual time that attempts which have ended add up to
    double mean_seconds = 60;  // of its attempts; of the first, a guess
    std::map<Rank, Waiting> queue;
    int running = 0;
  };
  struct Running {
    QueuedJob job;
    Rank rank;
    absl::Duration leased;
    absl::Duration saved;
    double charged_seconds = 0;  // until it has lasted longer
    int64_t reserved_bytes = 0;
    bool leaving = false;
  };
  struct Place {
    std::string tenant;
    Rank rank;
  };
  using Turn = std::pair<double, std::string>;  // virtual time and name of a tenant

  static bool AtLimit(const Tenant& tenant);
  Rank RankOf(const QueuedJob& job);
  double VirtualTime(const std::string& name, const Tenant& tenant, absl::Duration now) const;
  // The tenants with jobs that they may run, in the order in which they are served.
  std::vector<Turn> Turns(absl::Duration now) const;
  bool Fits(const QueuedJob& job, int64_t freed_bytes) const;
  QueuedJob Start(const Turn& turn, std::map<Rank, Waiting>::iterator next, absl::Duration now);
  void LiftThoseAtTheirLimit(absl::Duration now);
  void ForgetIdleTenants();
  bool MakesRoom(const Running& running, const Turn& turn, const Rank& rank, const QueuedJob& next,
                 absl::Duration now) const;

  const FairSchedulerOptions options_;
  std::map<std::string, Tenant> tenants_;
  absl::flat_hash_map<std::string, Place> places_;     // of queued jobs
  absl::flat_hash_map<std::string, Running> running_;  // by name
  double virtual_time_ = 0;                            // of the tenant of the last lease
  int64_t arrivals_ = 0;
  int64_t reserved_bytes_ = 0;
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_FAIR_SCHEDULER_H_
