#include "core/methods/alignment/domain_discriminator.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace acclimate::methods {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kFeatures = 5, kFeatureWidth = 7;

DomainDiscriminator New(int64_t seed, int64_t width = kFeatureWidth) {
  at::manual_seed(seed);
  return DomainDiscriminator(kFeatures, width, at::kCPU);
}

at::Tensor Features() { return at::randn({9, kFeatures}, at::detail::createCPUGenerator(2)); }

TEST(DomainDiscriminatorTest, EqualsItsDefinition) {
  DomainDiscriminator discriminator = New(1);
  std::map<std::string, at::Tensor> weights;
  for (const train::NamedParameter& parameter : discriminator.Parameters()) {
    weights[parameter.name] = parameter.tensor.detach().to(at::kDouble);
  }
  const auto linear = [&](const std::string& layer, const at::Tensor& x) {
    return x.mm(weights.at("discriminator." + layer + ".weight").t()) +
           weights.at("discriminator." + layer + ".bias");
  };
  const auto normalised = [](const at::Tensor& x) {  // scale and shift are still 1 and 0
    return (x - x.mean(0)) / (x.var(0, /*unbiased=*/false) + 1e-5).sqrt();
  };
  at::Tensor x = Features().to(at::kDouble);
  x = normalised(linear("0", x)).relu();
  x = normalised(linear("3", x)).relu();
  const at::Tensor logits = discriminator.Forward(Features());
  EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{9, 1}));
  EXPECT_TRUE(at::allclose(logits.to(at::kDouble), linear("6", x), 1e-5, 1e-5));
}

TEST(DomainDiscriminatorTest, ParameterNamesAreUniqueAndItsOwn) {
  std::set<std::string> names;
  const DomainDiscriminator discriminator = New(1);
  for (const train::NamedParameter& parameter : discriminator.Parameters()) {
    EXPECT_THAT(parameter.name, StartsWith("discriminator."));
    EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name;
  }
  EXPECT_EQ(names.size(), 10u);  // weight and bias of three linear layers and two batch norms
}

TEST(DomainDiscriminatorTest, RestoredIsTheSame) {
  DomainDiscriminator one = New(1), other = New(2);
  one.Forward(Features() + 3.0);  // moves the stored statistics
  ASSERT_FALSE(at::equal(one.Forward(Features()), other.Forward(Features())));
  const absl::Status status = other.Restore(one.State());
  ASSERT_TRUE(status.ok()) << status;
  const train::TensorMap state = one.State(), restored = other.State();
  EXPECT_EQ(state.count("discriminator.1.weight"), 1u);
  for (const auto& [name, tensor] : state)
    EXPECT_TRUE(at::equal(tensor, restored.at(name))) << name;
  EXPECT_TRUE(at::equal(one.Forward(Features()), other.Forward(Features())));
}

TEST(DomainDiscriminatorTest, StateThatDoesNotFitIsNamed) {
  DomainDiscriminator discriminator = New(1);
  train::TensorMap missing = discriminator.State();
  missing.erase("discriminator.3.weight");
  EXPECT_THAT(discriminator.Restore(missing).message(), HasSubstr("discriminator.3.weight"));
  const absl::Status wider = discriminator.Restore(New(1, kFeatureWidth + 1).State());
  EXPECT_EQ(wider.code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace acclimate::methods
