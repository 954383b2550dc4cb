#include <string>

#include "client/cli/fetched_report.h"
#include "client/cli/following.h"
#include "client/cli/report_text.h"
#include "client/cli/submission.h"

namespace acclimate::cli {
namespace {

constexpr char kDiagnosis[] = "diagnosis";

absl::StatusOr<ExitCode> PrintDiagnosis(Invocation& invocation, const v1::Job& job) {
  absl::StatusOr<Json> report = FetchReport(invocation, job, {kDiagnosis});
  if (!report.ok()) return report.status();
  const Json& diagnosis = (*report)[kDiagnosis];
  if (invocation.json) {
    PrintJson({{"job", job.name()}, {kDiagnosis, diagnosis}});
    return kSuccess;
  }
  absl::StatusOr<std::string> text = DiagnosisText(diagnosis);
  if (!text.ok()) return text.status();
  PrintText(*text);
  return kSuccess;
}

absl::StatusOr<ExitCode> Diagnose(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  JobInputs inputs;
  inputs.method = "diagnose";
  inputs.checkpoint = arguments.Text("checkpoint");
  inputs.architecture = arguments.Text("architecture");
  inputs.sources = arguments.All("source");
  inputs.target = arguments.Text("target");
  inputs.named = arguments.KeyValues("input");
  absl::StatusOr<v1::JobSpec> spec = PrepareJob(invocation, inputs);
  if (!spec.ok()) return spec.status();
  return RunJobAndPrint(invocation, *spec, &PrintDiagnosis);
}

}  // namespace

Command DiagnoseCommand() {
  Command command;
  command.name = "diagnose";
  command.summary = "Tell how the target differs from the sources, and which methods fit";
  command.description =
      "Prints the verdict, the methods that fit and those that cannot work with the reason, and a\n"
      "table of distances between the domains at the inputs, through the network and at the\n"
      "outputs. With --json: the report's `diagnosis`. See docs/diagnosis.md.";
  command.arguments.options = {
      {"checkpoint", ValueKind::kFile, "MODEL",
       "TorchScript, .pt2, or a state dict (.safetensors, .pth) with --architecture", true},
      {"source", ValueKind::kFile, "DATA", "labelled data of the model's own domain", true, true},
      {"target", ValueKind::kFile, "DATA",
       "unlabelled: safetensors, npz or npy with `inputs`, CSV, or a folder or archive of pictures",
       true},
      {"input", ValueKind::kKeyValue, "NAME=FILE",
       "probe=DATA, a few labelled target samples; candidate_1=MODEL, to be ranked", false, true},
      {"architecture", ValueKind::kText, "NAME", "of a state dict that does not name its own"},
  };
  AddJobOptions(&command.arguments);
  command.run = Diagnose;
  return command;
}

}  // namespace acclimate::cli
