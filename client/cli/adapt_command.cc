#include "client/cli/following.h"
#include "client/cli/submission.h"

namespace acclimate::cli {
namespace {

// Chooses among the methods that fit the data at hand.
constexpr char kDefaultMethod[] = "auto";

absl::StatusOr<ExitCode> Adapt(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  JobInputs inputs;
  inputs.checkpoint = arguments.Text("checkpoint");
  inputs.architecture = arguments.Text("architecture");
  inputs.num_classes = arguments.Integer("classes", 0);
  inputs.sources = arguments.All("source");
  inputs.target = arguments.Text("target");
  inputs.evaluation = arguments.Text("eval");
  inputs.audit = arguments.Text("audit");
  inputs.use_audit = arguments.Has("use-audit");
  inputs.named = arguments.KeyValues("input");
  inputs.method = arguments.Text("method", kDefaultMethod);
  absl::Status status = CheckStart(arguments);
  if (status.ok()) status = CheckAudit(arguments);
  if (status.ok()) status = CheckOut(arguments);
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
      "to report, and so are those given with --audit, unless --use-audit lets them choose.\n"
      "Ctrl-C detaches: the job goes on.";
  command.arguments.options = {
      {"checkpoint", ValueKind::kFile, "MODEL",
       "TorchScript, .pt2, or a state dict (.safetensors, .pth) with --architecture"},
      {"target", ValueKind::kFile, "DATA",
       "unlabelled: safetensors, npz or npy with `inputs`, CSV, or a folder or archive of pictures",
       true},
      {"source", ValueKind::kFile, "DATA", "labelled data of the model's own domain", false, true},
      {"input", ValueKind::kKeyValue, "NAME=FILE",
       "what the method takes beside these: see `acclimate methods NAME`", false, true},
      {"eval", ValueKind::kFile, "DATA", "labelled target data, for the report"},
      {"audit", ValueKind::kFile, "FILE",
       "labels of samples that `acclimate audit` drew from the target, for the report"},
      {"use-audit", ValueKind::kSwitch, "",
       "let the labels of --audit choose, too: where the source model is right on more of them, it "
       "is returned"},
      {"method", ValueKind::kText, "NAME",
       "see `acclimate methods` (default: auto, which chooses by label-free validators)"},
      {"architecture", ValueKind::kText, "NAME",
       "of a state dict that does not name its own; without --checkpoint, of fresh weights for the "
       "methods that can start with them"},
      {"classes", ValueKind::kInteger32, "N", "of fresh weights, where no labels tell"},
  };
  AddJobOptions(&command.arguments);
  command.run = Adapt;
  return command;
}

}  // namespace acclimate::cli
