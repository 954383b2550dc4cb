// The one implementation of Model: a TorchScript module and programs cut from its forward().
#ifndef ACCLIMATE_CORE_MODEL_SCRIPT_MODEL_H_
#define ACCLIMATE_CORE_MODEL_SCRIPT_MODEL_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/jit/api/module.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/exported_archive.h"
#include "core/model/graph_program.h"
#include "core/model/model.h"
#include "core/model/stored_form.h"

namespace acclimate::model {

// The extra file of a TorchScript archive that holds Model::metadata().
constexpr char kMetadataRecord[] = "acclimate.json";

// Where a model came from, and so the form it is saved in.
struct Origin {
  CheckpointForm form;
  std::string architecture;                                  // empty for TorchScript
  std::vector<int64_t> sample_shape;                         // of one sample; empty when unknown
  std::shared_ptr<const ExportedArchive> archive = nullptr;  // of an exported program
  std::vector<std::string> warnings = {};                    // of its reader
  StoredForm stored = {};                                    // in which it is given back
  // Those whose types are known; empty: the arguments of forward(), floats unless an embedding
  // looks them up.
  std::vector<ModelInput> inputs = {};
};

enum class Split {
  kRequired,       // into features and classifier
  kWherePossible,  // elsewhere the logits stand for the features
};

class ScriptModel final : public Model {
 public:
  // Takes the module over. INVALID_ARGUMENT: a forward() that takes anything but tensors, or in
  // which no classifier layer is found where `split` asks for one. Throws c10::Error when LibTorch
  // cannot prepare the graph.
  static absl::StatusOr<std::unique_ptr<Model>> Create(torch::jit::Module module, Origin origin,
                                                       Split split = Split::kRequired);
  ~ScriptModel() override;

  const std::vector<ModelInput>& inputs() const override { return inputs_; }
  ForwardResult Forward(const at::Tensor& inputs, Mode mode) override;
  at::Tensor ClassifyFeatures(const at::Tensor& features) override;
  ForwardResult ForwardWith(const std::map<std::string, at::Tensor>& parameters,
                            const at::Tensor& inputs, Mode mode) override;
  const std::vector<Level>& levels() const override;
  LevelsResult ForwardThrough(const std::vector<size_t>& levels, const at::Tensor& inputs,
                              Mode mode) override;
  at::Tensor ForwardTo(size_t level, const at::Tensor& inputs, Mode mode) override;
  ForwardResult ForwardFrom(size_t level, const at::Tensor& tensor, Mode mode) override;
  int64_t num_classes() const override;
  int64_t feature_size() const override { return feature_size_; }
  const std::vector<Parameter>& parameters() const override { return parameters_; }
  const std::vector<BatchNormLayer>& batch_norm_layers() const override {
    return batch_norm_layers_;
  }
  const std::vector<NormalizationLayer>& normalization_layers() const override {
    return normalization_layers_;
  }
  at::Tensor BatchNormInput(size_t layer, const at::Tensor& inputs) override;
  MomentsResult ForwardWithMoments(const at::Tensor& inputs, double share) override;
  std::map<std::string, at::Tensor> StateDict() const override;
  absl::Status LoadStateDict(const std::map<std::string, at::Tensor>& state) override;
  absl::Status ReplaceHead(int64_t classes) override;
  void To(const at::Device& device) override;
  void set_precision(at::ScalarType type) override { precision_ = type; }
  at::ScalarType precision() const override { return precision_; }
  CheckpointForm form() const override { return origin_.form; }
  const StoredForm& stored_form() const override { return origin_.stored; }
  const std::string& architecture() const override { return origin_.architecture; }
  const std::vector<std::string>& warnings() const override { return warnings_; }
  std::unique_ptr<Model> Clone() const override;
  absl::Status Save(const std::string& path) const override;

  const torch::jit::Module& module() const { return module_; }

 private:
  struct Programs;

  ScriptModel(torch::jit::Module module, Origin origin, std::shared_ptr<Programs> programs);
  std::vector<at::Tensor> Run(const GraphProgram& program, const at::Tensor& input,
                              const std::vector<at::Tensor>& more = {}) const;
  at::Tensor AsResult(const at::Tensor& tensor) const;
  ForwardResult ToResult(const at::Tensor& features, const at::Tensor& logits);
  // parameters_ and both lists of layers, as views of the module's tensors.
  void CollectTensors();
  absl::Status SaveSafetensors(const std::string& path) const;
  absl::Status SaveTorchScript(const std::string& path) const;

  torch::jit::Module module_;
  Origin origin_;
  std::shared_ptr<Programs> programs_;  // shared with clones on the same device
  std::vector<ModelInput> inputs_;
  std::vector<Parameter> parameters_;
  std::vector<BatchNormLayer> batch_norm_layers_;
  std::vector<NormalizationLayer> normalization_layers_;
  std::vector<std::string> warnings_;
  at::ScalarType precision_ = at::kFloat;
  int64_t feature_size_ = 0;
  int64_t logits_size_ = 0;             // 0 until the first forward pass
  std::vector<int64_t> feature_shape_;  // of one sample, before flattening
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_SCRIPT_MODEL_H_
