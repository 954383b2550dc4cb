// Ctrl-C and SIGTERM: end the program, or what the running command put in their place.
#ifndef ACCLIMATE_CLIENT_CLI_INTERRUPT_H_
#define ACCLIMATE_CLIENT_CLI_INTERRUPT_H_

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace acclimate::cli {

// Make one, first thing in main: the signals are blocked in every thread started later, and one
// thread waits for them. Never destroyed before the program ends.
class Interrupt {
 public:
  Interrupt();

  // While it lives, the first signal runs `action` on the waiting thread instead of ending the
  // program; a second one ends it.
  class Scope {
   public:
    Scope(Interrupt& interrupt, std::function<void()> action);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt& interrupt_;
  };

 private:
  void Wait();

  absl::Mutex mutex_;
  std::function<void()> action_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_INTERRUPT_H_
