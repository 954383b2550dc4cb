#include "server/artifacts/background_thread.h"

#include <sys/resource.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace acclimate::artifacts {
namespace {

TEST(BackgroundThreadTest, PassesComeAgain) {
  std::atomic<int> passes{0};
  absl::Notification three;
  const BackgroundThread thread(absl::Milliseconds(1), [&](const Rest&) {
    if (++passes == 3) three.Notify();
  });
  three.WaitForNotification();
}

TEST(BackgroundThreadTest, TheEndStopsAPassAtItsNextRest) {
  absl::Notification began;
  bool told = false;
  {
    const BackgroundThread thread(absl::ZeroDuration(), [&](const Rest& rest) {
      if (!began.HasBeenNotified()) began.Notify();
      while (rest()) {
      }
      told = true;
    });
    began.WaitForNotification();
  }
  EXPECT_TRUE(told);
}

TEST(BackgroundThreadTest, RunsBelowOthers) {
  absl::Notification read;
  int priority = 0;
  const int own = getpriority(PRIO_PROCESS, 0);
  {
    const BackgroundThread thread(absl::ZeroDuration(), [&](const Rest&) {
      if (read.HasBeenNotified()) return;
      priority = getpriority(PRIO_PROCESS, 0);
      read.Notify();
    });
    read.WaitForNotification();
  }
  EXPECT_EQ(priority, 19);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), own) << "of its own thread alone";
}

}  // namespace
}  // namespace acclimate::artifacts
