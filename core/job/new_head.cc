#include "core/job/new_head.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "core/model/shape_probe.h"
#include "core/selection/source_record.h"

namespace acclimate::job {
namespace {

constexpr char kHeadSetting[] = "head";

// Empty where the method has no such hyperparameter.
std::string HeadSetting(const Inputs& inputs) {
  const auto found = inputs.hyperparameters.find(kHeadSetting);
  return found == inputs.hyperparameters.end() ? "" : std::get<std::string>(found->second);
}

int64_t ClassesOfData(const RunSpec& spec, const Inputs& inputs) {
  if (spec.num_classes > 0) return spec.num_classes;
  const auto named = static_cast<int64_t>(inputs.conventions.class_names.size());
  return named > 0 ? named : inputs.target->num_classes();
}

}  // namespace

bool MayHaveNewHead(const RunSpec& spec, const Inputs& inputs) {
  const std::string setting = HeadSetting(inputs);
  return spec.checkpoint != nullptr && (setting == "auto" || setting == "new");
}

absl::StatusOr<bool> MakeNewHead(const RunSpec& spec, bool renamed, Inputs& inputs,
                                 RunObserver& observer) {
  if (!MayHaveNewHead(spec, inputs)) return false;
  const int64_t had = inputs.model->num_classes(), wanted = ClassesOfData(spec, inputs);
  const bool told = HeadSetting(inputs) == "new" || (spec.num_classes > 0 && wanted != had);
  const bool other = renamed || wanted > had || 2 * wanted <= had;
  if (!told && !other) {
    if (wanted < had) {
      observer.OnWarning(absl::StrCat("the labels name ", wanted, " of the model's ", had,
                                      " classes: its classifier layer is kept; give head=new for "
                                      "a new one of ",
                                      wanted));
    }
    return false;
  }
  if (wanted < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels of target: a new classifier layer needs at least two classes, not ",
                     wanted, "; give head=keep to train the model's own"));
  }
  const auto refuse = [](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat("checkpoint: ", status.message(),
                                                    "; or keep its own with head=keep"));
  };
  absl::Status status = inputs.model->ReplaceHead(wanted);
  if (status.ok()) status = model::ProbeShape(*inputs.model, inputs.target->sample_shape());
  if (!status.ok()) return refuse(status);
  selection::EraseRecord(inputs.model->metadata());
  observer.OnWarning(
      absl::StrCat("the classifier layer is new: the data have ", wanted,
                   renamed ? " classes of other names than" : " classes,", " the model",
                   renamed ? "'s " : " had ", had,
                   "; its features are kept; head=keep trains the layer that it has"));
  return true;
}

}  // namespace acclimate::job
