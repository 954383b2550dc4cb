#include "client/cli/following.h"
#include "client/cli/submission.h"

namespace acclimate::cli {
namespace {

// What adapts without a choice by the user: the strongest method for the data at hand.
constexpr char kDefaultWithoutSources[] = "shot";
constexpr char kDefaultWithSources[] = "dann";

absl::StatusOr<ExitCode> Adapt(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  JobInputs inputs;
  inputs.checkpoint = arguments.Text("checkpoint");
  inputs.architecture = arguments.Text("architecture");
  inputs.sources = arguments.All("source");
  inputs.target = arguments.Text("target");
  inputs.evaluation = arguments.Text("eval");
  inputs.method = arguments.Text(
      "method", inputs.sources.empty() ? kDefaultWithoutSources : kDefaultWithSources);
  absl::Status status = CheckOut(arguments);
  if (!status.ok()) return status;
  absl::StatusOr<v1::JobSpec> spec = PrepareJob(invocation, inputs);
  if (!spec.ok()) return spec.status();
  return RunJob(invocation, *spec);
}

}  // namespace

Command AdaptCommand() {
  Command command;
  command.name = "adapt";
  command.summary = "Adapt a trained model to unlabelled data from the place where it must work";
  command.description =
      "Uploads what the server lacks, submits a job, shows its progress, and puts the adapted\n"
      "model, report.json and lineage.json into DIR. Labels given with --eval are only ever used\n"
      "to report. Ctrl-C detaches: the job goes on.";
  command.arguments.options = {
      {"checkpoint", ValueKind::kFile, "MODEL",
       "TorchScript, or a state dict (.safetensors, .pth) with --architecture", true},
      {"target", ValueKind::kFile, "DATA", "unlabelled: safetensors, npz or npy with `inputs`",
       true},
      {"source", ValueKind::kFile, "DATA", "labelled data of the model's own domain", false, true},
      {"eval", ValueKind::kFile, "DATA", "labelled target data, for the report"},
      {"method", ValueKind::kText, "NAME",
       "see `acclimate methods` (default: shot; dann when there is a --source)"},
      {"architecture", ValueKind::kText, "NAME", "of a state dict that does not name its own"},
  };
  AddJobOptions(&command.arguments);
  command.run = Adapt;
  return command;
}

}  // namespace acclimate::cli
