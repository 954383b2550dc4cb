// What every JobStore must do, whatever it keeps its jobs in. A new store makes itself a test by a
// JobStoreUnderTest and one line for each suite:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, JobStoreConformance, testing::Values(&MakeMine));
#ifndef ACCLIMATE_TESTS_SERVER_JOBS_JOB_STORE_CONFORMANCE_H_
#define ACCLIMATE_TESTS_SERVER_JOBS_JOB_STORE_CONFORMANCE_H_

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/jobs/job_change.h"
#include "server/jobs/job_store.h"

namespace acclimate::jobs {

class JobStoreUnderTest {
 public:
  virtual ~JobStoreUnderTest() = default;
  virtual JobStore& store() = 0;
  // As another process finds it after this one was killed.
  virtual void Reopen() = 0;
};

using JobStoreMaker = std::unique_ptr<JobStoreUnderTest> (*)();

class JobStoreConformance : public testing::TestWithParam<JobStoreMaker> {
 protected:
  static std::string Name(const std::string& id) { return "tenants/default/jobs/" + id; }

  JobStore& store() { return under_test_->store(); }
  void Reopen() { under_test_->Reopen(); }

  v1::Job Create(const std::string& id, const v1::JobSpec& spec = {});
  v1::Job Get(const std::string& id);
  std::vector<v1::JobEvent> Events(const std::string& id);
  // All pages, one after the other.
  std::vector<v1::Job> ListAll(JobQuery query);

 private:
  const std::unique_ptr<JobStoreUnderTest> under_test_ = GetParam()();
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_TESTS_SERVER_JOBS_JOB_STORE_CONFORMANCE_H_
