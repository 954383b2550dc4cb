#include "server/node/attempt_supervisor.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/bounded_text.h"
#include "server/base/log.h"
#include "server/base/proto_time.h"
#include "server/base/resource_names.h"
#include "server/node/outputs.h"
#include "server/node/worker_message.h"
#include "server/protocol/attempt_id.h"
#include "server/protocol/message_limits.h"

namespace acclimate::node {
namespace {

using jobs::AttemptOutcome;

constexpr absl::Duration kSendLimit = absl::Seconds(10);
// For a worker that has said its last word, or closed its channel, to end by itself.
constexpr absl::Duration kExitGrace = absl::Seconds(5);

absl::Duration RunTimeLimit(const v1::JobSpec& spec, absl::Duration limit) {
  if (!spec.limits().has_run_time()) return limit;
  return std::min(limit, FromProtoDuration(spec.limits().run_time()));
}

// The smaller of the job's own limit and the node's, of which 0 is none.
MemoryLimit SmallerLimit(int64_t own, int64_t of_node) {
  if (own > 0 && (of_node <= 0 || own < of_node)) {
    return {own, 0, "the job's own limits.memory_bytes"};
  }
  return {std::max<int64_t>(of_node, 0), 0, "--job-memory-limit"};
}

// Of an open file; 0 where that cannot be known.
int64_t SizeOf(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 ? int64_t{info.st_size} : 0;
}

// What the worker, or its exit, has said already is not said twice.
absl::Status WithLimit(const absl::Status& error, const MemoryLimit& limit) {
  const std::string text = limit.ToString();
  if (limit.bytes <= 0 || absl::StrContains(error.message(), text)) return error;
  return {error.code(), absl::StrCat(error.message(), "; of main memory ", text)};
}

}  // namespace

AttemptSupervisor::AttemptSupervisor(const jobs::Lease& lease, WorkerProcess& worker,
                                     AttemptControl& control, const Services& services,
                                     const NodeOptions& options)
    : lease_(lease),
      worker_(worker),
      control_(control),
      services_(services),
      options_(options),
      run_time_limit_(RunTimeLimit(lease.spec, options.run_time_limit)),
      memory_limit_(SmallerLimit(lease.spec.limits().memory_bytes(), options.memory_limit_bytes)) {}

absl::StatusOr<AttemptOutcome> AttemptSupervisor::Run() {
  const absl::Status sent = SendAssignment();
  if (absl::IsUnavailable(sent) || absl::IsDeadlineExceeded(sent)) {
    worker_.Kill();
    worker_.Reap(absl::InfiniteDuration());
    services_.metrics.WorkerExited("idle");
    return absl::UnavailableError(sent.message());
  }
  absl::StatusOr<AttemptOutcome> outcome = Failure(v1::ATTEMPT_CAUSE_USER_ERROR, sent);
  if (sent.ok()) outcome = Supervise();
  worker_.Kill();
  const WorkerExit exit = worker_.Reap(absl::InfiniteDuration());
  EndPhase();
  if (!outcome.ok()) {
    services_.metrics.WorkerExited("lease_over");
    return outcome;
  }
  if (outcome->cause == v1::ATTEMPT_CAUSE_OUT_OF_MEMORY) {
    outcome->error = WithLimit(outcome->error, memory_limit_);
  }
  outcome->last_phase = progress_.phase();
  outcome->stderr_tail = worker_.StderrTail();
  outcome->peak_memory_bytes = worker_.peak_memory_bytes();
  if (!exit.killed_by_node && outcome->kind == AttemptOutcome::Kind::kFailed) {
    outcome->signal = exit.signal;
    outcome->exit_code = exit.exit_code;
  }
  services_.metrics.WorkerExited(ExitLabel(*outcome));
  return outcome;
}

absl::Status AttemptSupervisor::SendAssignment() {
  const v1::JobSpec& spec = lease_.spec;
  v1::NodeToWorker message;
  v1::Assignment& assignment = *message.mutable_assignment();
  *assignment.mutable_spec() = spec;
  *assignment.mutable_spec()->mutable_limits()->mutable_run_time() =
      ToProtoDuration(run_time_limit_);
  assignment.set_scratch_directory(worker_.scratch_directory());
  const int threads = spec.resources().threads();
  assignment.set_threads(threads > 0 ? std::min(threads, options_.threads_per_slot)
                                     : options_.threads_per_slot);
  const std::string& device = spec.resources().device();
  assignment.set_batch_divisor(lease_.batch_divisor);
  *assignment.mutable_checkpoint_interval() = ToProtoDuration(options_.checkpoint_interval);
  assignment.set_device(device.empty() || device == "auto" ? options_.device : device);

  v1::DatasetRef checkpoint;
  checkpoint.set_blob(spec.model().checkpoint());
  checkpoint.set_display_name("checkpoint");
  absl::Status status = AddFile(v1::InputFile::CHECKPOINT, checkpoint, assignment);
  for (const v1::DatasetRef& source : spec.sources()) {
    status.Update(AddFile(v1::InputFile::SOURCE, source, assignment));
  }
  status.Update(AddFile(v1::InputFile::TARGET, spec.target(), assignment));
  status.Update(AddFile(v1::InputFile::EVALUATION, spec.evaluation(), assignment));
  for (const v1::NamedInput& input : spec.inputs()) {
    v1::DatasetRef file;
    file.set_blob(input.blob());
    file.set_display_name(input.display_name());
    status.Update(AddFile(v1::InputFile::NAMED, file, assignment));
    if (status.ok()) assignment.mutable_files()->rbegin()->set_name(input.name());
  }
  if (!status.ok()) return status;
  AddCheckpoint(assignment);

  if (memory_limit_.bytes > 0) {
    for (const artifacts::FileDescriptor& file : files_) {
      memory_limit_.file_bytes += SizeOf(file.get());
    }
    status = worker_.LimitMemory(memory_limit_);
  }
  if (absl::IsNotFound(status)) return absl::UnavailableError(status.message());  // no such process
  if (!status.ok()) return status;

  std::vector<int> descriptors;
  for (const artifacts::FileDescriptor& file : files_) descriptors.push_back(file.get());
  *message.mutable_id() = lease_.id;
  status = worker_.channel().Send(message, descriptors, Instant::Now() + kSendLimit);
  files_.clear();
  return status;
}

// Without the file that it left the job begins anew, which costs time only.
void AttemptSupervisor::AddCheckpoint(v1::Assignment& assignment) {
  v1::DatasetRef state;
  state.set_blob(lease_.checkpoint.blob());
  state.set_display_name("checkpoint of the training");
  const absl::Status status = AddFile(v1::InputFile::TRAINING_STATE, state, assignment);
  if (status.ok()) return;
  LogWarning("the job begins anew: its checkpoint cannot be read",
             {{"job", lease_.id.job()}, {"blob", state.blob()}, {"error", status}});
}

absl::Status AttemptSupervisor::AddFile(v1::InputFile::Role role, const v1::DatasetRef& file,
                                        v1::Assignment& assignment) {
  if (file.blob().empty()) return absl::OkStatus();
  const absl::StatusOr<ResourceName> name = ParseBlobName(file.blob());
  if (!name.ok()) return name.status();
  const absl::StatusOr<artifacts::LocalBlobFiles*> blobs = services_.blobs.FilesOf(name->tenant);
  if (!blobs.ok()) return absl::FailedPreconditionError(blobs.status().message());
  absl::StatusOr<artifacts::FileDescriptor> blob = (*blobs)->OpenFile(name->id);
  // Not UNAVAILABLE, which is a worker's: a disk that fails here fails this attempt.
  if (absl::IsNotFound(blob.status()) || absl::IsDataLoss(blob.status())) return blob.status();
  if (!blob.ok()) return absl::FailedPreconditionError(blob.status().message());
  files_.push_back(*std::move(blob));
  v1::InputFile& input = *assignment.add_files();
  input.set_role(role);
  input.set_display_name(file.display_name());
  input.set_digest(absl::StrCat("sha256:", name->id));
  return absl::OkStatus();
}

absl::StatusOr<AttemptOutcome> AttemptSupervisor::Supervise() {
  while (!finished_.has_value()) {
    const Wishes wishes = control_.Read();
    if (wishes.lease_over) return absl::AbortedError("the lease is over");
    ObeyWishes(wishes);
    CheckSilence();
    if (Instant::Now() >= kill_at_) {
      worker_.Kill();
      return Died();
    }
    worker_.Wait(control_.wake_fd(), NextLook(wishes));
    v1::WorkerToNode message;
    const absl::StatusOr<bool> whole = worker_.channel().TryReceive(message);
    if (absl::IsUnavailable(whole.status())) return Died();
    if (!whole.ok()) return BrokeProtocol(whole.status());
    if (!*whole) continue;
    active_at_ = Instant::Now();
    const absl::Status handled = Handle(message);
    if (absl::IsAborted(handled)) return handled;
    if (!handled.ok()) return BrokeProtocol(handled);
  }
  return Finished();
}

void AttemptSupervisor::ObeyWishes(const Wishes& wishes) {
  if (wishes.cancel) Stop(StopReason::kCancel, options_.stop_grace);
  if (Instant::Now() >= wishes.drain_pause) {
    Pause(StopReason::kDrain);
    kill_at_ = std::min(kill_at_, wishes.drain_deadline);
  }
  if (wishes.pause) Pause(StopReason::kPause);
  if (wishes.preempt) Pause(StopReason::kPreempt);
  if (Instant::Now() >= start_ + run_time_limit_) Stop(StopReason::kTimeLimit, options_.stop_grace);
}

void AttemptSupervisor::Pause(StopReason reason) {
  if (stop_ != StopReason::kNone) return;
  stop_ = reason;
  v1::NodeToWorker message;
  message.mutable_pause();
  Send(std::move(message));
}

bool AttemptSupervisor::PausesForOthers() const {
  return stop_ == StopReason::kPause || stop_ == StopReason::kPreempt;
}

// When there may be something to do although nobody speaks.
Instant AttemptSupervisor::NextLook(const Wishes& wishes) const {
  if (kill_at_ < Instant::Never()) return kill_at_;
  return std::min(
      {start_ + run_time_limit_, active_at_ + options_.no_progress_timeout, wishes.drain_pause});
}

// One that computes may have nothing to say for long.
void AttemptSupervisor::CheckSilence() {
  // A worker that is to stop is killed anyway; one that is to save its state may be stuck.
  if (stop_ != StopReason::kNone && !PausesForOthers()) return;
  if (Instant::Now() < active_at_ + options_.no_progress_timeout) return;
  active_at_ = Instant::Now();
  const std::optional<absl::Duration> used = worker_.ProcessorTime();
  if (used != std::exchange(processor_time_, used)) return;
  Stop(StopReason::kSilence, options_.stop_grace);
  worker_.Terminate();
}

// The first reason to end the attempt tells the worker; one that outranks it changes the name.
void AttemptSupervisor::Stop(StopReason reason, absl::Duration grace) {
  kill_at_ = std::min(kill_at_, Instant::Now() + grace);
  if (stop_ == StopReason::kNone || PausesForOthers()) {
    v1::NodeToWorker message;
    message.mutable_cancel();
    Send(std::move(message));
    stop_ = reason;
  }
  if (reason == StopReason::kCancel) stop_ = reason;
}

// Does not wait: a worker that reads nothing is one that gets killed, not one to wait for.
void AttemptSupervisor::Send(v1::NodeToWorker message) {
  *message.mutable_id() = lease_.id;
  const absl::Status sent = worker_.channel().Send(message, {}, Instant::Now());
  if (!sent.ok()) LogWarning("worker does not listen", {{"job", lease_.id.job()}, {"error", sent}});
}

absl::Status AttemptSupervisor::Handle(const v1::WorkerToNode& message) {
  if (!protocol::SameAttempt(message.id(), lease_.id)) {
    return absl::InternalError("a message for another attempt");
  }
  if (absl::Status status = CheckWorkerMessage(message); !status.ok()) return status;
  if (absl::Status status = ReportStart(); !status.ok()) return status;
  switch (message.kind_case()) {
    case v1::WorkerToNode::kProgress:
      return HandleProgress(message.progress());
    case v1::WorkerToNode::kWarning:
      return HandleWarning(message.warning());
    case v1::WorkerToNode::kTrainingState:
      return HandleTrainingState(message.training_state());
    case v1::WorkerToNode::kFinished:
      worker_.MeasureMemory();
      finished_ = message.finished();
      return absl::OkStatus();
    default:
      return absl::InternalError("an unexpected message");
  }
}

// It has started when the store says so: until then every message says it again.
absl::Status AttemptSupervisor::ReportStart() {
  if (started_) return absl::OkStatus();
  const absl::Status started = services_.broker.Started(lease_.id);
  started_ = started.ok();
  return OverIfAborted(started, "start");
}

absl::Status AttemptSupervisor::HandleProgress(const v1::Progress& progress) {
  if (progress.phase() != progress_.phase()) EndPhase();
  const int64_t steps = progress.step() - progress_.step();
  if (steps > 0) {
    services_.metrics.AddTrainingSteps(
        lease_.spec.method(), steps, std::max<int64_t>(0, progress.samples() - progress_.samples()),
        absl::Seconds(progress.step_seconds()));
  }
  progress_ = progress;
  return OverIfAborted(services_.broker.ReportProgress(lease_.id, progress), "progress");
}

absl::Status AttemptSupervisor::HandleWarning(const std::string& text) {
  // Each is a durable write.
  if (warnings_.size() > protocol::kMaxWarnings) return absl::OkStatus();
  warnings_.push_back(warnings_.size() < protocol::kMaxWarnings
                          ? BoundedText(text, protocol::kMaxWarningBytes)
                          : "further warnings are left out");
  return OverIfAborted(services_.broker.ReportWarning(lease_.id, warnings_.back()), "warning");
}

absl::Status AttemptSupervisor::HandleTrainingState(const v1::WorkerToNode::TrainingState& state) {
  const absl::StatusOr<ResourceName> job = ParseJobName(lease_.id.job());
  if (!job.ok()) return job.status();
  const absl::StatusOr<artifacts::HeldBlob> blob =
      ImportCopy(state.file(), worker_.scratch_directory(), job->tenant, services_.blobs);
  if (absl::IsInternal(blob.status())) return blob.status();
  if (!blob.ok()) return OverIfAborted(blob.status(), "training state");
  std::error_code ignored;
  std::filesystem::remove(absl::StrCat(worker_.scratch_directory(), "/", state.file()), ignored);
  v1::Checkpointed checkpoint;
  checkpoint.set_step(state.step());
  checkpoint.set_blob(BlobName(job->tenant, blob->sha256));
  return OverIfAborted(services_.broker.ReportCheckpoint(lease_.id, checkpoint), "training state");
}

// A report that could not be written is no fault of the worker's: it is logged, and the run goes
// on.
absl::Status AttemptSupervisor::OverIfAborted(const absl::Status& report, const char* what) {
  if (report.ok()) return report;
  LogWarning("report refused", {{"job", lease_.id.job()}, {"report", what}, {"error", report}});
  return absl::IsAborted(report) ? report : absl::OkStatus();
}

void AttemptSupervisor::EndPhase() {
  const Instant now = Instant::Now();
  if (!progress_.phase().empty()) {
    services_.metrics.ObservePhase(progress_.phase(), now - phase_start_);
  }
  phase_start_ = now;
}

absl::Duration AttemptSupervisor::LimitOf(StopReason reason) const {
  return reason == StopReason::kSilence ? options_.no_progress_timeout : run_time_limit_;
}

AttemptOutcome AttemptSupervisor::Finished() {
  // From here on nobody changes its files any more.
  worker_.Reap(kExitGrace);
  switch (finished_->outcome()) {
    case v1::WorkerFinished::SUCCEEDED:
      return Succeeded();
    case v1::WorkerFinished::PAUSED:
      if (PausesForOthers() || stop_ == StopReason::kDrain) return Paused();
      return OutcomeOfStop(stop_, LimitOf(stop_));
    case v1::WorkerFinished::CANCELLED:
      return OutcomeOfStop(stop_, LimitOf(stop_));
    case v1::WorkerFinished::FAILED:
      if (stop_ == StopReason::kCancel) return OutcomeOfStop(stop_, LimitOf(stop_));
      return OutcomeOfError(*finished_);
    default:
      return BrokeProtocol(absl::InternalError("a result without an outcome"));
  }
}

AttemptOutcome AttemptSupervisor::Succeeded() {
  AttemptOutcome outcome;
  absl::StatusOr<v1::JobResult> result = Outputs(outcome.holds);
  if (!result.ok()) return OutcomeOfImport(result.status());
  for (const std::string& warning : warnings_) result->add_warnings(warning);
  outcome.kind = AttemptOutcome::Kind::kSucceeded;
  outcome.result = *std::move(result);
  return outcome;
}

// Before its first step an attempt leaves no state: the next one begins where this one did.
AttemptOutcome AttemptSupervisor::Paused() {
  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::kPaused;
  if (stop_ != StopReason::kPause) outcome = OutcomeOfStop(stop_, LimitOf(stop_));
  const absl::StatusOr<v1::JobResult> files = Outputs(outcome.holds);
  if (!files.ok()) return OutcomeOfImport(files.status());
  if (files->files_size() == 1) {
    outcome.checkpoint.set_step(progress_.step());
    outcome.checkpoint.set_blob(files->files(0).blob());
  }
  return outcome;
}

absl::StatusOr<v1::JobResult> AttemptSupervisor::Outputs(std::vector<artifacts::BlobHold>& holds) {
  const absl::StatusOr<ResourceName> job = ParseJobName(lease_.id.job());
  if (!job.ok()) return job.status();
  return ImportOutputs(*finished_, worker_.scratch_directory(), job->tenant, services_.blobs,
                       holds);
}

AttemptOutcome AttemptSupervisor::Died() {
  const WorkerExit exit = worker_.Reap(kExitGrace);
  if (stop_ != StopReason::kNone && !PausesForOthers()) {
    return OutcomeOfStop(stop_, LimitOf(stop_));
  }
  return OutcomeOfDeath(exit, progress_.phase());
}

AttemptOutcome AttemptSupervisor::BrokeProtocol(const absl::Status& how) {
  worker_.Kill();
  return Failure(v1::ATTEMPT_CAUSE_CRASH,
                 absl::InternalError(absl::StrCat("the worker broke the protocol and was killed: ",
                                                  how.message())));
}

}  // namespace acclimate::node
