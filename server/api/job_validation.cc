#include "server/api/job_validation.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/methods/needs.h"
#include "server/api/hyperparameter_values.h"
#include "server/base/errors.h"
#include "server/base/proto_time.h"
#include "server/base/resource_names.h"

namespace acclimate::api {
namespace {

// Far above what a job needs, and so little that pages of jobs stay small.
constexpr size_t kMaxSpecBytes = 256 << 10;
constexpr size_t kMaxRequestId = 128;
constexpr size_t kMaxLabelText = 63;
constexpr int kMaxLabels = 64;
constexpr int kMaxSources = 64;
constexpr int kMaxAuditLabels = 1000;
constexpr int kMaxChannels = 4096;
constexpr int kMaxPictureSide = 4096;
constexpr int kMaxPriority = 100;
constexpr int kMaxThreads = 1024;
constexpr size_t kMaxDisplayName = 255;
// Hyperparameters.
constexpr char kGuardSetting[] = "guard";
constexpr char kBatchSizeSetting[] = "batch_size";

// Collects what is wrong, field by field.
class JobValidator {
 public:
  JobValidator(std::string tenant, const MethodCatalog& catalog, artifacts::BlobStore& blobs,
               std::vector<artifacts::BlobHold>& holds)
      : tenant_(std::move(tenant)), catalog_(catalog), blobs_(blobs), holds_(holds) {}

  void Check(const v1::CreateJobRequest& request) {
    if (request.request_id().size() > kMaxRequestId) {
      Add("request_id", absl::StrCat("has ", request.request_id().size(), " characters; at most ",
                                     kMaxRequestId));
    }
    if (!request.has_spec()) return Add("spec", "is required");
    const v1::JobSpec& spec = request.spec();
    if (const size_t bytes = spec.ByteSizeLong(); bytes > kMaxSpecBytes) {
      Add("spec", absl::StrCat("has ", bytes, " bytes; at most ", kMaxSpecBytes));
    }
    CheckModel(spec.model());
    CheckDatasets(spec);
    CheckMethod(spec);
    CheckAudit(spec);
    CheckNormalization(spec.normalization());
    CheckTable(spec.table());
    CheckPictures(spec.pictures());
    CheckResources(spec);
    CheckLabels(spec);
    if (std::abs(int64_t{spec.priority()}) > kMaxPriority) {
      Add("spec.priority", absl::StrCat("must be from ", -kMaxPriority, " to ", kMaxPriority,
                                        "; is ", spec.priority()));
    }
  }

  absl::Status Result() const {
    if (violations_.empty() && missing_.empty()) return absl::OkStatus();
    if (violations_.empty()) {
      return ErrorWithReason(
          v1::BLOB_NOT_FOUND,
          absl::StrCat(missing_.front().field, ": ", missing_.front().description),
          {{"field", missing_.front().field}});
    }
    std::vector<FieldViolation> all = violations_;
    all.insert(all.end(), missing_.begin(), missing_.end());
    return BadRequest(all);
  }

 private:
  void Add(std::string field, std::string description) {
    violations_.push_back({std::move(field), std::move(description)});
  }

  void CheckBlob(const std::string& field, const std::string& name) {
    absl::StatusOr<ResourceName> blob = ParseBlobName(name);
    if (!blob.ok()) return Add(field, std::string(blob.status().message()));
    if (blob->tenant != tenant_) {
      return Add(field, absl::StrCat("belongs to the tenant ", blob->tenant, ", not ", tenant_));
    }
    absl::StatusOr<artifacts::BlobHold> hold = blobs_.Hold(blob->id);
    if (!hold.ok()) {
      return missing_.push_back({field, std::string(hold.status().message())});
    }
    holds_.push_back(*std::move(hold));
  }

  void CheckModel(const v1::SourceModel& model) {
    if (!model.checkpoint().empty()) CheckBlob("spec.model.checkpoint", model.checkpoint());
    if (!model.architecture().empty() && !catalog_.HasArchitecture(model.architecture())) {
      Add("spec.model.architecture", absl::StrCat("unknown architecture \"", model.architecture(),
                                                  "\"; there are: ", catalog_.ArchitectureNames()));
    }
    if (model.num_classes() < 0) {
      Add("spec.model.num_classes", absl::StrCat("must not be negative; is ", model.num_classes()));
    }
  }

  // A DatasetRef or a NamedInput.
  template <typename Reference>
  void CheckFile(const std::string& field, const Reference& file) {
    CheckBlob(absl::StrCat(field, ".blob"), file.blob());
    if (file.display_name().size() > kMaxDisplayName) {
      Add(absl::StrCat(field, ".display_name"),
          absl::StrCat("has more than ", kMaxDisplayName, " characters"));
    }
  }

  void CheckDatasets(const v1::JobSpec& spec) {
    if (spec.sources_size() > kMaxSources) {
      Add("spec.sources", absl::StrCat("at most ", kMaxSources, "; are ", spec.sources_size()));
    }
    for (int i = 0; i < std::min(spec.sources_size(), kMaxSources); ++i) {
      CheckFile(absl::StrCat("spec.sources[", i, "]"), spec.sources(i));
    }
    if (spec.has_target()) CheckFile("spec.target", spec.target());
    if (spec.has_evaluation()) CheckFile("spec.evaluation", spec.evaluation());
  }

  // How many samples and classes there are is known to the worker alone.
  void CheckAudit(const v1::JobSpec& spec) {
    if (spec.audit_size() > kMaxAuditLabels) {
      return Add("spec.audit",
                 absl::StrCat("at most ", kMaxAuditLabels, "; are ", spec.audit_size()));
    }
    std::map<int64_t, int> place_of;  // index of a sample -> place in the list
    for (int i = 0; i < spec.audit_size(); ++i) {
      const v1::AuditLabel& label = spec.audit(i);
      const std::string field = absl::StrCat("spec.audit[", i, "]");
      const auto [first, is_new] = place_of.emplace(label.index(), i);
      if (label.index() < 0) {
        Add(absl::StrCat(field, ".index"),
            absl::StrCat("must not be negative; is ", label.index()));
      } else if (!is_new) {
        Add(absl::StrCat(field, ".index"), absl::StrCat(label.index(), " is given twice, first in ",
                                                        "spec.audit[", first->second, "]"));
      }
      if (label.label() < 0) {
        Add(absl::StrCat(field, ".label"),
            absl::StrCat("must not be negative; is ", label.label()));
      }
    }
  }

  void CheckMethod(const v1::JobSpec& spec) {
    const v1::Method* method = catalog_.Find(spec.method());
    if (spec.method().empty()) {
      return Add("spec.method", absl::StrCat("is required; one of: ", catalog_.MethodNames()));
    }
    if (method == nullptr) {
      return Add("spec.method", absl::StrCat("unknown method \"", spec.method(),
                                             "\"; there are: ", catalog_.MethodNames()));
    }
    CheckInputs(spec);
    const methods::MethodSpec needed = ToMethodSpec(*method);
    CheckNeeds(spec, needed);
    CheckHyperparameters(spec, needed);
    CheckUseOfAudit(spec, *method);
    if (spec.smaller_batch() && !HasHyperparameter(*method, kBatchSizeSetting)) {
      Add("spec.smaller_batch", absl::StrCat("method ", spec.method(), " has no batch_size"));
    }
  }

  static bool HasHyperparameter(const v1::Method& method, absl::string_view name) {
    return std::any_of(
        method.hyperparameters().begin(), method.hyperparameters().end(),
        [name](const v1::Hyperparameter& hyperparameter) { return hyperparameter.name() == name; });
  }

  void CheckUseOfAudit(const v1::JobSpec& spec, const v1::Method& method) {
    if (!spec.use_audit()) return;
    const auto guard = spec.hyperparameters().find(kGuardSetting);
    if (!HasHyperparameter(method, kGuardSetting)) {
      Add("spec.use_audit", absl::StrCat("method ", spec.method(), " has no guard to ask it"));
    } else if (guard != spec.hyperparameters().end() && guard->second.text() == "off") {
      Add("spec.use_audit", "the guard, which would ask it, is off");
    } else if (spec.audit_size() == 0) {
      Add("spec.use_audit", "needs spec.audit, which has no labels");
    }
  }

  void CheckInputs(const v1::JobSpec& spec) {
    std::set<std::string> given;
    for (int i = 0; i < spec.inputs_size(); ++i) {
      const v1::NamedInput& input = spec.inputs(i);
      const std::string field = absl::StrCat("spec.inputs[", i, "]");
      if (!given.insert(input.name()).second) {
        Add(field, absl::StrCat("\"", input.name(), "\" is given twice"));
      }
      CheckFile(field, input);
    }
  }

  void CheckNeeds(const v1::JobSpec& spec, const methods::MethodSpec& method) {
    methods::Given given = {!spec.model().checkpoint().empty(),
                            !spec.model().architecture().empty(),
                            spec.sources_size() > 0,
                            spec.has_target(),
                            {}};
    for (const v1::NamedInput& input : spec.inputs()) given.inputs.insert(input.name());
    for (const methods::NeedProblem& problem : methods::CheckNeeds(method, given)) {
      const bool open = problem.what == methods::NeedProblem::What::kArchitecture;
      Add(FieldOf(problem, spec),
          open ? absl::StrCat(problem.description, " (", catalog_.ArchitectureNames(), ")")
               : problem.description);
    }
  }

  static std::string FieldOf(const methods::NeedProblem& problem, const v1::JobSpec& spec) {
    switch (problem.what) {
      case methods::NeedProblem::What::kCheckpoint:
        return "spec.model.checkpoint";
      case methods::NeedProblem::What::kArchitecture:
        return "spec.model";
      case methods::NeedProblem::What::kSources:
        return "spec.sources";
      case methods::NeedProblem::What::kTarget:
        return "spec.target";
      case methods::NeedProblem::What::kInput:
        break;
    }
    for (int i = 0; i < spec.inputs_size(); ++i) {
      if (spec.inputs(i).name() == problem.input) return absl::StrCat("spec.inputs[", i, "]");
    }
    return "spec.inputs";
  }

  static std::string HyperparameterField(const std::string& name) {
    return absl::StrCat("spec.hyperparameters[\"", name, "\"]");
  }

  void CheckHyperparameters(const v1::JobSpec& spec, const methods::MethodSpec& method) {
    methods::Hyperparameters given;
    for (const auto& [name, value] : spec.hyperparameters()) {
      if (std::optional<methods::HyperparameterValue> core_value = ToCoreValue(value)) {
        given.emplace(name, *std::move(core_value));
      } else {
        Add(HyperparameterField(name), "has no value");
      }
    }
    for (const auto& problem : methods::CheckHyperparameters(method, given)) {
      Add(HyperparameterField(problem.name), problem.description);
    }
  }

  void CheckNormalization(const v1::Normalization& normalization) {
    const std::string& mode = normalization.mode();
    if (!mode.empty() && mode != "auto" && mode != "imagenet" && mode != "none") {
      Add("spec.normalization.mode",
          absl::StrCat("must be auto, imagenet or none; is \"", mode, "\""));
    } else if (!mode.empty() && normalization.mean_size() + normalization.std_size() > 0) {
      Add("spec.normalization.mode",
          absl::StrCat("is ", mode, ", which excludes mean and std; give one or the other"));
    }
    if (!std::isfinite(normalization.clip()) || normalization.clip() < 0) {
      Add("spec.normalization.clip",
          absl::StrCat("must be positive, or 0 for none; is ", normalization.clip()));
    }
    const int means = normalization.mean_size(), stds = normalization.std_size();
    if (std::max(means, stds) > kMaxChannels) {
      return Add("spec.normalization", absl::StrCat("at most ", kMaxChannels, " channels"));
    }
    if (means > 1 && stds > 1 && means != stds) {
      Add("spec.normalization", absl::StrCat("mean has ", means, " values and std ", stds,
                                             "; give one, or one a channel"));
    }
    for (int i = 0; i < means; ++i) {
      if (!std::isfinite(normalization.mean(i))) {
        Add(absl::StrCat("spec.normalization.mean[", i, "]"), "must be finite");
      }
    }
    for (int i = 0; i < stds; ++i) {
      if (!std::isfinite(normalization.std(i)) || normalization.std(i) <= 0) {
        Add(absl::StrCat("spec.normalization.std[", i, "]"),
            absl::StrCat("must be positive; is ", normalization.std(i)));
      }
    }
  }

  void CheckTable(const v1::TableOptions& table) {
    if (!table.missing().empty() && table.missing() != "refuse" && table.missing() != "mean") {
      Add("spec.table.missing",
          absl::StrCat("must be refuse or mean; is \"", table.missing(), "\""));
    }
    for (int i = 0; i < table.ignored_columns_size(); ++i) {
      if (table.ignored_columns(i) == table.label_column() && !table.label_column().empty()) {
        Add(absl::StrCat("spec.table.ignored_columns[", i, "]"), "is the label column");
      }
    }
  }

  void CheckPictures(const v1::PictureOptions& pictures) {
    if (pictures.size() < 0 || pictures.size() > kMaxPictureSide) {
      Add("spec.pictures.size",
          absl::StrCat("must be from 0 to ", kMaxPictureSide, "; is ", pictures.size()));
    }
    const bool too_small = pictures.resize() != 0 && pictures.resize() < pictures.size();
    if (pictures.resize() < 0 || pictures.resize() > kMaxPictureSide || too_small) {
      Add("spec.pictures.resize",
          absl::StrCat("must be at least the size ", pictures.size(), " and at most ",
                       kMaxPictureSide, "; is ", pictures.resize()));
    } else if (pictures.resize() > 0 && pictures.size() == 0) {
      Add("spec.pictures.size", "is needed beside resize");
    }
    if (pictures.channels() != 0 && pictures.channels() != 1 && pictures.channels() != 3) {
      Add("spec.pictures.channels", absl::StrCat("must be 1 or 3; is ", pictures.channels()));
    }
  }

  void CheckResources(const v1::JobSpec& spec) {
    if (!IsDevice(spec.resources().device())) {
      Add("spec.resources.device", absl::StrCat("must be auto, cpu, cuda or cuda:<i>; is \"",
                                                spec.resources().device(), "\""));
    }
    CheckPrecision(spec.resources());
    if (spec.resources().threads() < 0 || spec.resources().threads() > kMaxThreads) {
      Add("spec.resources.threads",
          absl::StrCat("must be from 0 to ", kMaxThreads, "; is ", spec.resources().threads()));
    }
    if (spec.limits().has_run_time() &&
        FromProtoDuration(spec.limits().run_time()) <= absl::ZeroDuration()) {
      Add("spec.limits.run_time", "must be positive");
    }
    if (spec.limits().memory_bytes() < 0) {
      Add("spec.limits.memory_bytes",
          absl::StrCat("must not be negative; is ", spec.limits().memory_bytes()));
    }
  }

  // What the device of `auto` does is known to the worker alone.
  void CheckPrecision(const v1::Resources& resources) {
    constexpr absl::string_view kKnown[] = {"", "auto", "fp32", "bf16", "fp16"};
    const std::string& precision = resources.precision();
    if (std::find(std::begin(kKnown), std::end(kKnown), precision) == std::end(kKnown)) {
      Add("spec.resources.precision",
          absl::StrCat("must be auto, fp32, bf16 or fp16; is \"", precision, "\""));
    } else if (precision == "fp16" && resources.device() == "cpu") {
      Add("spec.resources.precision",
          "fp16 is for CUDA devices; on the CPU it must be auto, fp32 or bf16");
    }
  }

  void CheckLabels(const v1::JobSpec& spec) {
    if (spec.labels_size() > kMaxLabels) {
      Add("spec.labels", absl::StrCat("at most ", kMaxLabels, "; are ", spec.labels_size()));
    }
    for (const auto& [key, value] : spec.labels()) {
      const std::string field = absl::StrCat("spec.labels[\"", key, "\"]");
      if (key.empty() || key.size() > kMaxLabelText || value.size() > kMaxLabelText) {
        Add(field, absl::StrCat("keys have 1 to ", kMaxLabelText, " characters, values at most ",
                                kMaxLabelText));
      } else if (std::any_of(key.begin(), key.end(), [](unsigned char c) {
                   return c == '=' || absl::ascii_isspace(c) || absl::ascii_iscntrl(c);
                 })) {
        Add(field, "a key has no blanks and no \"=\"");
      }
    }
  }

  const std::string tenant_;
  const MethodCatalog& catalog_;
  artifacts::BlobStore& blobs_;
  std::vector<artifacts::BlobHold>& holds_;
  std::vector<FieldViolation> violations_;
  std::vector<FieldViolation> missing_;  // blobs
};

}  // namespace

bool IsDevice(absl::string_view text) {
  if (text.empty() || text == "auto" || text == "cpu" || text == "cuda") return true;
  int index = 0;
  return absl::ConsumePrefix(&text, "cuda:") && !text.empty() &&
         absl::ascii_isdigit(text.front()) && absl::SimpleAtoi(text, &index);
}

absl::Status ValidateCreateJob(const v1::CreateJobRequest& request, const MethodCatalog& catalog,
                               artifacts::BlobStore& blobs,
                               std::vector<artifacts::BlobHold>& holds) {
  absl::StatusOr<std::string> tenant = ParseTenantName(request.parent());
  if (!tenant.ok()) return BadRequest("parent", tenant.status().message());
  JobValidator validator(*tenant, catalog, blobs, holds);
  validator.Check(request);
  return validator.Result();
}

}  // namespace acclimate::api
