#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/fetched_report.h"
#include "client/cli/following.h"
#include "client/cli/submission.h"

namespace acclimate::cli {
namespace {

constexpr char kDiagnosis[] = "diagnosis";

std::string Text(const Json& value) { return value.is_string() ? value.get<std::string>() : ""; }

// "0.0123" or, of what the report holds as null, "-".
std::string NumberText(const Json& value) {
  return value.is_number() ? absl::StrFormat("%.4f", value.get<double>()) : "-";
}

std::string MatrixText(const Json& matrix) {
  size_t width = 0;
  for (const Json& place : matrix.at("places")) width = std::max(width, Text(place).size());
  std::string text = absl::StrFormat("%-*s", static_cast<int>(width), "");
  for (const Json& measure : matrix.at("measures")) {
    absl::StrAppendFormat(&text, "  %14s", Text(measure));
  }
  absl::StrAppend(&text, "\n");
  for (size_t i = 0; i < matrix.at("places").size(); ++i) {
    absl::StrAppendFormat(&text, "%-*s", static_cast<int>(width), Text(matrix["places"][i]));
    for (const Json& value : matrix.at("values").at(i)) {
      absl::StrAppendFormat(&text, "  %14s", NumberText(value));
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

std::string VerdictText(const Json& verdict) {
  std::string text = absl::StrCat(Text(verdict.at("sentence")), "\n\nmethods that fit: ");
  std::vector<std::string> fit;
  for (const Json& method : verdict.at("methods_that_fit")) fit.push_back(Text(method));
  absl::StrAppend(&text, fit.empty() ? "none" : absl::StrJoin(fit, ", "), "\n");
  absl::StrAppend(&text, "methods that cannot work here\n");
  for (const Json& method : verdict.at("methods_that_cannot")) {
    absl::StrAppend(&text, "  ", Text(method.at("name")), ": ", Text(method.at("reason")), "\n");
  }
  const Json& bound = verdict.at("ben_david");
  absl::StrAppend(&text, "target error <= source error ", NumberText(bound.at("source_error")),
                  " + divergence ", NumberText(bound.at("divergence")), " + lambda\n");
  for (const Json& unknown : bound.at("cannot_be_known")) {
    absl::StrAppend(&text, "  ", Text(unknown), "\n");
  }
  return text;
}

absl::StatusOr<std::string> DiagnosisText(const Json& diagnosis) {
  try {
    return absl::StrCat(VerdictText(diagnosis.at("verdict")), "\n",
                        MatrixText(diagnosis.at("matrix")));
  } catch (const Json::exception& error) {
    return absl::DataLossError(absl::StrCat("the server's report: ", error.what()));
  }
}

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
  if (arguments.Has("detach")) return RunJob(invocation, *spec);
  absl::StatusOr<FollowedJob> followed = SubmitAndFollow(invocation, *spec, arguments.Text("out"));
  if (!followed.ok()) return followed.status();
  if (followed->detached || followed->job.state() != v1::JOB_STATE_SUCCEEDED) {
    return Conclude(invocation, *followed, "");
  }
  return PrintDiagnosis(invocation, followed->job);
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
       "TorchScript, or a state dict (.safetensors, .pth) with --architecture", true},
      {"source", ValueKind::kFile, "DATA", "labelled data of the model's own domain", true, true},
      {"target", ValueKind::kFile, "DATA", "unlabelled: safetensors, npz or npy with `inputs`",
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
