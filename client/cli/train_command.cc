#include "client/cli/following.h"
#include "client/cli/submission.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> Train(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  JobInputs inputs;
  inputs.method = "finetune";
  inputs.checkpoint = arguments.Text("checkpoint");
  inputs.architecture = arguments.Text("architecture");
  inputs.target = arguments.Text("data");
  inputs.evaluation = arguments.Text("eval");
  absl::Status status = CheckStart(arguments);
  if (status.ok()) status = CheckOut(arguments);
  if (!status.ok()) return status;
  absl::StatusOr<v1::JobSpec> spec = PrepareJob(invocation, inputs);
  if (!spec.ok()) return spec.status();
  if (arguments.Has("keep-head")) (*spec->mutable_hyperparameters())["head"].set_text("keep");
  return RunJob(invocation, *spec);
}

}  // namespace

Command TrainCommand() {
  Command command;
  command.name = "train";
  command.summary = "Train a model on labelled data, afresh or from a checkpoint";
  command.description =
      "A `finetune` job: see `acclimate methods finetune` for its hyperparameters.";
  command.arguments.options = {
      {"data", ValueKind::kFile, "DATA",
       "safetensors or npz with `inputs` and `labels`, CSV with --label-column, or a folder or "
       "archive of pictures, a folder a class",
       true},
      {"architecture", ValueKind::kText, "NAME",
       "a built-in architecture: see `acclimate methods`"},
      {"checkpoint", ValueKind::kFile, "MODEL",
       "start from these weights; data of other classes get a new classifier layer"},
      {"keep-head", ValueKind::kSwitch, "",
       "train the classifier layer of --checkpoint, whatever classes the data have"},
      {"eval", ValueKind::kFile, "DATA", "labelled data, for the report"},
  };
  AddJobOptions(&command.arguments);
  command.run = Train;
  return command;
}

}  // namespace acclimate::cli
