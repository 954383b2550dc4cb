#include "core/runtime/synchronizations.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>

namespace acclimate::runtime {
namespace {

// Callbacks are plain functions: what they count lies here.
std::mutex mutex;
std::map<std::string, int64_t> counts;

bool OnAccelerator(const c10::IValue& value) {
  return value.isTensor() && value.toTensor().defined() && !value.toTensor().is_cpu() &&
         !value.toTensor().is_meta();
}

// copy_(to, from, non_blocking)
bool CopyWaits(c10::ArrayRef<const c10::IValue> inputs) {
  if (inputs.size() < 3 || !inputs[0].isTensor() || !inputs[1].isTensor()) return false;
  const at::Tensor &to = inputs[0].toTensor(), &from = inputs[1].toTensor();
  if (to.is_cpu() == from.is_cpu()) return false;
  const bool non_blocking = inputs[2].isBool() && inputs[2].toBool();
  return !non_blocking || !(to.is_cpu() ? to : from).is_pinned();
}

bool Waits(const std::string& name, c10::ArrayRef<const c10::IValue> inputs) {
  static const auto* const kWaiting = new std::set<std::string>{"aten::_local_scalar_dense",
                                                                "aten::nonzero",
                                                                "aten::masked_select",
                                                                "aten::_unique2",
                                                                "aten::unique_dim",
                                                                "aten::unique_consecutive",
                                                                "aten::equal",
                                                                "aten::bincount",
                                                                "aten::_linalg_svd",
                                                                "aten::_linalg_eigh",
                                                                "aten::linalg_cholesky_ex",
                                                                "aten::linalg_lstsq",
                                                                "aten::linalg_qr"};
  if (inputs.empty()) return false;
  if (name == "aten::copy_") return CopyWaits(inputs);
  return kWaiting->count(name) > 0 && OnAccelerator(inputs[0]);
}

std::unique_ptr<at::ObserverContext> Count(const at::RecordFunction& function) {
  const std::string name = function.name();
  if (Waits(name, function.inputs())) {
    const std::lock_guard<std::mutex> lock(mutex);
    ++counts[name];
  }
  return nullptr;
}

}  // namespace

SynchronizationCounter::SynchronizationCounter() {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    counts.clear();
  }
  handle_ = at::addGlobalCallback(at::RecordFunctionCallback(&Count).needsInputs(true).scopes(
      {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
}

SynchronizationCounter::~SynchronizationCounter() { at::removeCallback(handle_); }

std::unique_ptr<SynchronizationCounter> SynchronizationCounter::IfAskedFor() {
  if (std::getenv("ACCLIMATE_COUNT_SYNCHRONIZATIONS") == nullptr) return nullptr;
  return std::make_unique<SynchronizationCounter>();
}

int64_t SynchronizationCounter::count() const {
  int64_t count = 0;
  for (const auto& [name, times] : by_operator()) count += times;
  return count;
}

std::map<std::string, int64_t> SynchronizationCounter::by_operator() const {
  const std::lock_guard<std::mutex> lock(mutex);
  return counts;
}

}  // namespace acclimate::runtime
