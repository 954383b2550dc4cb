#include "core/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "core/data/bad_data.h"
#include "core/data/dataset_checks.h"
#include "core/data/dataset_file.h"
#include "core/data/label_forms.h"
#include "core/data/loader.h"

namespace acclimate::data {
namespace {

// float32, one value or one a channel, shaped to broadcast over a batch [B, C, ...].
at::Tensor Broadcastable(const std::vector<double>& values, int64_t dimensions) {
  std::vector<int64_t> shape(dimensions, 1);
  shape[1] = static_cast<int64_t>(values.size());
  return at::tensor(values, at::kDouble).view(shape);
}

absl::Status CheckNormalization(const std::vector<double>& values, const char* field,
                                int64_t channels, const std::string& name) {
  if (values.size() == 1 || static_cast<int64_t>(values.size()) == channels) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", values.size(), " values, but \"",
                                                 name, "\" has ", channels, " channels"));
}

// Everything else is checked first: what LibTorch may still refuse is memory for a conversion.
absl::Status OutOfMemory(const std::string& name, const c10::Error& error) {
  return absl::ResourceExhaustedError(absl::StrCat(name, ": ", error.what_without_backtrace()));
}

double UnitOf(at::ScalarType stored, bool raw_bytes) {
  return stored == at::kByte && !raw_bytes ? 1.0 / 255 : 1.0;
}

}  // namespace

absl::StatusOr<Dataset> Dataset::Read(std::shared_ptr<io::MappedFile> file, const Fields& fields) {
  std::string name = file->name();
  file->ForbidWrites();
  try {
    absl::StatusOr<StoredData> stored = ReadStoredData(std::move(file), fields);
    if (!stored.ok()) return stored.status();
    absl::StatusOr<Dataset> dataset =
        FromTensors(std::move(stored->inputs), std::move(stored->labels), std::move(name));
    if (!dataset.ok()) return dataset;
    dataset->planes_ = std::max<int64_t>(1, static_cast<int64_t>(fields.size()));
    dataset->token_ids_ = std::any_of(fields.begin(), fields.end(),
                                      [](const Field& field) { return field.whole_numbers; });
    dataset->class_names_ = std::move(stored->class_names);
    dataset->labels_hint_ = std::move(stored->labels_hint);
    return dataset;
  } catch (const c10::Error& error) {
    return OutOfMemory(name, error);
  }
}

absl::StatusOr<Dataset> Dataset::FromTensors(at::Tensor inputs, at::Tensor labels,
                                             std::string name) {
  try {
    Problems problems(name);
    absl::StatusOr<at::Tensor> checked_inputs = CheckInputs(inputs, name);
    problems.Add(checked_inputs.status());
    absl::StatusOr<at::Tensor> checked_labels = at::Tensor();
    if (labels.defined() && inputs.dim() > 0) {
      checked_labels = ReadLabels(labels, inputs.size(0), name);
      problems.Add(checked_labels.status());
    }
    if (!problems.status().ok()) return problems.status();
    int64_t without_label = 0;
    if (checked_labels->defined()) {
      without_label = checked_labels->eq(kNoLabel).sum().item<int64_t>();
      if (without_label == checked_labels->size(0)) *checked_labels = at::Tensor();
    }
    Dataset dataset(*std::move(checked_inputs), *std::move(checked_labels), std::move(name));
    dataset.without_label_ = without_label;
    return dataset;
  } catch (const c10::Error& error) {
    return OutOfMemory(name, error);
  }
}

Dataset::Dataset(at::Tensor inputs, at::Tensor labels, std::string name)
    : inputs_(std::move(inputs)), labels_(std::move(labels)), name_(std::move(name)) {
  if (unit() != 1) {
    scale_ = at::full({}, unit());
    shift_ = at::zeros({});
  }
}

absl::Status Dataset::SetNormalization(const Normalization& normalization) {
  int64_t channels = inputs_.size(1);
  absl::Status status = CheckNormalization(normalization.mean, "mean", channels, name_);
  status.Update(CheckNormalization(normalization.std, "std", channels, name_));
  if (!status.ok()) return status;
  at::Tensor mean = Broadcastable(normalization.mean, inputs_.dim());
  at::Tensor std = Broadcastable(normalization.std, inputs_.dim());
  if (!mean.isfinite().all().item<bool>()) return absl::InvalidArgumentError("mean: not finite");
  if (!(std.isfinite() & (std > 0)).all().item<bool>()) {
    return absl::InvalidArgumentError("std: must be positive and finite");
  }
  if (!std::isfinite(normalization.clip) || normalization.clip < 0) {
    return absl::InvalidArgumentError("clip: must be finite and not negative");
  }
  clip_ = normalization.clip;
  const double unit = UnitOf(stored_type(), normalization.raw_bytes);
  const at::Tensor scale = (unit / std).to(at::kFloat), shift = (-mean / std).to(at::kFloat);
  const bool identity = (scale == 1).all().item<bool>() && (shift == 0).all().item<bool>();
  if (token_ids_ && !identity) {
    return absl::InvalidArgumentError(
        "mean and std: the model takes token ids, which stay as they are");
  }
  scale_ = identity ? at::Tensor() : scale;
  shift_ = identity ? at::Tensor() : shift;
  normalization_ = normalization;
  return absl::OkStatus();
}

absl::StatusOr<Dataset> Dataset::WithSamples(at::Tensor inputs, at::Tensor labels,
                                             std::string name) const {
  if (inputs.dim() < 1 || inputs.sizes().slice(1) != inputs_.sizes().slice(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": samples of another shape than those of ", name_));
  }
  absl::StatusOr<Dataset> other =
      FromTensors(std::move(inputs), std::move(labels), std::move(name));
  if (other.ok()) {
    other->token_ids_ = token_ids_;
    other->planes_ = planes_;
  }
  if (!other.ok() || !normalization_) return other;
  if (absl::Status status = other->SetNormalization(*normalization_); !status.ok()) return status;
  return other;
}

Dataset Dataset::WithoutLabels() const {
  Dataset unlabelled(inputs_, {}, name_);
  unlabelled.index_ = index_;
  unlabelled.token_ids_ = token_ids_;
  unlabelled.planes_ = planes_;
  return unlabelled;
}

Dataset Dataset::Select(const at::Tensor& index) const {
  Dataset selected = *this;
  selected.inputs_ = StoredAt(index);
  selected.index_ = at::Tensor();
  if (has_labels()) selected.labels_ = labels_.index_select(0, index);
  return selected;
}

int64_t Dataset::size() const { return index_.defined() ? index_.size(0) : inputs_.size(0); }

std::vector<int64_t> Dataset::sample_shape() const { return inputs_.sizes().slice(1).vec(); }

bool Dataset::has_labels() const { return labels_.defined(); }

int64_t Dataset::num_classes() const {
  return has_labels() ? labels_.max().item<int64_t>() + 1 : 0;
}

const at::Tensor& Dataset::labels() const { return labels_; }

at::ScalarType Dataset::stored_type() const { return inputs_.scalar_type(); }

double Dataset::unit() const {
  return UnitOf(stored_type(), normalization_ && normalization_->raw_bytes);
}

at::Tensor Dataset::stored_inputs() const {
  return index_.defined() ? inputs_.index_select(0, index_) : inputs_;
}

at::Tensor Dataset::StoredAt(const at::Tensor& index) const {
  return inputs_.index_select(0, index_.defined() ? index_.index_select(0, index) : index);
}

const std::string& Dataset::name() const { return name_; }

Batch Dataset::Gather(const at::Tensor& index, const at::Device& device) const {
  return Loader(*this, device).Gather(index);
}

Dataset Dataset::Subset(const at::Tensor& index, bool labels) const {
  Dataset subset = *this;
  subset.index_ = index_.defined() ? index_.index_select(0, index) : index.contiguous();
  subset.labels_ = labels && has_labels() ? labels_.index_select(0, index) : at::Tensor();
  if (without_label_ > 0 && subset.has_labels()) {
    subset.without_label_ = subset.labels_.eq(kNoLabel).sum().item<int64_t>();
  }
  return subset;
}

Dataset Dataset::LabelledSamples() const {
  if (without_label_ == 0 || !has_labels()) return *this;
  return Subset(labels_.ge(0).nonzero().squeeze(1));
}

absl::Status Dataset::SetClassNames(const std::vector<std::string>& names) {
  if (class_names_.empty() || class_names_ == names) return absl::OkStatus();
  if (has_labels()) {
    absl::StatusOr<at::Tensor> recoded = RecodeLabels(labels_, class_names_, names, name_);
    if (!recoded.ok()) return recoded.status();
    labels_ = *std::move(recoded);
  }
  class_names_ = names;
  return absl::OkStatus();
}

Batch Dataset::Slice(int64_t begin, int64_t end, const at::Device& device) const {
  return Loader(*this, device).Slice(begin, end);
}

}  // namespace acclimate::data
