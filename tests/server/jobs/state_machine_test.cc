#include "server/jobs/state_machine.h"

#include <map>
#include <set>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/base/errors.h"

namespace acclimate::jobs {
namespace {

using ::testing::HasSubstr;

// What a job may become, from each state there is.
const std::map<v1::JobState, std::set<v1::JobState>>& Table() {
  static const auto* table = new std::map<v1::JobState, std::set<v1::JobState>>{
      {v1::JOB_STATE_UNSPECIFIED, {}},
      {v1::JOB_STATE_QUEUED,
       {v1::JOB_STATE_STARTING, v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLED,
        v1::JOB_STATE_FAILED}},
      {v1::JOB_STATE_STARTING,
       {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSING,
        v1::JOB_STATE_CANCELLING, v1::JOB_STATE_FAILED}},
      {v1::JOB_STATE_RUNNING,
       {v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSING, v1::JOB_STATE_CANCELLING,
        v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED}},
      {v1::JOB_STATE_PAUSING,
       {v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED,
        v1::JOB_STATE_FAILED}},
      {v1::JOB_STATE_PAUSED, {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED}},
      {v1::JOB_STATE_CANCELLING, {v1::JOB_STATE_CANCELLED, v1::JOB_STATE_SUCCEEDED}},
      {v1::JOB_STATE_SUCCEEDED, {}},
      {v1::JOB_STATE_FAILED, {}},
      {v1::JOB_STATE_CANCELLED, {}},
  };
  return *table;
}

std::vector<v1::JobState> AllStates() {
  std::vector<v1::JobState> states;
  for (int number = v1::JobState_MIN; number <= v1::JobState_MAX; ++number) {
    states.push_back(static_cast<v1::JobState>(number));
  }
  return states;
}

TEST(StateMachineTest, EveryPairOfStatesIsAsTheTableSays) {
  for (v1::JobState from : AllStates()) {
    ASSERT_EQ(Table().count(from), 1u) << "a new state: " << v1::JobState_Name(from);
    for (v1::JobState to : AllStates()) {
      const bool allowed = Table().at(from).count(to) > 0;
      EXPECT_EQ(CanTransition(from, to), allowed) << ShortName(from) << " to " << ShortName(to);
      EXPECT_EQ(CheckTransition("job", from, to).code(),
                allowed ? absl::StatusCode::kOk : absl::StatusCode::kFailedPrecondition)
          << ShortName(from) << " to " << ShortName(to);
    }
  }
}

TEST(StateMachineTest, NoStateIsLeftOnlyByJobsThatHaveEnded) {
  for (v1::JobState state : AllStates()) {
    if (state == v1::JOB_STATE_UNSPECIFIED) continue;
    EXPECT_EQ(IsTerminal(state), Table().at(state).empty()) << ShortName(state);
  }
}

TEST(StateMachineTest, ALeaseIsHeldFromStartingToTheEnd) {
  const std::set<v1::JobState> leased = {v1::JOB_STATE_STARTING, v1::JOB_STATE_RUNNING,
                                         v1::JOB_STATE_PAUSING, v1::JOB_STATE_CANCELLING};
  for (v1::JobState state : AllStates()) {
    EXPECT_EQ(IsLeased(state), leased.count(state) > 0) << ShortName(state);
  }
}

TEST(StateMachineTest, ARefusalNamesTheJobAndBothStates) {
  const absl::Status status =
      CheckTransition("tenants/default/jobs/abc", v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_CANCELLED);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("tenants/default/jobs/abc"),
                                                   HasSubstr("SUCCEEDED"), HasSubstr("CANCELLED")));
  google::rpc::PreconditionFailure failure;
  const google::rpc::Status details = ToRpcStatus(status);
  ASSERT_TRUE(std::any_of(details.details().begin(), details.details().end(),
                          [&](const auto& detail) { return detail.UnpackTo(&failure); }));
  EXPECT_EQ(failure.violations(0).type(), "JOB_STATE");
  EXPECT_EQ(failure.violations(0).subject(), "tenants/default/jobs/abc");
}

TEST(StateMachineTest, ShortNamesHaveNoPrefix) {
  EXPECT_EQ(ShortName(v1::JOB_STATE_RUNNING), "RUNNING");
  EXPECT_EQ(ShortName(v1::JOB_STATE_CANCELLING), "CANCELLING");
}

}  // namespace
}  // namespace acclimate::jobs
