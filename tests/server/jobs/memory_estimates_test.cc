#include "server/jobs/memory_estimates.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::jobs {
namespace {

using ::testing::Optional;

v1::JobSpec Spec(const std::string& method, const std::string& checkpoint,
                 const std::string& architecture, int64_t batch_size) {
  v1::JobSpec spec;
  spec.set_method(method);
  spec.mutable_model()->set_checkpoint(checkpoint);
  spec.mutable_model()->set_architecture(architecture);
  if (batch_size > 0) (*spec.mutable_hyperparameters())["batch_size"].set_integer(batch_size);
  return spec;
}

TEST(MemoryKindTest, IsMethodModelAndBatchSize) {
  const std::string kind = MemoryKind(Spec("dan", "x", "", 32), 1);
  EXPECT_EQ(kind, MemoryKind(Spec("dan", "x", "", 32), 0));
  EXPECT_NE(kind, MemoryKind(Spec("dan", "x", "", 32), 2));
  EXPECT_NE(kind, MemoryKind(Spec("dan", "x", "", 64), 1));
  EXPECT_NE(kind, MemoryKind(Spec("dan", "y", "", 32), 1));
  EXPECT_NE(kind, MemoryKind(Spec("shot", "x", "", 32), 1));
  EXPECT_EQ(MemoryKind(Spec("dan", "x", "lenet", 0), 1),
            MemoryKind(Spec("dan", "y", "lenet", 0), 1));
}

class MemoryEstimatesTest : public testing::Test {
 protected:
  std::optional<int64_t> Learn(int64_t bytes, bool succeeded = true) {
    const std::optional<MemoryPeak> peak = estimates_.Learned("kind", bytes, succeeded);
    if (peak.has_value()) estimates_.Set(*peak);
    return estimates_.PeakOf("kind");
  }
  MemoryEstimates estimates_;
};

TEST_F(MemoryEstimatesTest, RiseAtOnceAndFallByAnEighth) {
  EXPECT_EQ(Learn(0), std::nullopt) << "not measured";
  EXPECT_THAT(Learn(800), Optional(800));
  EXPECT_THAT(Learn(1000), Optional(1000));
  EXPECT_THAT(Learn(100), Optional(875));
  EXPECT_THAT(Learn(870), Optional(870));
  EXPECT_EQ(estimates_.Learned("kind", 870, true), std::nullopt) << "nothing new";
}

TEST_F(MemoryEstimatesTest, AnAttemptThatEndedEarlyOnlyRaises) {
  EXPECT_EQ(Learn(50, /*succeeded=*/false), std::nullopt);
  EXPECT_THAT(Learn(800), Optional(800));
  EXPECT_THAT(Learn(50, /*succeeded=*/false), Optional(800));
  EXPECT_THAT(Learn(900, /*succeeded=*/false), Optional(900));
}

TEST_F(MemoryEstimatesTest, ForgetTheOldestKinds) {
  for (size_t i = 0; i <= MemoryEstimates::kMaxKinds; ++i) {
    estimates_.Set({absl::StrCat(i), 1});
  }
  EXPECT_EQ(estimates_.PeakOf("0"), std::nullopt);
  EXPECT_THAT(estimates_.PeakOf("1"), Optional(1));
}

}  // namespace
}  // namespace acclimate::jobs
