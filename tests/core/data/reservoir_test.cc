#include "core/data/reservoir.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

namespace acclimate::data {
namespace {

// Which of `items` are kept when they are offered in batches of `batch`.
std::vector<int64_t> Kept(int64_t capacity, int64_t items, int64_t batch) {
  Reservoir reservoir(capacity);
  std::vector<int64_t> slots(capacity, -1);
  for (int64_t begin = 0; begin < items; begin += batch) {
    const at::Tensor places = reservoir.Offer(std::min(batch, items - begin));
    for (int64_t i = 0; i < places.size(0); ++i) {
      const int64_t place = places[i].item<int64_t>();
      if (place >= 0) slots.at(place) = begin + i;
    }
  }
  EXPECT_EQ(reservoir.seen(), items);
  EXPECT_EQ(reservoir.size(), std::min(items, capacity));
  return slots;
}

TEST(ReservoirTest, KeepsEverythingWhileThereIsRoom) {
  EXPECT_EQ(Kept(5, 5, 2), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(Kept(3, 2, 2), (std::vector<int64_t>{0, 1, -1}));
}

// Every item is kept with probability M / seen: 1 - M / N of the usual chi^2, since exactly M are.
TEST(ReservoirTest, EveryItemIsKeptWithTheSameProbability) {
  at::manual_seed(1);
  constexpr int64_t kCapacity = 10, kItems = 60;
  constexpr int kRuns = 2000;
  std::vector<double> counts(kItems, 0.0);
  for (int run = 0; run < kRuns; ++run) {
    for (const int64_t item : Kept(kCapacity, kItems, 7)) counts.at(item) += 1;
  }
  const double expected = static_cast<double>(kRuns) * kCapacity / kItems;
  double chi_squared = 0;
  for (const double count : counts)
    chi_squared += (count - expected) * (count - expected) / expected;
  chi_squared /= 1.0 - static_cast<double>(kCapacity) / kItems;
  EXPECT_LT(chi_squared, 98.3);  // 59 degrees of freedom, p = 0.001
  EXPECT_GT(chi_squared, 30.0);  // p = 0.999: too even to be drawn at random
}

TEST(ReservoirTest, GoesOnWhereItWasLeft) {
  at::manual_seed(2);
  Reservoir whole(4);
  whole.Offer(10);
  const at::Tensor expected = whole.Offer(10);
  at::manual_seed(2);
  Reservoir(4).Offer(10);
  Reservoir resumed(4, 10);
  EXPECT_TRUE(resumed.Offer(10).equal(expected));
  EXPECT_EQ(resumed.seen(), 20);
}

}  // namespace
}  // namespace acclimate::data
