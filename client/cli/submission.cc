#include "client/cli/submission.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/audit_labels.h"
#include "client/cli/catalog.h"
#include "client/cli/output.h"
#include "client/cli/progress_view.h"
#include "client/cli/spelling.h"
#include "client/lib/local_file.h"
#include "client/lib/names.h"
#include "client/lib/packed_folder.h"
#include "client/lib/uploader.h"

namespace acclimate::cli {
namespace {

// Input (path or blob name) -> blob name.
using Blobs = std::map<std::string, std::string>;

// What is packed of a folder, and what is not.
absl::Status DescribeFolders(const std::vector<std::string>& paths, ProgressView& view) {
  for (const std::string& path : std::set<std::string>(paths.begin(), paths.end())) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) continue;
    const absl::StatusOr<client::PackedFolder> folder = client::PackedFolder::Open(path);
    if (!folder.ok()) return folder.status();
    std::string line = absl::StrCat(path, ": a folder of ", folder->pictures(), " pictures");
    if (folder->left_out() > 0) {
      absl::StrAppend(&line, "; ", folder->left_out(), " other files are left out");
    }
    view.Note(line);
  }
  return absl::OkStatus();
}

absl::StatusOr<Blobs> UploadInputs(Invocation& invocation, const JobInputs& inputs) {
  Blobs blobs;
  std::vector<std::string> paths;
  std::vector<std::string> all = inputs.sources;
  all.insert(all.end(), {inputs.checkpoint, inputs.target, inputs.evaluation});
  for (const auto& [name, input] : inputs.named) all.push_back(input);
  for (const std::string& input : all) {
    std::error_code ignored;
    const bool blob = client::IsBlobName(input);
    if (blob && std::filesystem::exists(input, ignored)) {
      return absl::InvalidArgumentError(absl::StrCat(
          input, " is both a file here and the name of a blob: write ./", input, " for the file"));
    }
    if (blob) blobs[input] = input;
    if (!input.empty() && !blob) paths.push_back(input);
  }
  if (paths.empty()) return blobs;
  Interrupt::Scope say_that_there_is_no_job(invocation.interrupt, [] {
    std::fputs(
        "\nInterrupted while files were being uploaded: no job was created. The same command goes "
        "on where the upload stopped.\n",
        stderr);
    _exit(kInterrupted);
  });
  ProgressView view;
  if (absl::Status status = DescribeFolders(paths, view); !status.ok()) return status;
  client::Uploader uploader(invocation.connection,
                            [&](const std::string& path, int64_t done, int64_t total) {
                              view.ShowTransfer("uploading", path, done, total);
                            });
  absl::StatusOr<std::vector<client::UploadedFile>> uploaded = uploader.Upload(paths);
  if (!uploaded.ok()) return uploaded.status();
  for (const client::UploadedFile& file : *uploaded) blobs[file.path] = file.blob;
  return blobs;
}

// The file's name, of which messages of the API can only hold UTF-8.
std::string DisplayName(const std::string& input) {
  const std::string name =
      client::LastSegment(absl::StripSuffix(input, "/"));  // "photos/" is "photos"
  // Writes what is no UTF-8 as U+FFFD.
  const std::string text = Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(text).get<std::string>();
}

void SetDataset(const std::string& input, const Blobs& blobs, v1::DatasetRef* dataset) {
  dataset->set_blob(blobs.at(input));
  // "photos/" is "photos".
  dataset->set_display_name(DisplayName(std::string(absl::StripSuffix(input, "/"))));
}

struct MeanAndStd {
  std::vector<double> mean, std;
};

// "0.5/0.25", "0.4,0.5,0.6/0.2,0.2,0.2".
std::optional<MeanAndStd> ParseMeanAndStd(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() != 2) return std::nullopt;
  std::optional<std::vector<double>> mean = ParseNumbers(parts[0]), std = ParseNumbers(parts[1]);
  if (!mean || !std) return std::nullopt;
  return MeanAndStd{*std::move(mean), *std::move(std)};
}

const std::vector<std::string>& NormalizationModes() {
  static const auto* const kModes = new std::vector<std::string>{"auto", "imagenet", "none"};
  return *kModes;
}

// A mode, or numbers.
absl::Status CheckNormalize(const std::string& how) {
  const std::vector<std::string>& modes = NormalizationModes();
  if (std::count(modes.begin(), modes.end(), how) > 0 || ParseMeanAndStd(how)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("--normalize must be ", absl::StrJoin(modes, ", "),
                                                 ", or numbers as 0.5/0.25; is ", how,
                                                 DidYouMean(how, modes)));
}

absl::Status CheckNormalization(const Arguments& arguments) {
  if (arguments.Has("normalize")) {
    absl::Status status = CheckNormalize(arguments.Text("normalize"));
    if (!status.ok()) return status;
  }
  if (arguments.Has("normalize") && (arguments.Has("mean") || arguments.Has("std"))) {
    return absl::InvalidArgumentError(
        absl::StrCat("--normalize ", arguments.Text("normalize"),
                     " excludes --mean and --std; give one or the other"));
  }
  if (arguments.Has("clip") &&
      (arguments.Numbers("clip").size() != 1 || !(arguments.Numbers("clip").front() > 0))) {
    return absl::InvalidArgumentError("--clip takes one positive number");
  }
  return absl::OkStatus();
}

absl::Status SetAudit(const std::string& path, v1::JobSpec* spec) {
  if (path.empty()) return absl::OkStatus();
  const absl::StatusOr<std::vector<report::AuditLabel>> labels = ReadAuditLabels(path);
  if (!labels.ok()) return labels.status();
  for (const report::AuditLabel& label : *labels) {
    v1::AuditLabel* added = spec->add_audit();
    added->set_index(label.index);
    added->set_label(label.label);
  }
  return absl::OkStatus();
}

void SetOptions(const Arguments& arguments, v1::JobSpec* spec) {
  for (double mean : arguments.Numbers("mean")) spec->mutable_normalization()->add_mean(mean);
  for (double std : arguments.Numbers("std")) spec->mutable_normalization()->add_std(std);
  if (spec->has_normalization()) {  // by numbers
    if (spec->normalization().mean().empty()) spec->mutable_normalization()->add_mean(0);
    if (spec->normalization().std().empty()) spec->mutable_normalization()->add_std(1);
  }
  if (arguments.Has("normalize")) {
    v1::Normalization& normalization = *spec->mutable_normalization();
    const std::optional<MeanAndStd> numbers = ParseMeanAndStd(arguments.Text("normalize"));
    if (numbers) {
      normalization.mutable_mean()->Add(numbers->mean.begin(), numbers->mean.end());
      normalization.mutable_std()->Add(numbers->std.begin(), numbers->std.end());
    } else {
      normalization.set_mode(arguments.Text("normalize"));
    }
  }
  if (arguments.Has("raw-bytes")) spec->mutable_normalization()->set_raw_bytes(true);
  if (arguments.Has("clip")) {
    spec->mutable_normalization()->set_clip(arguments.Numbers("clip").front());
  }
  if (arguments.Has("label-column")) {
    spec->mutable_table()->set_label_column(arguments.Text("label-column"));
  }
  for (const std::string& column : arguments.All("ignore-column")) {
    spec->mutable_table()->add_ignored_columns(column);
  }
  for (const std::string& column : arguments.All("categorical-column")) {
    spec->mutable_table()->add_categorical_columns(column);
  }
  if (arguments.Text("preset") == "imagenet") {
    spec->mutable_pictures()->set_size(224);
    spec->mutable_pictures()->set_resize(256);
    v1::Normalization& normalization = *spec->mutable_normalization();
    if (normalization.mode().empty() && normalization.mean().empty()) {
      normalization.set_mode("imagenet");
    }
  }
  if (arguments.Has("image-size")) {
    spec->mutable_pictures()->set_size(static_cast<int32_t>(arguments.Integer("image-size", 0)));
    spec->mutable_pictures()->clear_resize();
  }
  if (arguments.Has("image-resize")) {
    spec->mutable_pictures()->set_resize(
        static_cast<int32_t>(arguments.Integer("image-resize", 0)));
  }
  if (arguments.Has("image-channels")) {
    spec->mutable_pictures()->set_channels(
        static_cast<int32_t>(arguments.Integer("image-channels", 0)));
  }
  if (arguments.Has("missing")) spec->mutable_table()->set_missing(arguments.Text("missing"));
  spec->set_seed(arguments.Integer("seed", 0));
  spec->set_priority(arguments.Integer("priority", 0));
  for (const auto& [key, value] : arguments.KeyValues("label")) {
    (*spec->mutable_labels())[key] = value;
  }
  if (arguments.Has("device")) spec->mutable_resources()->set_device(arguments.Text("device"));
  if (arguments.Has("precision")) {
    spec->mutable_resources()->set_precision(arguments.Text("precision"));
  }
  if (arguments.Has("time-limit")) {
    spec->mutable_limits()->mutable_run_time()->set_seconds(arguments.Integer("time-limit", 0));
  }
  spec->set_smaller_batch(arguments.Has("smaller-batch"));
}

}  // namespace

void AddJobOptions(ArgumentSpec* spec) {
  const std::vector<OptionSpec> options = {
      {"set", ValueKind::kKeyValue, "KEY=VALUE", "a hyperparameter: see `acclimate methods NAME`",
       false, true},
      {"normalize", ValueKind::kText, "HOW",
       "auto: as recorded with the model, else by mean and deviation of each feature of a table, "
       "or channel of images, of the source, else of the data; imagenet; none; or numbers, "
       "MEAN[,MEAN...]/STD[,STD...]. Kept with the model (default: as recorded; else auto for a "
       "new network on a table, none for the rest)",
       false, false, NormalizationModes(),
       /*others=*/true},
      {"raw-bytes", ValueKind::kSwitch, "",
       "take uint8 as the numbers 0 to 255, and do not scale it to [0, 1]; kept with the model"},
      {"clip", ValueKind::kNumbers, "LIMIT",
       "clip normalised values to [-LIMIT, LIMIT]; kept with the model"},
      {"mean", ValueKind::kNumbers, "M[,M...]",
       "subtracted from the inputs: one number, or one a channel", false, true},
      {"std", ValueKind::kNumbers, "S[,S...]",
       "what the inputs are then divided by: one number, or one a channel", false, true},
      {"label-column", ValueKind::kText, "NAME",
       "of CSV files: the column of the labels (default: as recorded with the model)"},
      {"ignore-column", ValueKind::kText, "NAME", "of CSV files: a column to leave out", false,
       true},
      {"categorical-column", ValueKind::kText, "NAME",
       "of CSV files: a column whose numbers are names, each of which becomes a feature", false,
       true},
      {"missing",
       ValueKind::kText,
       "HOW",
       "of CSV files, missing values: refuse (default), or mean, the mean of the column; kept with "
       "the model",
       false,
       false,
       {"refuse", "mean"}},
      {"preset",
       ValueKind::kText,
       "NAME",
       "of pictures: imagenet stands for --image-size 224 --image-resize 256 --normalize imagenet",
       false,
       false,
       {"imagenet"}},
      {"image-size", ValueKind::kInteger32, "N",
       "of pictures: their shorter side becomes N, and the centre of N x N is taken (default: as "
       "recorded with the model, else their own size)"},
      {"image-resize", ValueKind::kInteger32, "N",
       "of pictures: what the shorter side becomes before the centre is taken (default: "
       "--image-size)"},
      {"image-channels", ValueKind::kInteger32, "N",
       "of pictures: 1, grey, or 3, colours (default: as recorded with the model, else 3)"},
      {"seed", ValueKind::kInteger, "N", "of every random choice (default: 0)"},
      {"device", ValueKind::kText, "DEVICE", "auto (default), cpu, cuda or cuda:<i>"},
      {"precision",
       ValueKind::kText,
       "TYPE",
       "of the forward passes: auto (default), fp32, bf16 or fp16",
       false,
       false,
       {"auto", "fp32", "bf16", "fp16"}},
      {"priority", ValueKind::kInteger32, "N",
       "-100 to 100; of a tenant's jobs higher runs first (default: 0)"},
      {"time-limit", ValueKind::kInteger, "SECONDS", "of one attempt (default: the server's)"},
      {"smaller-batch", ValueKind::kSwitch, "",
       "where memory runs out, try once more with half the batch size"},
      {"label", ValueKind::kKeyValue, "KEY=VALUE", "to find the job by later", false, true},
      {"detach", ValueKind::kSwitch, "", "return as soon as the job is submitted"},
      {"out", ValueKind::kFolder, "DIR", "where the results go; made when absent"},
  };
  spec->options.insert(spec->options.end(), options.begin(), options.end());
}

absl::Status CheckStart(const Arguments& arguments) {
  if (arguments.Has("checkpoint") || arguments.Has("architecture")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--checkpoint MODEL is missing; or give --architecture NAME to start afresh");
}

absl::Status CheckAudit(const Arguments& arguments) {
  if (!arguments.Has("use-audit") || arguments.Has("audit")) return absl::OkStatus();
  return absl::InvalidArgumentError("--audit FILE is missing: --use-audit chooses by its labels");
}

absl::Status CheckOut(const Arguments& arguments) {
  if (arguments.Has("out")) return client::MakeDirectories(arguments.Text("out"));
  if (arguments.Has("detach")) return absl::OkStatus();
  return absl::InvalidArgumentError("--out DIR is missing; or give --detach and fetch later");
}

absl::StatusOr<v1::JobSpec> PrepareJob(Invocation& invocation, const JobInputs& inputs) {
  if (absl::Status status = CheckNormalization(invocation.arguments); !status.ok()) return status;
  absl::StatusOr<v1::Method> method = FindMethod(invocation.connection, inputs.method);
  if (!method.ok()) return method.status();
  v1::JobSpec spec;
  spec.set_method(inputs.method);
  if (method->checkpoint() == v1::DATA_NEED_REQUIRED && inputs.checkpoint.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--checkpoint MODEL is missing: ", inputs.method, " needs a trained model"));
  }
  spec.mutable_model()->set_architecture(inputs.architecture);
  spec.mutable_model()->set_num_classes(static_cast<int32_t>(inputs.num_classes));
  SetOptions(invocation.arguments, &spec);
  for (const auto& [key, value] : invocation.arguments.KeyValues("set")) {
    absl::Status status = SetHyperparameter(*method, key, value, &spec);
    if (!status.ok()) return status;
  }
  if (absl::Status status = SetAudit(inputs.audit, &spec); !status.ok()) return status;
  spec.set_use_audit(inputs.use_audit);
  absl::StatusOr<Blobs> blobs = UploadInputs(invocation, inputs);
  if (!blobs.ok()) return blobs.status();
  if (!inputs.checkpoint.empty()) {
    spec.mutable_model()->set_checkpoint(blobs->at(inputs.checkpoint));
  }
  for (const std::string& source : inputs.sources) SetDataset(source, *blobs, spec.add_sources());
  if (!inputs.target.empty()) SetDataset(inputs.target, *blobs, spec.mutable_target());
  if (!inputs.evaluation.empty()) {
    SetDataset(inputs.evaluation, *blobs, spec.mutable_evaluation());
  }
  for (const auto& [name, input] : inputs.named) {
    v1::NamedInput* added = spec.add_inputs();
    added->set_name(name);
    added->set_blob(blobs->at(input));
    added->set_display_name(DisplayName(input));
  }
  return spec;
}

std::string NewRequestId() {
  absl::BitGen random;
  return absl::StrFormat("cli-%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

absl::StatusOr<v1::Job> CreateJob(client::Connection& connection, const v1::JobSpec& spec) {
  v1::CreateJobRequest request;
  request.set_parent(connection.Parent());
  *request.mutable_spec() = spec;
  request.set_request_id(NewRequestId());
  return connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::CreateJob, request);
}

absl::Status SetHyperparameter(const v1::Method& method, const std::string& key,
                               const std::string& value, v1::JobSpec* spec) {
  const v1::Hyperparameter* found = nullptr;
  std::vector<std::string> known;
  for (const v1::Hyperparameter& hyperparameter : method.hyperparameters()) {
    known.push_back(hyperparameter.name());
    if (hyperparameter.name() == key) found = &hyperparameter;
  }
  const std::string method_name = client::LastSegment(method.name());
  if (found == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--set ", key, ": ", method_name, " has no such hyperparameter", DidYouMean(key, known)));
  }
  v1::HyperparameterValue typed;
  int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  const char* wanted = nullptr;
  switch (found->type()) {
    case v1::Hyperparameter::INTEGER:
      if (!absl::SimpleAtoi(value, &integer)) wanted = "an integer";
      typed.set_integer(integer);
      break;
    case v1::Hyperparameter::REAL:
      if (!absl::SimpleAtod(value, &real)) wanted = "a number";
      typed.set_real(real);
      break;
    case v1::Hyperparameter::BOOLEAN:
      if (!absl::SimpleAtob(value, &boolean)) wanted = "true or false";
      typed.set_boolean(boolean);
      break;
    default:
      typed.set_text(value);
  }
  if (wanted != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--set ", key, ": \"", value, "\" is not ", wanted));
  }
  (*spec->mutable_hyperparameters())[key] = typed;
  return absl::OkStatus();
}

}  // namespace acclimate::cli
