#include "server/worker/assignment.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/mapped_file.h"
#include "server/base/proto_time.h"

namespace acclimate::worker {
namespace {

methods::Hyperparameters Convert(
    const google::protobuf::Map<std::string, v1::HyperparameterValue>& given) {
  methods::Hyperparameters result;
  for (const auto& [name, value] : given) {
    switch (value.kind_case()) {
      case v1::HyperparameterValue::kInteger:
        result[name] = value.integer();
        break;
      case v1::HyperparameterValue::kReal:
        result[name] = value.real();
        break;
      case v1::HyperparameterValue::kBoolean:
        result[name] = value.boolean();
        break;
      case v1::HyperparameterValue::kText:
        result[name] = value.text();
        break;
      case v1::HyperparameterValue::KIND_NOT_SET:
        break;
    }
  }
  return result;
}

job::RunSpec WithoutFiles(const v1::Assignment& assignment) {
  const v1::JobSpec& job = assignment.spec();
  job::RunSpec spec;
  spec.method = job.method();
  spec.hyperparameters = Convert(job.hyperparameters());
  spec.architecture = job.model().architecture();
  spec.num_classes = job.model().num_classes();
  const v1::Normalization& normalization = job.normalization();
  spec.normalization.mode = normalization.mode();
  spec.normalization.mean.assign(normalization.mean().begin(), normalization.mean().end());
  spec.normalization.std.assign(normalization.std().begin(), normalization.std().end());
  spec.normalization.clip = normalization.clip();
  spec.normalization.raw_bytes = normalization.raw_bytes();
  const v1::TableOptions& table = job.table();
  spec.table.label_column = table.label_column();
  spec.table.ignored.assign(table.ignored_columns().begin(), table.ignored_columns().end());
  spec.table.categorical.assign(table.categorical_columns().begin(),
                                table.categorical_columns().end());
  spec.table.missing = table.missing();
  spec.pictures.size = job.pictures().size();
  spec.pictures.resize = job.pictures().resize();
  spec.pictures.channels = job.pictures().channels();
  for (const v1::AuditLabel& label : job.audit()) {
    spec.audit.push_back({label.index(), label.label()});
  }
  spec.use_audit = job.use_audit();
  spec.batch_divisor = std::max(1, assignment.batch_divisor());
  spec.seed = job.seed();
  spec.device = assignment.device();
  spec.threads = assignment.threads();
  // Jobs of before there was a choice have none.
  if (!job.resources().precision().empty()) spec.precision = job.resources().precision();
  spec.time_limit_seconds = absl::ToDoubleSeconds(FromProtoDuration(job.limits().run_time()));
  spec.output_directory = assignment.scratch_directory();
  spec.state_every_seconds =
      absl::ToDoubleSeconds(FromProtoDuration(assignment.checkpoint_interval()));
  return spec;
}

// Puts the file where its role says, and its digest into the lineage. False: no such role.
bool Place(const v1::InputFile& input, std::shared_ptr<io::MappedFile> file, job::RunSpec& spec) {
  const std::string& digest = input.digest();
  switch (input.role()) {
    case v1::InputFile::CHECKPOINT:
      spec.checkpoint = std::move(file);
      spec.lineage["checkpoint"] = digest;
      return true;
    case v1::InputFile::SOURCE:
      spec.lineage[absl::StrCat("sources[", spec.sources.size(), "]")] = digest;
      spec.sources.push_back(std::move(file));
      return true;
    case v1::InputFile::TARGET:
      spec.target = std::move(file);
      spec.lineage["target"] = digest;
      return true;
    case v1::InputFile::EVALUATION:
      spec.evaluation = std::move(file);
      spec.lineage["evaluation"] = digest;
      return true;
    case v1::InputFile::TRAINING_STATE:
      spec.resume_state = std::move(file);
      return true;
    case v1::InputFile::NAMED:
      spec.lineage[absl::StrCat("inputs[\"", input.name(), "\"]")] = digest;
      spec.inputs[input.name()] = std::move(file);
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<job::RunSpec> ToRunSpec(const v1::Assignment& assignment,
                                       const std::vector<protocol::UniqueFd>& files) {
  if (files.size() != static_cast<size_t>(assignment.files_size())) {
    return absl::InvalidArgumentError(absl::StrCat("the assignment names ", assignment.files_size(),
                                                   " files and came with ", files.size()));
  }
  job::RunSpec spec = WithoutFiles(assignment);
  for (size_t i = 0; i < files.size(); ++i) {
    const v1::InputFile& input = assignment.files(static_cast<int>(i));
    absl::StatusOr<std::shared_ptr<io::MappedFile>> file =
        io::MappedFile::FromDescriptor(files[i].get(), input.display_name());
    if (!file.ok()) return file.status();
    if (!Place(input, *std::move(file), spec)) {
      return absl::InvalidArgumentError(absl::StrCat("a file of role ", input.role()));
    }
  }
  return spec;
}

}  // namespace acclimate::worker
