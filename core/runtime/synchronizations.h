// Counts where the host waits for an accelerator: a switch for debugging, and for tests.
#ifndef ACCLIMATE_CORE_RUNTIME_SYNCHRONIZATIONS_H_
#define ACCLIMATE_CORE_RUNTIME_SYNCHRONIZATIONS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace acclimate::runtime {

// Watches the operators of every thread while it lives: those that hand a value of the device to
// the host, copies that are not from or to pinned memory, and those whose result's size depends on
// values. One at a time. What an operator does inside of a library (the checks of a decomposition)
// is seen for those that are known to.
class SynchronizationCounter {
 public:
  SynchronizationCounter();
  ~SynchronizationCounter();
  SynchronizationCounter(const SynchronizationCounter&) = delete;
  SynchronizationCounter& operator=(const SynchronizationCounter&) = delete;

  // Where the environment has ACCLIMATE_COUNT_SYNCHRONIZATIONS, else null.
  static std::unique_ptr<SynchronizationCounter> IfAskedFor();

  int64_t count() const;
  std::map<std::string, int64_t> by_operator() const;  // "aten::_local_scalar_dense" -> times

 private:
  uint64_t handle_;
};

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_SYNCHRONIZATIONS_H_
