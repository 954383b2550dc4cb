// ANIL: MAML whose inner loop moves the classifier layer only.
#include "core/methods/few_shot/maml_task.h"

namespace acclimate::methods {

MethodEntry Anil() {
  MethodSpec spec = MamlSpec();
  spec.name = "anil";
  spec.title = "Almost no inner loop (ANIL)";
  spec.summary =
      "MAML whose inner loop moves the classifier layer only: several times cheaper, and close to "
      "it where the features serve new classes as they are. Use adapt_few_shot on the result.";
  spec.reference = "Raghu et al., Rapid Learning or Feature Reuse?, ICLR (2020)";
  spec.formula =
      "min_{f,W} sum_t L_t^Q(f, W'_t), W' after inner_steps of W' <- W' - a grad_W L_t^S(f, W')";
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return MakeMamlTask(context, Adapted::kHead);
          }};
}

}  // namespace acclimate::methods
