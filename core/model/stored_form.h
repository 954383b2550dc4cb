// How a checkpoint names and stores what the model computes with: a saved model is given back so.
#ifndef ACCLIMATE_CORE_MODEL_STORED_FORM_H_
#define ACCLIMATE_CORE_MODEL_STORED_FORM_H_

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace acclimate::model {

// By the model's name, of tensors of another floating type than float.
using StoredTypes = std::map<std::string, at::ScalarType>;

struct StoredForm {
  // The keys that lead to the state dict in a pickled dictionary: {"state_dict"}.
  std::vector<std::string> keys = {};
  // In front of every name: "module.", "_orig_mod.", "model.backbone.".
  std::string prefix = "";
  StoredTypes types = {};
};

// Half, bfloat16 or double: what is computed in float.
bool IsOtherFloat(at::ScalarType type);
// Of the tensors of a state dict.
StoredTypes OtherFloatTypes(const std::map<std::string, at::Tensor>& state);

// `state`, which has the model's names and types, with those of the form.
std::map<std::string, at::Tensor> AsStored(const std::map<std::string, at::Tensor>& state,
                                           const StoredForm& form);

// One sentence for the user of a model that is not stored in float.
std::string TypesWarning(const StoredTypes& types);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_STORED_FORM_H_
