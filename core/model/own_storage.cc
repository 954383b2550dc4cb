#include "core/model/own_storage.h"

#include <torch/script.h>

#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace acclimate::model {
namespace {

// The bytes that a tensor looks at, and how.
using View = std::tuple<const void*, int64_t, std::vector<int64_t>, std::vector<int64_t>, int>;

View ViewOf(const at::Tensor& tensor) {
  return {tensor.storage().unsafeGetStorageImpl(), tensor.storage_offset(), tensor.sizes().vec(),
          tensor.strides().vec(), static_cast<int>(tensor.scalar_type())};
}

struct Slot {
  c10::intrusive_ptr<c10::ivalue::Object> object;
  size_t index;
};

class StorageDivider {
 public:
  explicit StorageDivider(const torch::jit::Module& module) { Collect(module._ivalue()); }

  void Divide() {
    const at::NoGradGuard no_grad;
    const c10::InferenceMode no_inference(false);
    for (auto& [view, slots] : views_) {
      const at::Tensor tensor = TensorOf(slots.front());
      const at::Tensor alone = IsAlone(tensor) ? tensor : Copy(tensor);
      for (const Slot& slot : slots) slot.object->setSlot(slot.index, alone);
    }
  }

 private:
  static at::Tensor TensorOf(const Slot& slot) {
    return slot.object->getSlot(slot.index).toTensor();
  }

  void Collect(const c10::intrusive_ptr<c10::ivalue::Object>& object) {
    if (!seen_.insert(object.get()).second) return;
    for (size_t i = 0; i < object->type()->numAttributes(); ++i) {
      const c10::IValue& value = object->getSlot(i);
      if (value.isObject()) Collect(value.toObject());
      if (!value.isTensor() || !value.toTensor().defined() || !value.toTensor().has_storage()) {
        continue;
      }
      std::vector<Slot>& slots = views_[ViewOf(value.toTensor())];
      if (slots.empty()) ++views_of_storage_[std::get<0>(ViewOf(value.toTensor()))];
      slots.push_back({object, i});
    }
  }

  bool IsAlone(const at::Tensor& tensor) const {
    return views_of_storage_.at(tensor.storage().unsafeGetStorageImpl()) == 1 &&
           tensor.storage().nbytes() == tensor.nbytes() && tensor.is_leaf() &&
           !tensor.is_inference();
  }

  static at::Tensor Copy(const at::Tensor& tensor) {
    return tensor.detach().clone().set_requires_grad(tensor.requires_grad());
  }

  std::set<const void*> seen_;
  std::map<View, std::vector<Slot>> views_;
  std::map<const void*, int> views_of_storage_;
};

}  // namespace

void GiveOwnStorage(const torch::jit::Module& module) { StorageDivider(module).Divide(); }

}  // namespace acclimate::model
