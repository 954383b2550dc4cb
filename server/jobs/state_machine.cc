#include "server/jobs/state_machine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/errors.h"

namespace acclimate::jobs {
namespace {

struct Transition {
  v1::JobState from;
  v1::JobState to;
};

// The only changes there are.
constexpr Transition kTransitions[] = {
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_STARTING},      // leased
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSED},        //
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED},     // nothing has to be stopped first
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_FAILED},        // lost too often
    {v1::JOB_STATE_STARTING, v1::JOB_STATE_RUNNING},     // the worker has answered
    {v1::JOB_STATE_STARTING, v1::JOB_STATE_QUEUED},      // lost, preempted, drained
    {v1::JOB_STATE_STARTING, v1::JOB_STATE_PAUSING},     //
    {v1::JOB_STATE_STARTING, v1::JOB_STATE_CANCELLING},  //
    {v1::JOB_STATE_STARTING, v1::JOB_STATE_FAILED},      // the worker could not start
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED},       // lost, preempted, drained
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSING},      //
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING},   //
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED},    //
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_FAILED},       //
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_PAUSED},       //
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_CANCELLING},   //
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_SUCCEEDED},    // it was faster than the wish
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_FAILED},       //
    {v1::JOB_STATE_PAUSED, v1::JOB_STATE_QUEUED},        // resumed
    {v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLED},     //
    {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED},
    {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED},  // it was faster than the wish
};

}  // namespace

bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

bool IsLeased(v1::JobState state) {
  return state == v1::JOB_STATE_STARTING || state == v1::JOB_STATE_RUNNING ||
         state == v1::JOB_STATE_PAUSING || state == v1::JOB_STATE_CANCELLING;
}

bool CanTransition(v1::JobState from, v1::JobState to) {
  return std::any_of(
      std::begin(kTransitions), std::end(kTransitions),
      [from, to](const Transition& allowed) { return allowed.from == from && allowed.to == to; });
}

absl::Status CheckTransition(absl::string_view job, v1::JobState from, v1::JobState to) {
  if (CanTransition(from, to)) return absl::OkStatus();
  return PreconditionFailed(
      v1::JOB_STATE, job,
      absl::StrCat(job, " is ", ShortName(from), " and cannot become ", ShortName(to)));
}

absl::string_view ShortName(v1::JobState state) {
  // Names of a generated enum live as long as the program.
  absl::string_view name = v1::JobState_Name(state);
  absl::ConsumePrefix(&name, "JOB_STATE_");
  return name;
}

}  // namespace acclimate::jobs
