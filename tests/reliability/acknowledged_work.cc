#include "tests/reliability/acknowledged_work.h"

#include <algorithm>
#include <iterator>

#include "client/lib/names.h"
#include "gtest/gtest.h"
#include "tests/reliability/attempt_order.h"
#include "tests/reliability/blob_bytes.h"

namespace acclimate::reliability {

void AcknowledgedWork::Created(const std::string& request_id, const v1::Job& job) {
  absl::MutexLock lock(&mutex_);
  const auto [request, is_new] = requests_.emplace(request_id, job.name());
  EXPECT_TRUE(is_new || request->second == job.name())
      << request_id << " made " << request->second << " and " << job.name();
  jobs_.emplace(job.name(), job);
}

v1::Job AcknowledgedWork::LastAnswer(const std::string& job) const {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(job);
  return found == jobs_.end() ? v1::Job() : found->second;
}

void AcknowledgedWork::Answered(const v1::Job& before, const v1::Job& answer) {
  ExpectNoStepBack(before, answer);
  absl::MutexLock lock(&mutex_);
  v1::Job& last = jobs_[answer.name()];
  if (answer.last_cursor() >= last.last_cursor()) last = answer;
}

void AcknowledgedWork::CancelAccepted(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  cancelled_.insert(job);
}

void AcknowledgedWork::DeleteBegins(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  leaving_.insert(job);
}

void AcknowledgedWork::Deleted(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  deleted_.insert(job);
}

bool AcknowledgedWork::MayBeGone(const std::string& job) const {
  absl::MutexLock lock(&mutex_);
  return leaving_.count(job) > 0;
}

void AcknowledgedWork::Pinned(const std::string& blob) {
  absl::MutexLock lock(&mutex_);
  blobs_.insert(blob);
}

void AcknowledgedWork::UnpinBegins(const std::string& blob) {
  absl::MutexLock lock(&mutex_);
  blobs_.erase(blob);
}

std::string AcknowledgedWork::AnyJob(std::mt19937_64& random) const {
  const std::vector<std::string> jobs = Jobs();
  if (jobs.empty()) return "";
  return jobs[std::uniform_int_distribution<size_t>(0, jobs.size() - 1)(random)];
}

std::vector<std::string> AcknowledgedWork::Jobs() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& [name, job] : jobs_) {
    if (leaving_.count(name) == 0) names.push_back(name);
  }
  return names;
}

std::map<std::string, std::string> AcknowledgedWork::Requests() const {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, std::string> requests;
  for (const auto& [id, job] : requests_) {
    if (leaving_.count(job) == 0) requests.emplace(id, job);
  }
  return requests;
}

int64_t AcknowledgedWork::open_jobs() const {
  absl::MutexLock lock(&mutex_);
  return std::count_if(jobs_.begin(), jobs_.end(),
                       [](const auto& job) { return !client::HasEnded(job.second.state()); });
}

void AcknowledgedWork::Check(e2e::ApiClient& api, const std::string& filter) const {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, v1::Job> there;
  for (const v1::Job& job : api.List(filter)) {
    EXPECT_TRUE(there.emplace(job.name(), job).second) << "listed twice: " << job.name();
    EXPECT_EQ(jobs_.count(job.name()), 1u) << "nobody was told of " << job.DebugString();
  }
  for (const auto& [name, last] : jobs_) {
    EXPECT_FALSE(deleted_.count(name) > 0 && there.count(name) > 0) << "deleted: " << name;
    if (leaving_.count(name) > 0) continue;
    EXPECT_EQ(there.count(name), 1u) << "lost: " << last.DebugString();
    const absl::StatusOr<v1::Job> now = api.Get(name);
    ASSERT_TRUE(now.ok()) << name << ": " << now.status();
    ExpectNoStepBack(last, *now);
    EXPECT_EQ(e2e::Bytes(now->spec()), e2e::Bytes(last.spec())) << name;
    EXPECT_TRUE(client::HasEnded(now->state())) << now->DebugString();
    if (cancelled_.count(name) > 0) {
      EXPECT_TRUE(now->state() == v1::JOB_STATE_CANCELLED ||
                  now->state() == v1::JOB_STATE_SUCCEEDED)
          << "was cancelled: " << now->DebugString();
    }
    ExpectResultReadable(api.connection(), *now);
  }
  for (const auto& [id, job] : requests_) {
    if (leaving_.count(job) > 0) continue;
    const absl::StatusOr<v1::Job> again = api.Create(jobs_.at(job).spec(), id);
    ASSERT_TRUE(again.ok()) << id << ": " << again.status();
    EXPECT_EQ(again->name(), job) << "of the request " << id;
  }
  for (const std::string& blob : blobs_) {
    const absl::Status status = ReadBlob(api.connection(), blob).status();
    EXPECT_TRUE(status.ok()) << "lost: " << blob << ": " << status;
  }
}

}  // namespace acclimate::reliability
