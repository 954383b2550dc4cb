// Training steps as a user of LibTorch would write them in an eager loop.
#ifndef ACCLIMATE_TESTS_BENCH_PLAIN_LOOP_H_
#define ACCLIMATE_TESTS_BENCH_PLAIN_LOOP_H_

#include <cstdint>
#include <memory>
#include <string>

namespace acclimate::bench {

class PlainLoop {
 public:
  virtual ~PlainLoop() = default;
  virtual void Step() = 0;
};

// method: "dann" or "dan"; architecture: "lenet" or "resnet18". Images of [channels, size, size] in
// ten classes, `batch` of each domain in a step.
std::unique_ptr<PlainLoop> MakePlainLoop(const std::string& method, const std::string& architecture,
                                         int64_t channels, int64_t size, int64_t batch);

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_PLAIN_LOOP_H_
