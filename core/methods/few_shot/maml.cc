// MAML: an initialisation from which a few gradient steps learn new classes.
#include "core/methods/few_shot/maml_task.h"

namespace acclimate::methods {

MethodEntry Maml() {
  MethodSpec spec = MamlSpec();
  spec.full_precision = true;
  spec.name = "maml";
  spec.title = "Model-agnostic meta-learning (MAML)";
  spec.summary =
      "Trains on a labelled set of many classes, episode by episode, so that a few gradient steps "
      "on a handful of examples tell new classes apart. Use adapt_few_shot on the result.";
  spec.reference = "Finn et al., Model-Agnostic Meta-Learning, ICML (2017)";
  spec.formula =
      "min_theta sum_t L_t^Q(theta'_t), theta' after inner_steps of theta' <- theta' - a grad "
      "L_t^S(theta'); exact gradient: (I - a Hess L^S) grad L^Q a step";
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return MakeMamlTask(context, Adapted::kEverything);
          }};
}

}  // namespace acclimate::methods
