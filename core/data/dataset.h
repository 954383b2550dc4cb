// A dataset: inputs [N, ...] and, when they are known, labels [N]; a batch is one gather.
#ifndef ACCLIMATE_CORE_DATA_DATASET_H_
#define ACCLIMATE_CORE_DATA_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/data/fields.h"
#include "core/io/mapped_file.h"

namespace acclimate::data {

// (x - mean[c]) / std[c] after uint8 has been scaled to [0, 1], unless raw_bytes. One value, or one
// a channel (the second dimension of the inputs). The result is clipped to [-clip, clip], unless
// clip is 0. Recorded with every adapted model.
struct Normalization {
  std::vector<double> mean = {0.0};
  std::vector<double> std = {1.0};
  double clip = 0;
  bool raw_bytes = false;
};

struct Batch {
  at::Tensor inputs;  // float32 [B, ...], scaled and normalised, on the requested device
  at::Tensor labels;  // int64 [B], or undefined
};

// Immutable and thread-safe. Inputs stay memory-mapped in their stored type (uint8 or float32;
// float64 and float16 are converted once); nothing is done per sample. A file that stays mapped may
// be larger than memory.
class Dataset {
 public:
  // Reads safetensors or npz (`inputs`, optional `labels`; the CSR form of csr.h is densified), or
  // npy (inputs only), recognised by their bytes. Labels are taken as label_forms.h says; texts as
  // names of classes. INVALID_ARGUMENT names the file, the tensor and the byte or index at fault,
  // all faults at once: truncated, wrong dtype, no samples, NaN or infinity (with the index of the
  // first), labels that are no classes, lengths that differ.
  // `fields`: what the model takes of it, where that is not the tensor "inputs" alone.
  static absl::StatusOr<Dataset> Read(std::shared_ptr<io::MappedFile> file,
                                      const Fields& fields = {});
  // From tensors in memory: the same checks.
  static absl::StatusOr<Dataset> FromTensors(at::Tensor inputs, at::Tensor labels,
                                             std::string name);

  // INVALID_ARGUMENT unless mean and std have one value or one a channel, std > 0 and clip >= 0; of
  // token ids, unless they leave the inputs as they are.
  absl::Status SetNormalization(const Normalization& normalization);

  // The same samples without their labels, not normalised.
  Dataset WithoutLabels() const;
  // Other samples of the same kind, normalised as these. INVALID_ARGUMENT: as FromTensors(), and
  // samples of another shape.
  absl::StatusOr<Dataset> WithSamples(at::Tensor inputs, at::Tensor labels, std::string name) const;
  // A copy of the samples at `index` (int64 [B] on the CPU), normalised as these.
  Dataset Select(const at::Tensor& index) const;

  int64_t size() const;                       // N
  std::vector<int64_t> sample_shape() const;  // without N, for example [1, 28, 28] or [128]
  // False too where every sample's label says that it has none.
  bool has_labels() const;
  // Whole numbers that name something: no views of them, no arithmetic.
  bool token_ids() const { return token_ids_; }
  // The fields of a sample: with several, its first dimension counts them.
  int64_t planes() const { return planes_; }
  // Samples whose label says that they have none: kNoLabel stands in labels() for them, unless
  // there are no labels at all. Whoever reads labels takes LabelledSamples() first.
  int64_t samples_without_label() const { return without_label_; }
  Dataset LabelledSamples() const;
  // By class, where the file has them; empty: classes are numbers.
  const std::vector<std::string>& class_names() const { return class_names_; }
  // Makes these the names, by which the labels get their numbers. INVALID_ARGUMENT: a label of
  // another name. Does nothing for classes that are numbers.
  absl::Status SetClassNames(const std::vector<std::string>& names);
  // What the file has where it has no labels, for a message; may be empty.
  const std::string& labels_hint() const { return labels_hint_; }
  int64_t num_classes() const;         // 1 + the largest label; 0 without labels
  const at::Tensor& labels() const;    // int64 [N]; undefined without labels
  at::ScalarType stored_type() const;  // uint8 or float32
  // What a stored 1 stands for before mean and std: 1/255 of uint8 that is scaled, else 1.
  double unit() const;
  // [N, ...] as stored, without a copy unless this is a Subset().
  at::Tensor stored_inputs() const;
  // A copy of the samples at `index` (int64 [B] on the CPU), as stored.
  at::Tensor StoredAt(const at::Tensor& index) const;
  const std::string& name() const;

  // One batch; for many, a Loader. index: int64 [B] on the CPU, values in [0, N).
  Batch Gather(const at::Tensor& index, const at::Device& device) const;
  // The samples of index, int64 [B] on the CPU with values in [0, N), as a dataset of its own,
  // normalised as this one: a view, eight bytes a sample and their labels, whose inputs stay where
  // they are. Without labels unless `labels`.
  Dataset Subset(const at::Tensor& index, bool labels = true) const;
  // Samples [begin, end) in order.
  Batch Slice(int64_t begin, int64_t end, const at::Device& device) const;

 private:
  friend class Loader;  // of batches

  Dataset(at::Tensor inputs, at::Tensor labels, std::string name);

  at::Tensor inputs_;  // uint8 or float32
  at::Tensor index_;   // int64 [N]: the samples of inputs_ that this is a view of. Undefined: all
  at::Tensor labels_;  // of those samples
  bool token_ids_ = false;
  int64_t planes_ = 1;
  int64_t without_label_ = 0;
  std::vector<std::string> class_names_;
  std::string labels_hint_;
  // stored * scale + shift, float32, broadcastable over a batch. Undefined: nothing to do.
  at::Tensor scale_, shift_;
  double clip_ = 0;                              // as in Normalization
  absl::optional<Normalization> normalization_;  // as set
  std::string name_;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_DATASET_H_
