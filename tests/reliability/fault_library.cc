// Loaded into a server by LD_PRELOAD: makes one of its calls on files fail, kills it at one of
// them, and moves its clock, as the FaultPlan says.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/reliability/fault_plan.h"

namespace {

using acclimate::reliability::FaultPlan;
using acclimate::reliability::FileCall;

constexpr int64_t kNanosecondsOfASecond = 1'000'000'000;

// The function of this name that ours hides.
template <typename Function>
Function Next(Function, const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

FaultPlan* OpenPlan() {
  const char* path = std::getenv(acclimate::reliability::kFaultPlanVariable);
  if (path == nullptr) return nullptr;
  const auto fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC));
  if (fd < 0) return nullptr;
  void* const memory = reinterpret_cast<void*>(
      syscall(SYS_mmap, nullptr, sizeof(FaultPlan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  syscall(SYS_close, fd);
  return memory == MAP_FAILED ? nullptr : static_cast<FaultPlan*>(memory);
}

FaultPlan* g_plan = nullptr;

__attribute__((constructor)) void Begin() { g_plan = OpenPlan(); }

bool IsBelow(const char* path) {
  return std::strncmp(path, g_plan->folder, std::strlen(g_plan->folder)) == 0;
}

// The path of an open file; empty: it has none.
class PathOf {
 public:
  explicit PathOf(int fd) {
    char link[64];
    std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path_, sizeof(path_) - 1);
    path_[std::max<ssize_t>(0, length)] = 0;
  }
  operator const char*() const { return path_; }

 private:
  char path_[512];
};

bool IsBelow(int fd) { return IsBelow(PathOf(fd)); }

bool IsKillPath(const char* path) {
  const size_t size = std::strlen(path), part = std::strlen(g_plan->kill_path);
  if (!IsBelow(path) || part == 0 || part > size) return false;
  if (g_plan->kill_path[part - 1] == '/') return std::strstr(path, g_plan->kill_path) != nullptr;
  return std::strcmp(path + size - part, g_plan->kill_path) == 0;
}

bool IsKillPath(int fd) { return IsKillPath(PathOf(fd)); }

// Lives as long as a call on a file, and kills the process before or after it where the plan says
// so.
class KillPoint {
 public:
  template <typename File>
  KillPoint(FileCall call, File file)
      : due_(g_plan != nullptr && g_plan->kill_countdown.load() >= 0 && call == g_plan->kill_call &&
             IsKillPath(file) && g_plan->kill_countdown.fetch_sub(1) == 0) {
    if (due_ && !g_plan->kill_after) Die();
  }
  ~KillPoint() {
    if (due_) Die();
  }
  KillPoint(const KillPoint&) = delete;
  KillPoint& operator=(const KillPoint&) = delete;

 private:
  static void Die() { kill(getpid(), SIGKILL); }

  const bool due_;
};

// Whether this is the call that fails; errno is set then.
template <typename File>
bool Fails(File file, bool suits) {
  if (g_plan == nullptr || g_plan->succeed.load() < 0 || !suits || !IsBelow(file)) return false;
  if (g_plan->succeed.fetch_sub(1) != 0) return false;
  errno = g_plan->error;
  return true;
}

bool Is(int error) { return g_plan != nullptr && g_plan->error == error; }
bool OfTheDisk() { return Is(EIO) || Is(ENOSPC); }

int64_t Offset() { return g_plan == nullptr ? 0 : g_plan->clock_offset_nanoseconds.load(); }

timespec Moved(const timespec& time, int64_t nanoseconds) {
  const int64_t sum = time.tv_sec * kNanosecondsOfASecond + time.tv_nsec + nanoseconds;
  return {sum / kNanosecondsOfASecond, sum % kNanosecondsOfASecond};
}

// What is later than any machine has been up is a time of day.
bool IsTimeOfDay(const timespec& time) { return time.tv_sec > 1'000'000'000; }

}  // namespace

#define ACCLIMATE_REAL(name) static const auto real = Next(&name, #name)

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  const KillPoint point(FileCall::kWrite, fd);
  ACCLIMATE_REAL(write);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd, data, size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  const KillPoint point(FileCall::kWrite, fd);
  ACCLIMATE_REAL(pwrite);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  const KillPoint point(FileCall::kWrite, fd);
  ACCLIMATE_REAL(pwrite64);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd, data, size, offset);
}

int fsync(int fd) {
  const KillPoint point(FileCall::kSync, fd);
  ACCLIMATE_REAL(fsync);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd);
}

int fdatasync(int fd) {
  const KillPoint point(FileCall::kSync, fd);
  ACCLIMATE_REAL(fdatasync);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size) noexcept {
  const KillPoint point(FileCall::kTruncate, fd);
  ACCLIMATE_REAL(ftruncate);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size) noexcept {
  const KillPoint point(FileCall::kTruncate, fd);
  ACCLIMATE_REAL(ftruncate64);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
  const KillPoint point(FileCall::kAllocate, fd);
  ACCLIMATE_REAL(fallocate);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  const KillPoint point(FileCall::kAllocate, fd);
  ACCLIMATE_REAL(fallocate64);
  return Fails(fd, OfTheDisk()) ? -1 : real(fd, mode, offset, size);
}

int rename(const char* from, const char* to) noexcept {
  const KillPoint point(FileCall::kRename, to);
  ACCLIMATE_REAL(rename);
  return Fails(to, OfTheDisk()) ? -1 : real(from, to);
}

int unlink(const char* path) noexcept {
  const KillPoint point(FileCall::kUnlink, path);
  ACCLIMATE_REAL(unlink);
  return real(path);
}

int open(const char* path, int flags, ...) {
  const KillPoint point((flags & O_CREAT) != 0 ? FileCall::kCreate : FileCall::kNone, path);
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, mode_t);
  va_end(rest);
  ACCLIMATE_REAL(open);
  return Fails(path, Is(EMFILE) || (OfTheDisk() && (flags & O_CREAT) != 0))
             ? -1
             : real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  const KillPoint point((flags & O_CREAT) != 0 ? FileCall::kCreate : FileCall::kNone, path);
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, mode_t);
  va_end(rest);
  ACCLIMATE_REAL(open64);
  return Fails(path, Is(EMFILE) || (OfTheDisk() && (flags & O_CREAT) != 0))
             ? -1
             : real(path, flags, mode);
}

void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  ACCLIMATE_REAL(mmap);
  if (fd >= 0 && Fails(fd, Is(ENOMEM))) return MAP_FAILED;
  return real(address, size, protection, flags, fd, offset);
}

void* mmap64(void* address, size_t size, int protection, int flags, int fd,
             off64_t offset) noexcept {
  ACCLIMATE_REAL(mmap64);
  if (fd >= 0 && Fails(fd, Is(ENOMEM))) return MAP_FAILED;
  return real(address, size, protection, flags, fd, offset);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  ACCLIMATE_REAL(clock_gettime);
  const int result = real(clock, time);
  const bool of_day = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (result == 0 && of_day) *time = Moved(*time, Offset());
  return result;
}

int gettimeofday(timeval* __restrict time, void* __restrict) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* seconds) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds != nullptr) *seconds = now.tv_sec;
  return now.tv_sec;
}

// The kernel's clock does not move: an end that was computed from ours is moved back to it.
int pthread_cond_timedwait(pthread_cond_t* __restrict condition, pthread_mutex_t* __restrict mutex,
                           const timespec* __restrict end) {
  ACCLIMATE_REAL(pthread_cond_timedwait);
  const timespec moved = IsTimeOfDay(*end) ? Moved(*end, -Offset()) : *end;
  return real(condition, mutex, &moved);
}

int pthread_cond_clockwait(pthread_cond_t* __restrict condition, pthread_mutex_t* __restrict mutex,
                           clockid_t clock, const timespec* __restrict end) {
  ACCLIMATE_REAL(pthread_cond_clockwait);
  const timespec moved = clock == CLOCK_REALTIME ? Moved(*end, -Offset()) : *end;
  return real(condition, mutex, clock, &moved);
}

long syscall(long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(rest, long);
  va_end(rest);
  ACCLIMATE_REAL(syscall);
  timespec moved{};
  const auto* const end = reinterpret_cast<const timespec*>(arguments[3]);
  const bool waits = number == SYS_futex && (arguments[1] & FUTEX_CLOCK_REALTIME) != 0 &&
                     (arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && end != nullptr;
  if (waits) {
    moved = Moved(*end, -Offset());
    arguments[3] = reinterpret_cast<long>(&moved);
  }
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}

}  // extern "C"
