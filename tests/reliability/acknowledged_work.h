// Invariant I1: what the server has acknowledged is never lost, and nothing is done twice.
#ifndef ACCLIMATE_TESTS_RELIABILITY_ACKNOWLEDGED_WORK_H_
#define ACCLIMATE_TESTS_RELIABILITY_ACKNOWLEDGED_WORK_H_

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "acclimate/v1/job.pb.h"
#include "tests/e2e/api_client.h"

namespace acclimate::reliability {

// What clients were told. Thread-safe.
//
//   const v1::Job before = work.LastAnswer(name);
//   auto answer = api.Get(name);
//   if (answer.ok()) work.Answered(before, *answer);
class AcknowledgedWork {
 public:
  // CreateJob with this request id answered `job`: the same one each time.
  void Created(const std::string& request_id, const v1::Job& job);
  // The newest answer so far, to be taken before a call; empty: none.
  v1::Job LastAnswer(const std::string& job) const;
  // A call that began after `before` was taken answered `answer`.
  void Answered(const v1::Job& before, const v1::Job& answer);
  void CancelAccepted(const std::string& job);
  // From here on the job may be gone.
  void DeleteBegins(const std::string& job);
  void Deleted(const std::string& job);
  bool MayBeGone(const std::string& job) const;
  // Every byte of the blob was taken, and it is pinned.
  void Pinned(const std::string& blob);
  // From here on the blob may be gone.
  void UnpinBegins(const std::string& blob);

  // One of the jobs that are there; empty: there is none.
  std::string AnyJob(std::mt19937_64& random) const;
  std::vector<std::string> Jobs() const;
  // With request ids whose jobs are there.
  std::map<std::string, std::string> Requests() const;
  int64_t open_jobs() const;

  // Once every job has ended and no call is under way: the server has exactly these jobs among
  // those of `filter`, each as it was last seen or later, and every blob with its bytes.
  void Check(e2e::ApiClient& api, const std::string& filter) const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::string> requests_ ABSL_GUARDED_BY(mutex_);  // id -> job
  std::map<std::string, v1::Job> jobs_ ABSL_GUARDED_BY(mutex_);          // by name
  std::set<std::string> cancelled_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> leaving_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> deleted_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> blobs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_ACKNOWLEDGED_WORK_H_
