#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cli/audit_labels.h"
#include "client/cli/command.h"
#include "client/cli/job_outputs.h"
#include "client/cli/output.h"
#include "client/cli/report_file.h"
#include "client/cli/report_text.h"
#include "client/cli/target_samples.h"
#include "core/report/audit.h"
#include "core/report/html.h"
#include "core/report/verdict.h"

namespace acclimate::cli {
namespace {

constexpr int64_t kDefaultAuditLabels = 100;

absl::Status WriteWhole(const std::string& path, const std::string& text) {
  const std::string partial = absl::StrCat(path, ".partial");
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(partial, path, error);
  if (file && !error) return absl::OkStatus();
  std::filesystem::remove(partial, error);
  return absl::FailedPreconditionError(absl::StrCat(path, ": cannot be written"));
}

// The list of samples to label: into a file that is not there yet, or to stdout.
absl::StatusOr<ExitCode> ListSamples(Invocation& invocation, const std::string& target) {
  const Arguments& arguments = invocation.arguments;
  const absl::StatusOr<int64_t> samples = SamplesOfTarget(target);
  if (!samples.ok()) return samples.status();
  const int64_t count = arguments.Integer("n", std::min(kDefaultAuditLabels, *samples));
  const auto drawn =
      DrawAuditSample(*samples, count, static_cast<uint64_t>(arguments.Integer("seed", 0)));
  if (!drawn.ok()) return drawn.status();
  const std::string out = arguments.Text("out");
  if (out.empty() && invocation.json) {
    PrintJson({{"samples", *samples}, {"indices", *drawn}});
    return kSuccess;
  }
  const std::string text = EmptyAuditFile(*drawn);
  if (out.empty()) {
    PrintText(text);
    return kSuccess;
  }
  // It may hold labels that somebody has given by now.
  if (std::filesystem::exists(out)) {
    return absl::AlreadyExistsError(absl::StrCat(out, ": is there already"));
  }
  if (absl::Status status = WriteWhole(out, text); !status.ok()) return status;
  if (invocation.json) {
    PrintJson({{"samples", *samples}, {"indices", *drawn}, {"file", out}});
  } else {
    PrintText(absl::StrCat(out, ": ", count, " of ", *samples,
                           " samples; write the class of each behind its comma\n"));
  }
  return kSuccess;
}

// Of a job that has ended: into its report and its page too.
absl::StatusOr<ExitCode> TakeAudit(Invocation& invocation, const std::string& folder) {
  const auto labels = ReadAuditLabels(invocation.arguments.Text("labels"));
  if (!labels.ok()) return labels.status();
  const absl::StatusOr<Json> read = ReadReport(folder);
  if (!read.ok()) return read.status();
  const absl::StatusOr<JobPredictions> predictions = ReadJobPredictions(folder);
  if (!predictions.ok()) return predictions.status();
  const auto samples = static_cast<int64_t>(predictions->returned.predicted.size());
  absl::Status status = report::CheckAuditLabels(*labels, samples, predictions->classes);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(invocation.arguments.Text("labels"), ": ", status.message()));
  }
  nlohmann::json report = nlohmann::json::parse(read->dump());
  report::AddAudit(report::ComputeAudit(*labels, predictions->source, predictions->returned),
                   report);
  report["verdict"] = report::Verdict(report);
  status = WriteWhole(absl::StrCat(folder, "/report.json"),
                      report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (status.ok()) {
    status = WriteWhole(absl::StrCat(folder, "/report.html"), report::RenderHtml(report));
  }
  if (!status.ok()) return status;
  if (invocation.json) {
    PrintJson({{"verdict", report["verdict"]}, {"audit", report["audit"]}});
    return kSuccess;
  }
  const absl::StatusOr<std::string> text =
      ReportText({{"verdict", report["verdict"]}, {"audit", report["audit"]}});
  if (!text.ok()) return text.status();
  PrintText(*text);
  return kSuccess;
}

absl::StatusOr<ExitCode> RunAudit(Invocation& invocation) {
  const std::string place = invocation.arguments.positionals().front();
  if (!invocation.arguments.Has("labels")) return ListSamples(invocation, place);
  for (const char* option : {"n", "seed", "out"}) {
    if (invocation.arguments.Has(option)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", option, " is for the list of samples, not with --labels"));
    }
  }
  return TakeAudit(invocation, place);
}

}  // namespace

Command AuditCommand() {
  Command command;
  command.name = "audit";
  command.summary = "Draw samples of the target to label, and tell the accuracy from them";
  command.description =
      "Writes which samples to label: CSV with `index`, the place of a sample in the target's "
      "file,\n"
      "and `label`, to be filled in with its class, a number from 0 on. Label all of them. The "
      "file\n"
      "then goes to `acclimate adapt --audit FILE`, or, after a job, back here with --labels: the\n"
      "accuracy before and after and whether the gain is real go into DIR's report. Needs no "
      "server.\n"
      "See docs/report.md.";
  command.arguments.positionals = {
      {"DIR", "a folder that --out filled; without --labels also a file of the target's data", true,
       false, ValueKind::kFile}};
  command.arguments.options = {
      {"n", ValueKind::kInteger, "N", "samples to draw (default: 100, or all if there are fewer)"},
      {"seed", ValueKind::kInteger, "N", "of the draw (default: 0)"},
      {"out", ValueKind::kFile, "FILE", "where the list goes (default: stdout)"},
      {"labels", ValueKind::kFile, "FILE", "the list with its labels"},
  };
  command.run = RunAudit;
  return command;
}

}  // namespace acclimate::cli
