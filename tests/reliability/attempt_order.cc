#include "tests/reliability/attempt_order.h"

#include <algorithm>
#include <set>
#include <utility>

#include "client/lib/names.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"

namespace acclimate::reliability {
namespace {

// Written down a second time.
bool IsChange(v1::JobState from, v1::JobState to) {
  static const auto& changes = *new std::set<std::pair<v1::JobState, v1::JobState>>{
      {v1::JOB_STATE_UNSPECIFIED, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_STARTING},
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSED},
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_RUNNING},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_PAUSING},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_CANCELLING},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSING},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_PAUSED},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_CANCELLING},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_PAUSED, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED}};
  return changes.count({from, to}) > 0;
}

}  // namespace

void ExpectAttemptsInOrder(const v1::Job& job, const std::vector<v1::JobEvent>& history) {
  int64_t epoch = 0;
  for (int i = 0; i < job.attempts_size(); ++i) {
    EXPECT_EQ(job.attempts(i).number(), i + 1) << job.DebugString();
    EXPECT_GT(job.attempts(i).epoch(), epoch) << job.DebugString();
    epoch = job.attempts(i).epoch();
  }
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  int attempt = 0;
  for (const v1::JobEvent& event : history) {
    EXPECT_FALSE(client::HasEnded(state))
        << job.name() << ": after its end: " << event.ShortDebugString();
    EXPECT_GE(event.attempt(), attempt)
        << job.name() << ": of an earlier attempt: " << event.ShortDebugString();
    attempt = std::max(attempt, event.attempt());
    if (!event.has_state()) continue;
    EXPECT_EQ(event.state().from(), state) << job.name() << ": " << event.ShortDebugString();
    EXPECT_TRUE(IsChange(event.state().from(), event.state().to()))
        << job.name() << ": " << event.ShortDebugString();
    state = event.state().to();
  }
  EXPECT_EQ(state, job.state()) << job.DebugString();
}

void ExpectNoStepBack(const v1::Job& before, const v1::Job& after) {
  if (client::HasEnded(before.state())) {
    EXPECT_EQ(e2e::Bytes(after), e2e::Bytes(before))
        << "had ended: " << before.DebugString() << "now: " << after.DebugString();
    return;
  }
  EXPECT_GE(after.last_cursor(), before.last_cursor()) << after.DebugString();
  ASSERT_GE(after.attempts_size(), before.attempts_size()) << after.DebugString();
  for (int i = 0; i < before.attempts_size(); ++i) {
    EXPECT_EQ(after.attempts(i).epoch(), before.attempts(i).epoch()) << after.DebugString();
  }
}

}  // namespace acclimate::reliability
