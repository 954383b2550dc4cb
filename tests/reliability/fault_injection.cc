#include "tests/reliability/fault_injection.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace acclimate::reliability {

FaultInjection::FaultInjection() {
  const std::string path = folder_.File("plan");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(FaultPlan)) != 0) std::abort();
  void* const memory = mmap(nullptr, sizeof(FaultPlan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) std::abort();
  close(fd);
  plan_ = new (memory) FaultPlan;
  setenv(kFaultPlanVariable, path.c_str(), 1);
  setenv("LD_PRELOAD", FAULT_LIBRARY, 1);
}

FaultInjection::~FaultInjection() {
  unsetenv("LD_PRELOAD");
  unsetenv(kFaultPlanVariable);
  munmap(plan_, sizeof(FaultPlan));
}

void FaultInjection::SetFolder(const std::string& folder) {
  std::strncpy(plan_->folder, folder.c_str(), sizeof(plan_->folder) - 1);
}

void FaultInjection::FailAfter(int64_t succeed, int error) {
  plan_->error = error;
  plan_->succeed = succeed;
}

bool FaultInjection::Stop() { return plan_->succeed.exchange(-1) < 0; }

void FaultInjection::KillAt(const Failpoint& failpoint, int64_t made) {
  plan_->kill_call = failpoint.call;
  plan_->kill_after = failpoint.after;
  std::strncpy(plan_->kill_path, failpoint.path, sizeof(plan_->kill_path) - 1);
  plan_->kill_countdown = made;
}

bool FaultInjection::StopKill() { return plan_->kill_countdown.exchange(-1) < 0; }

void FaultInjection::MoveClock(absl::Duration offset) {
  plan_->clock_offset_nanoseconds = absl::ToInt64Nanoseconds(offset);
}

}  // namespace acclimate::reliability
