#include "client/cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <thread>
#include <utility>

#include "client/cli/command.h"

namespace acclimate::cli {
namespace {

sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([this] { Wait(); }).detach();
}

void Interrupt::Wait() {
  const sigset_t signals = Signals();
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    absl::MutexLock lock(&mutex_);  // held: the action must not outlive its Scope
    if (action_ == nullptr) {
      std::fputs(
          "\nInterrupted. Uploads and downloads go on where they stopped when the same "
          "command is run again.\n",
          stderr);
      _exit(kInterrupted);
    }
    std::exchange(action_, nullptr)();
  }
}

Interrupt::Scope::Scope(Interrupt& interrupt, std::function<void()> action)
    : interrupt_(interrupt) {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.action_ = std::move(action);
}

Interrupt::Scope::~Scope() {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.action_ = nullptr;
}

}  // namespace acclimate::cli
