// What a method tells about itself: the source of the catalogue and of every check at CreateJob.
// Free of LibTorch.
#ifndef ACCLIMATE_CORE_METHODS_METHOD_SPEC_H_
#define ACCLIMATE_CORE_METHODS_METHOD_SPEC_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/shift/shift_kind.h"

namespace acclimate::methods {

// The alternatives are the types of hyperparameters; an integer is accepted for a real number.
using HyperparameterValue = std::variant<int64_t, double, bool, std::string>;
using Hyperparameters = std::map<std::string, HyperparameterValue>;

struct HyperparameterSpec {
  std::string name;         // "learning_rate"
  std::string description;  // one sentence; units where there are any
  HyperparameterValue default_value;
  double minimum = 0;  // inclusive; numbers only
  double maximum = 0;  // inclusive
  bool exclusive_minimum = false;
  std::vector<std::string> choices;  // text only: what it may be
};

enum class DataNeed { kNone, kOptional, kRequired };

// A file that a method takes beside checkpoint, sources, target and evaluation.
struct InputSpec {
  enum class Kind {
    kDataset,          // inputs, without labels
    kLabelledDataset,  // inputs and labels
    kModel,            // a checkpoint
    kFile,             // what a job of this method left before, for example a memory
  };
  std::string name;  // "teacher"
  Kind kind = Kind::kDataset;
  DataNeed need = DataNeed::kRequired;
  std::string description;  // one sentence
};

struct MethodSpec {
  std::string name;       // "dann"
  std::string title;      // "Domain-adversarial training (DANN)"
  std::string summary;    // one or two sentences: what it does, when to use it
  std::string reference;  // "Ganin et al., JMLR 17 (2016)"; empty for evaluate
  std::string formula;    // the loss in plain text
  DataNeed checkpoint = DataNeed::kRequired;
  DataNeed source = DataNeed::kNone;         // labelled source data
  DataNeed target = DataNeed::kRequired;     // unlabelled target data
  DataNeed target_labels = DataNeed::kNone;  // kRequired: finetune, evaluate
  bool trains = true;                        // false: evaluate
  // The target's labels are classes of the model. False: of a set of base classes, any number of
  // them; a fresh model has the hyperparameter `ways` as its classes, and there is no evaluation.
  bool labels_are_classes = true;
  bool needs_batch_norm = false;
  bool needs_normalization = false;  // a layer that normalises, of any kind, with scale and shift
  bool needs_images = false;         // samples [C, H, W]
  bool needs_features = true;  // false: evaluate, which takes models whose classifier is not found
  bool needs_vectors = false;  // samples [D]
  bool needs_counts = false;   // with needs_vectors: no negative values
  // The weights between any two epochs make a classifier of the target, so that label-free
  // validators can choose among them and the guard can hold them against the source model.
  bool selects_weights = false;
  // `precision=auto` is fp32: it takes second derivatives, or what comes out is measured, not
  // trained.
  bool full_precision = false;
  // The kinds of shift that it is made for: what `diagnose` tells users by. Empty: what the needs
  // above say (shift_offers.h).
  std::vector<shift::ShiftKind> answers;
  // A share of each source is kept from training, for validators.
  bool holds_out_source = false;
  std::vector<InputSpec> inputs;
  std::vector<HyperparameterSpec> hyperparameters;
};

// What is wrong with one given hyperparameter.
struct HyperparameterProblem {
  std::string name;
  std::string description;  // "must be in (0, 1]; is 3" or "unknown; this method has: ..."
};

// Every unknown, mistyped or out-of-range one, sorted by name; empty when all is well.
std::vector<HyperparameterProblem> CheckHyperparameters(const MethodSpec& spec,
                                                        const Hyperparameters& given);

// The defaults with `given` laid over them. INVALID_ARGUMENT names every unknown, mistyped or
// out-of-range one at once.
absl::StatusOr<Hyperparameters> ResolveHyperparameters(const MethodSpec& spec,
                                                       const Hyperparameters& given);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_METHOD_SPEC_H_
