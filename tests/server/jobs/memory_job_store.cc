#include "tests/server/jobs/memory_job_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/resource_names.h"
#include "server/jobs/blob_references.h"

namespace acclimate::jobs {
namespace {

absl::Status NoSuchJob(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("there is no job ", name));
}

bool Matches(const JobQuery& query, const v1::Job& job) {
  if (TenantOfJob(job.name()) != query.tenant) return false;
  if (query.state && job.state() != *query.state) return false;
  if (!query.method.empty() && job.spec().method() != query.method) return false;
  return std::all_of(query.labels.begin(), query.labels.end(), [&](const auto& label) {
    const auto found = job.spec().labels().find(label.first);
    return found != job.spec().labels().end() && found->second == label.second;
  });
}

std::string QueryText(const JobQuery& query) {
  std::string text = absl::StrCat(query.tenant, "|", query.method, "|",
                                  query.state ? static_cast<int>(*query.state) : -1);
  for (const auto& [key, value] : query.labels) absl::StrAppend(&text, "|", key, "=", value);
  return text;
}

bool Among(const Tenants& tenants, const v1::Job& job) {
  return !tenants || tenants->count(TenantOfJob(job.name())) > 0;
}

}  // namespace

void MemoryJobStore::Keep(JobChange change, Stored& stored) {
  for (v1::JobEvent& event : change.events) {
    event.set_cursor(change.job.last_cursor() + 1);
    change.job.set_last_cursor(event.cursor());
    stored.events.push_back(std::move(event));
  }
  stored.job = std::move(change.job);
  if (!change.memory_peak.has_value()) return;
  peaks_.erase(
      std::remove_if(peaks_.begin(), peaks_.end(),
                     [&](const MemoryPeak& peak) { return peak.kind == change.memory_peak->kind; }),
      peaks_.end());
  peaks_.push_back(*change.memory_peak);
}

std::vector<const MemoryJobStore::Stored*> MemoryJobStore::Those(
    const std::function<bool(const v1::Job&)>& condition) const {
  std::vector<const Stored*> those;
  for (const auto& [name, stored] : jobs_) {
    if (condition(stored.job)) those.push_back(&stored);
  }
  std::sort(those.begin(), those.end(),
            [](const Stored* a, const Stored* b) { return a->sequence < b->sequence; });
  return those;
}

absl::StatusOr<CreatedJob> MemoryJobStore::Create(const JobChange& change,
                                                  const std::string& request_id,
                                                  const std::string& spec_digest,
                                                  const Mutation& check) {
  absl::MutexLock lock(&mutex_);
  const std::pair<std::string, std::string> key(TenantOfJob(change.job.name()), request_id);
  const auto earlier = request_id.empty() ? requests_.end() : requests_.find(key);
  if (earlier != requests_.end()) {
    if (earlier->second.digest == spec_digest) {
      return CreatedJob{jobs_.at(earlier->second.job).job, true};
    }
    return ErrorWithReason(
        v1::REQUEST_ID_REUSED,
        absl::StrCat(request_id, " was used for another job, ", earlier->second.job), {});
  }
  JobChange copy = change;
  if (check) {
    if (absl::Status agreed = check(copy); !agreed.ok()) return agreed;
  }
  Stored& stored = jobs_[change.job.name()];
  stored.sequence = ++last_sequence_;
  Keep(std::move(copy), stored);
  if (!request_id.empty()) requests_[key] = {spec_digest, change.job.name()};
  return CreatedJob{stored.job, false};
}

absl::StatusOr<v1::Job> MemoryJobStore::Get(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(name);
  if (found == jobs_.end()) return NoSuchJob(name);
  return found->second.job;
}

absl::StatusOr<JobPage> MemoryJobStore::List(const JobQuery& query) {
  absl::MutexLock lock(&mutex_);
  int64_t before = last_sequence_ + 1;
  if (!query.page_token.empty()) {
    const size_t end = query.page_token.find('\n');
    if (end == std::string::npos || query.page_token.substr(end + 1) != QueryText(query) ||
        !absl::SimpleAtoi(query.page_token.substr(0, end), &before)) {
      return absl::InvalidArgumentError("page_token: is not one of this list");
    }
  }
  std::vector<const Stored*> those = Those([&](const v1::Job& job) { return Matches(query, job); });
  std::reverse(those.begin(), those.end());
  JobPage page;
  size_t bytes = 0;
  int64_t last = 0;
  for (const Stored* stored : those) {
    if (stored->sequence >= before) continue;
    v1::Job job = stored->job;
    for (v1::Attempt& attempt : *job.mutable_attempts()) attempt.clear_stderr_tail();
    bytes += job.ByteSizeLong();
    const bool full = page.jobs.size() == static_cast<size_t>(query.page_size);
    if (full || (bytes > kMaxPageBytes && !page.jobs.empty())) {
      page.next_page_token = absl::StrCat(last, "\n", QueryText(query));
      break;
    }
    last = stored->sequence;
    page.jobs.push_back(std::move(job));
  }
  return page;
}

absl::StatusOr<v1::Job> MemoryJobStore::Update(const std::string& name, const Mutation& mutation) {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(name);
  if (found == jobs_.end()) return NoSuchJob(name);
  JobChange change;
  change.job = found->second.job;
  if (absl::Status status = mutation(change); !status.ok()) return status;
  Keep(std::move(change), found->second);
  return found->second.job;
}

absl::Status MemoryJobStore::Delete(const std::string& name, const Mutation& check) {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(name);
  if (found == jobs_.end()) return NoSuchJob(name);
  JobChange change;
  change.job = found->second.job;
  if (absl::Status status = check(change); !status.ok()) return status;
  jobs_.erase(found);
  for (auto it = requests_.begin(); it != requests_.end();) {
    it = it->second.job == name ? requests_.erase(it) : std::next(it);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::JobEvent>> MemoryJobStore::Events(const std::string& name,
                                                                 const EventRange& range) {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::JobEvent> events;
  const auto found = jobs_.find(name);
  if (found == jobs_.end()) return events;
  int64_t bytes = 0;
  for (const v1::JobEvent& event : found->second.events) {
    if (event.cursor() <= range.after) continue;
    if (static_cast<int>(events.size()) == range.limit || bytes >= range.max_bytes) break;
    bytes += static_cast<int64_t>(event.ByteSizeLong());
    events.push_back(event);
  }
  return events;
}

absl::StatusOr<std::vector<v1::Job>> MemoryJobStore::Select(const StateQuery& query) {
  absl::MutexLock lock(&mutex_);
  std::vector<const Stored*> those = Those(
      [&](const v1::Job& job) { return job.state() == query.state && Among(query.tenants, job); });
  if (query.order == StateQuery::Order::kNewest) std::reverse(those.begin(), those.end());
  if (query.order == StateQuery::Order::kPriority) {
    std::stable_sort(those.begin(), those.end(), [](const Stored* a, const Stored* b) {
      return a->job.spec().priority() > b->job.spec().priority();
    });
  }
  std::vector<v1::Job> jobs;
  for (const Stored* stored : those) {
    if (static_cast<int>(jobs.size()) < query.limit) jobs.push_back(stored->job);
  }
  return jobs;
}

absl::Status MemoryJobStore::VisitQueued(const std::function<void(const v1::Job&)>& visit) {
  absl::MutexLock lock(&mutex_);
  for (const Stored* stored : Those([](const v1::Job& job) {
         return job.state() == v1::JOB_STATE_QUEUED && !job.has_next_attempt_time();
       })) {
    visit(stored->job);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<MemoryPeak>> MemoryJobStore::MemoryPeaks() {
  absl::MutexLock lock(&mutex_);
  return peaks_;
}

absl::StatusOr<std::vector<std::string>> MemoryJobStore::Waiting() {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const Stored* stored :
       Those([](const v1::Job& job) { return job.has_next_attempt_time(); })) {
    names.push_back(stored->job.name());
  }
  return names;
}

absl::StatusOr<std::vector<StateCount>> MemoryJobStore::Counts() {
  absl::MutexLock lock(&mutex_);
  std::map<std::pair<v1::JobState, std::string>, int64_t> counts;
  for (const auto& [name, stored] : jobs_) {
    ++counts[{stored.job.state(), stored.job.spec().method()}];
  }
  std::vector<StateCount> list;
  for (const auto& [kind, jobs] : counts) list.push_back({kind.first, kind.second, jobs});
  return list;
}

absl::StatusOr<std::map<v1::JobState, int64_t>> MemoryJobStore::CountsOf(const Tenants& tenants) {
  absl::MutexLock lock(&mutex_);
  std::map<v1::JobState, int64_t> counts;
  for (const auto& [name, stored] : jobs_) {
    if (Among(tenants, stored.job)) ++counts[stored.job.state()];
  }
  return counts;
}

absl::StatusOr<bool> MemoryJobStore::NeedsBlob(const std::string& tenant,
                                               const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, stored] : jobs_) {
    if (TenantOfJob(name) != tenant) continue;
    std::set<std::string> needed = BlobsNamedIn(stored.job.spec(), tenant);
    if (stored.job.has_result())
      needed.merge(BlobsNamedIn(stored.job.result(), tenant));
    else
      needed.merge(BlobsNamedIn(stored.job.checkpoint(), tenant));
    if (needed.count(sha256) > 0) return true;
  }
  return false;
}

}  // namespace acclimate::jobs
