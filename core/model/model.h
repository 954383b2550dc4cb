// A classifier as every method sees it: features and logits from one forward pass, its parameters
// by name and role, its batch-norm layers, and its train/eval behaviour under control.
#ifndef ACCLIMATE_CORE_MODEL_MODEL_H_
#define ACCLIMATE_CORE_MODEL_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/stored_form.h"

namespace acclimate::model {

enum class Mode {
  kEvaluation,       // stored statistics, no dropout
  kTraining,         // batch statistics (stored ones follow with their momentum), dropout on
  kBatchStatistics,  // batch statistics, stored ones untouched, no dropout
};

struct ForwardResult {
  at::Tensor features;  // [N, D]: the input of the classifier layer
  at::Tensor logits;    // [N, C]
};

// One argument of forward().
struct ModelInput {
  std::string name;  // "input_ids"
  at::ScalarType type = at::kFloat;
  // Dotted path of the embedding that looks its numbers up, and how many it knows; empty and 0:
  // none does.
  std::string embedding;
  int64_t vocabulary = 0;

  bool whole_numbers() const { return !c10::isFloatingType(type); }
};

// The tensors alias the model's own. weight and bias are undefined in a layer without affine form.
struct BatchNormLayer {
  std::string name;  // "layer1.0.bn1"
  at::Tensor weight, bias, running_mean, running_var;
  double eps;
};

// Batch, layer, group or instance norm with a scale or a shift; the one that it has not is
// undefined. The tensors alias the model's own.
struct NormalizationLayer {
  std::string name;  // "layer1.0.bn1"
  at::Tensor weight, bias;
};

// Of the values of each channel that reach a batch-norm layer in one batch.
struct BatchMoments {
  at::Tensor mean, variance;  // float [C]; the variance is the biased one
  int64_t count = 0;          // values of a channel
};

struct MomentsResult {
  std::vector<BatchMoments> layers;  // as batch_norm_layers()
  ForwardResult output;
};

struct Parameter {
  std::string name;   // "layer1.0.conv1.weight"
  at::Tensor tensor;  // aliases the model's own
  bool head;          // belongs to the classifier layer
  bool batch_norm;    // scale or shift of a batch-norm layer
};

// A place between two layers, through which everything that follows depends on the inputs: the
// input of a convolution or a linear layer. The last level is the features.
struct Level {
  std::string name;                     // of the last layer before it, "layer1.1.bn2"
  std::vector<std::string> parameters;  // and buffers, read between the level before and this one
};

struct LevelsResult {
  std::vector<at::Tensor> levels;  // [N, ...], in the order asked for
  ForwardResult output;
};

enum class CheckpointForm { kTorchScript, kSafetensors, kPickle, kExportedProgram };

// One TorchScript module and graphs specialised from its forward(): one a mode. Built-in
// architectures and programs of torch.export become TorchScript too, so that there is one path for
// all. Not thread-safe. Gradients flow to the parameters; the caller decides which require them.
//
// Precision. With a type below float, layers compute in it as LibTorch's autocast says:
// convolutions and matrix products take inputs and weights rounded to it, what follows keeps it.
// Parameters, their gradients and the statistics of batch norm stay float. The classifier layer
// computes in float, so that logits are not coarse and agree with what others compute from its
// weights. All results are float but for ForwardTo().
class Model {
 public:
  virtual ~Model() = default;

  // In the order of forward(); at least one.
  virtual const std::vector<ModelInput>& inputs() const = 0;

  // inputs: float32 [N, ...]; of a model with k inputs [N, k, ...], of which plane i is input i.
  // Whole numbers come as floats, and are cast to their type inside. Errors of the user's own code
  // come as c10::Error, which callers turn into a status at the boundary of core.
  virtual ForwardResult Forward(const at::Tensor& inputs, Mode mode) = 0;
  // The classifier layer alone, [N, D] -> [N, C], with its current weights.
  virtual at::Tensor ClassifyFeatures(const at::Tensor& features) = 0;

  // Forward() with `parameters` (by name, shaped as the model's own) in place of the model's
  // parameters of those names: gradients, of any order, flow to them. Stored statistics are the
  // model's.
  virtual ForwardResult ForwardWith(const std::map<std::string, at::Tensor>& parameters,
                                    const at::Tensor& inputs, Mode mode) = 0;

  // In forward order; at least one, the features. A network with few levels is one whose layers
  // cannot be told apart (shapes of the inputs that travel to its end, as in some traced models).
  virtual const std::vector<Level>& levels() const = 0;
  // Forward(), and what passes through the levels.
  virtual LevelsResult ForwardThrough(const std::vector<size_t>& levels, const at::Tensor& inputs,
                                      Mode mode) = 0;
  // The two halves: ForwardFrom(l, ForwardTo(l, x, mode), mode) is Forward(x, mode), but for
  // num_batches_tracked, which halves leave alone. Each half costs only its own layers. The tensor
  // between them has the type that the layers pass on.
  virtual at::Tensor ForwardTo(size_t level, const at::Tensor& inputs, Mode mode) = 0;
  virtual ForwardResult ForwardFrom(size_t level, const at::Tensor& tensor, Mode mode) = 0;

  virtual int64_t num_classes() const = 0;
  virtual int64_t feature_size() const = 0;  // D; 0 until the first forward pass when unknown

  virtual const std::vector<Parameter>& parameters() const = 0;
  virtual const std::vector<BatchNormLayer>& batch_norm_layers() const = 0;  // in forward order
  // Every layer that normalises and has a scale or a shift, in forward order: batch-norm layers
  // that have one among them, those without stored statistics and inside control flow too.
  virtual const std::vector<NormalizationLayer>& normalization_layers() const = 0;
  // The input of batch_norm_layers()[layer] for `inputs`, in evaluation mode: [N, C, ...].
  virtual at::Tensor BatchNormInput(size_t layer, const at::Tensor& inputs) = 0;
  // Forward() in evaluation mode, but that every one of batch_norm_layers() normalises with
  // (1 - share) of its stored statistics and `share`, in [0, 1], of those of its input in this
  // batch, with the unbiased variance; and the moments of all these inputs. At share = 1 evaluation
  // with the batch's own moments stored, the variance unbiased, gives the same outputs. Stored
  // statistics stay as they are.
  virtual MomentsResult ForwardWithMoments(const at::Tensor& inputs, double share) = 0;

  // Parameters and buffers by name. The tensors alias the model's own.
  virtual std::map<std::string, at::Tensor> StateDict() const = 0;
  // Copies in place. INVALID_ARGUMENT names each missing, unexpected or misshapen tensor.
  virtual absl::Status LoadStateDict(const std::map<std::string, at::Tensor>& state) = 0;

  // A classifier layer of `classes` fresh rows, from the default CPU generator, in place of the
  // model's own; the rest stays. Before the first training step and any copy. INVALID_ARGUMENT: the
  // classifier is more than a weight and a bias, or the form has its shape written in (.pt2).
  virtual absl::Status ReplaceHead(int64_t classes) = 0;

  virtual void To(const at::Device& device) = 0;

  // Of the forward passes from here on: kFloat (at first), kBFloat16 or kHalf. Clone() keeps it.
  virtual void set_precision(at::ScalarType type) = 0;
  virtual at::ScalarType precision() const = 0;

  virtual CheckpointForm form() const = 0;
  // How the checkpoint names and stores its tensors, and the saved model will.
  virtual const StoredForm& stored_form() const = 0;
  virtual const std::string& architecture() const = 0;  // built-in name; empty for users' own
  // What the loader could not restore, in words (a traced module's baked-in flags, for example).
  virtual const std::vector<std::string>& warnings() const = 0;
  // Notes that travel with the model: loaded with it, copied by Clone(), written by Save() where
  // the form has room (safetensors metadata; the extra file "acclimate.json" of TorchScript and
  // .pt2, one JSON object of strings; .pth files have none). The run's normalisation is kept here.
  std::map<std::string, std::string>& metadata() { return metadata_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // An independent copy on the same device.
  virtual std::unique_ptr<Model> Clone() const = 0;
  // Writes the model in the form it came in, so that it loads where the original did. A .pt2 is the
  // archive that came with the tensors that changed. INVALID_ARGUMENT names a tensor whose shape is
  // not the one that the program in a .pt2 is written for.
  virtual absl::Status Save(const std::string& path) const = 0;

 private:
  std::map<std::string, std::string> metadata_;
};

// "model.pt", "model.safetensors", "model.pth" or "model.pt2".
std::string FileNameFor(CheckpointForm form);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_MODEL_H_
