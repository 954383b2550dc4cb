#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/fetched_report.h"
#include "client/cli/following.h"
#include "client/cli/report_text.h"
#include "client/cli/submission.h"

namespace acclimate::cli {
namespace {

// What the report of an evaluation must hold, and what is printed of it.
constexpr const char* kFields[] = {"accuracy", "per_class_accuracy", "confusion_matrix"};

std::string EvaluationText(const Json& report) {
  std::string text = absl::StrFormat("accuracy %.4f\n", report["accuracy"].get<double>());
  absl::StrAppend(&text, "per-class accuracy\n");
  size_t label = 0;
  for (const Json& value : report["per_class_accuracy"]) {
    absl::StrAppendFormat(
        &text, "  %3s  %s\n", ClassName(report, label++),
        value.is_number() ? absl::StrFormat("%.4f", value.get<double>()) : "no samples");
  }
  absl::StrAppend(&text, "confusion matrix (rows: labels, columns: predictions)\n");
  for (const Json& row : report["confusion_matrix"]) {
    for (const Json& count : row) absl::StrAppendFormat(&text, " %6d", count.get<int64_t>());
    absl::StrAppend(&text, "\n");
  }
  return text;
}

absl::StatusOr<ExitCode> PrintReport(Invocation& invocation, const v1::Job& job) {
  absl::StatusOr<Json> report =
      FetchReport(invocation, job, {std::begin(kFields), std::end(kFields)});
  if (!report.ok()) return report.status();
  if (!invocation.json) {
    PrintText(EvaluationText(*report));
    return kSuccess;
  }
  Json document = {{"job", job.name()}};
  for (const char* field : kFields) document[field] = (*report)[field];
  if (report->contains("class_names")) document["class_names"] = (*report)["class_names"];
  document["warnings"] = Json::array();
  for (const std::string& warning : job.result().warnings()) {
    document["warnings"].push_back(warning);
  }
  PrintJson(document);
  return kSuccess;
}

absl::StatusOr<ExitCode> Evaluate(Invocation& invocation) {
  JobInputs inputs;
  inputs.method = "evaluate";
  inputs.checkpoint = invocation.arguments.Text("checkpoint");
  inputs.architecture = invocation.arguments.Text("architecture");
  inputs.target = invocation.arguments.Text("data");
  absl::StatusOr<v1::JobSpec> spec = PrepareJob(invocation, inputs);
  if (!spec.ok()) return spec.status();
  return RunJobAndPrint(invocation, *spec, &PrintReport);
}

}  // namespace

Command EvaluateCommand() {
  Command command;
  command.name = "evaluate";
  command.summary = "Measure a model's accuracy on labelled data";
  command.description =
      "Prints accuracy (0 to 1), accuracy by class, and the confusion matrix; with --json as\n"
      "`accuracy`, `per_class_accuracy`, `confusion_matrix` and `warnings`. The inputs are\n"
      "normalised as recorded with the model unless --normalize, or --mean and --std, are given.";
  command.arguments.options = {
      {"checkpoint", ValueKind::kFile, "MODEL",
       "TorchScript, .pt2, or a state dict (.safetensors, .pth)", true},
      {"data", ValueKind::kFile, "DATA",
       "safetensors or npz with `inputs` and `labels`, CSV, or a folder or archive of pictures, a "
       "folder a class",
       true},
      {"architecture", ValueKind::kText, "NAME", "of a state dict that does not name its own"},
  };
  AddJobOptions(&command.arguments);
  command.run = Evaluate;
  return command;
}

}  // namespace acclimate::cli
